"""The attributes that the archive can be asked for, by level: tag, VR, type, where they are kept, how they match.

The levels are those of PS3.4 C.6.1.1 (Patient Root). In Study Root the attributes of patients are the study's. To those of the
MagicStore statement's tables 6 to 10 come the counts, the SOP classes of a study, and what viewers usually show.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Any

from fileman.files import ArchiveInstance, ArchivePatient, ArchiveSeries, ArchiveStudy


class Level(IntEnum):
    """Query/Retrieve Level (0008,0052), from the highest."""

    PATIENT = 0
    STUDY = 1
    SERIES = 2
    IMAGE = 3


class Matching(Enum):
    """How a key is compared (PS3.4 C.2.2.2).

    TEXT is single value and wild card matching, VALUES the same with each of several values, NAME the same with the groups of
    person names; UID is a list of UIDs; DATE, TIME and NUMBER single value and range. MODALITIES and CLASSES match what any
    series or instance of a study has, COUNT what is counted.
    """

    TEXT = "text"
    VALUES = "values"
    NAME = "name"
    UID = "uid"
    DATE = "date"
    TIME = "time"
    NUMBER = "number"
    MODALITIES = "modalities"
    CLASSES = "classes"
    COUNT = "count"


_READING_PHYSICIANS = "00081060"
_COMPUTED = frozenset({Matching.MODALITIES, Matching.CLASSES, Matching.COUNT})


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute. `type` is R, U or O: required, unique, optional (PS3.4 C.2.2.1).

    `column` holds what is returned, several values apart by backslashes; `key`, where it is another one, what is compared.
    `counted` is the level whose entries a COUNT counts.
    """

    tag: str
    vr: str
    level: Level
    type: str
    matching: Matching
    column: Any = None
    key: Any = None
    counted: Level | None = None

    @property
    def compared(self) -> Any:
        """The column that keys are compared with."""
        return self.column if self.key is None else self.key

    @property
    def is_computed(self) -> bool:
        """Whether its values have to be worked out, rather than read of an entry."""
        return self.matching in _COMPUTED

    @property
    def has_tails(self) -> bool:
        """Whether its values are kept in ARCHIVE VALUE, and what they end with in ARCHIVE TAIL."""
        return self.matching in (Matching.NAME, Matching.VALUES)

    @property
    def is_multiple(self) -> bool:
        """Whether its column may hold several values."""
        return self.matching is Matching.VALUES or self.tag == _READING_PHYSICIANS


def _at(level: Level, *rows: tuple[Any, ...]) -> tuple[Attribute, ...]:
    return tuple(Attribute(tag, vr, level, kind, matching, *rest) for tag, vr, kind, matching, *rest in rows)


def _count(tag: str, of: Level) -> tuple[Any, ...]:
    return tag, "IS", "O", Matching.COUNT, None, None, of


_PATIENT, _STUDY, _SERIES, _IMAGE = ArchivePatient, ArchiveStudy, ArchiveSeries, ArchiveInstance
_TEXT, _VALUES, _NAME, _UID = Matching.TEXT, Matching.VALUES, Matching.NAME, Matching.UID
_DATE, _TIME, _NUMBER = Matching.DATE, Matching.TIME, Matching.NUMBER

_ALL = (
    *_at(
        Level.PATIENT,
        ("00100010", "PN", "R", _NAME, _PATIENT.name),
        ("00100020", "LO", "U", _TEXT, _PATIENT.patient_id),
        ("00100021", "LO", "O", _TEXT, _PATIENT.issuer),
        ("00100030", "DA", "O", _DATE, _PATIENT.birth_date),
        ("00100040", "CS", "O", _TEXT, _PATIENT.sex),
        ("00101000", "LO", "O", _VALUES, _PATIENT.other_ids),
        _count("00201200", Level.STUDY),
        _count("00201202", Level.SERIES),
        _count("00201204", Level.IMAGE),
    ),
    *_at(
        Level.STUDY,
        ("00080020", "DA", "R", _DATE, _STUDY.study_date),
        ("00080030", "TM", "R", _TIME, _STUDY.study_time, _STUDY.study_time_key),
        ("00080050", "SH", "R", _TEXT, _STUDY.accession),
        ("00080061", "CS", "O", Matching.MODALITIES),
        ("00080062", "UI", "O", Matching.CLASSES),
        ("00080090", "PN", "O", _NAME, _STUDY.referring_physician),
        ("00081030", "LO", "O", _TEXT, _STUDY.description),
        (_READING_PHYSICIANS, "PN", "O", _NAME, _STUDY.reading_physicians),
        ("0020000D", "UI", "U", _UID, _STUDY.study_uid),
        ("00200010", "SH", "R", _TEXT, _STUDY.study_id),
        _count("00201206", Level.SERIES),
        _count("00201208", Level.IMAGE),
    ),
    *_at(
        Level.SERIES,
        ("00080021", "DA", "O", _DATE, _SERIES.series_date),
        ("00080031", "TM", "O", _TIME, _SERIES.series_time, _SERIES.series_time_key),
        ("00080060", "CS", "R", _TEXT, _SERIES.modality),
        ("00080080", "LO", "O", _TEXT, _SERIES.institution),
        ("0008103E", "LO", "O", _TEXT, _SERIES.description),
        ("00180015", "CS", "O", _TEXT, _SERIES.body_part),
        ("0020000E", "UI", "U", _UID, _SERIES.series_uid),
        ("00200011", "IS", "R", _NUMBER, _SERIES.series_number, _SERIES.series_number_key),
        ("00400244", "DA", "O", _DATE, _SERIES.step_start_date),
        ("00400245", "TM", "O", _TIME, _SERIES.step_start_time, _SERIES.step_start_time_key),
        ("00400250", "DA", "O", _DATE, _SERIES.step_stop_date),
        ("00400251", "TM", "O", _TIME, _SERIES.step_stop_time, _SERIES.step_stop_time_key),
        ("00401001", "SH", "O", _VALUES, _SERIES.procedure_ids),
        ("00400275>00401001", "SH", "O", _VALUES, _SERIES.procedure_ids),
        _count("00201209", Level.IMAGE),
    ),
    *_at(
        Level.IMAGE,
        ("00080016", "UI", "O", _UID, _IMAGE.sop_class),
        ("00080018", "UI", "U", _UID, _IMAGE.sop_uid),
        ("00080023", "DA", "O", _DATE, _IMAGE.content_date),
        ("00080033", "TM", "O", _TIME, _IMAGE.content_time, _IMAGE.content_time_key),
        ("00200013", "IS", "R", _NUMBER, _IMAGE.instance_number, _IMAGE.instance_number_key),
        ("00280008", "IS", "O", _NUMBER, _IMAGE.frames),
        ("00280010", "US", "O", _NUMBER, _IMAGE.matrix_rows),
        ("00280011", "US", "O", _NUMBER, _IMAGE.matrix_columns),
        ("00280100", "US", "O", _NUMBER, _IMAGE.bits_allocated),
        ("00280101", "US", "O", _NUMBER, _IMAGE.bits_stored),
        ("00700080", "CS", "O", _TEXT, _IMAGE.presentation_label),
        ("00700081", "LO", "O", _TEXT, _IMAGE.presentation_description),
        ("00700082", "DA", "O", _DATE, _IMAGE.presentation_date),
        ("00700083", "TM", "O", _TIME, _IMAGE.presentation_time, _IMAGE.presentation_time_key),
        ("00700084", "PN", "O", _NAME, _IMAGE.presentation_creator),
    ),
)
#: Every attribute by its tag, `gggggeee`; one in a sequence as `ggggeeee>ggggeeee`.
ATTRIBUTES = {attribute.tag: attribute for attribute in _ALL}
#: The attribute by which an entry of each level is known.
UNIQUE_KEYS = {Level.PATIENT: "00100020", Level.STUDY: "0020000D", Level.SERIES: "0020000E", Level.IMAGE: "00080018"}
#: The levels that queries of each root may have (PS3.4 C.6).
ROOTS = {
    "PATIENT": frozenset(Level),
    "STUDY": frozenset(Level) - {Level.PATIENT},
    "PATIENT/STUDY": frozenset({Level.PATIENT, Level.STUDY}),
}
