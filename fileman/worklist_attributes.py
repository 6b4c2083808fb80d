"""The attributes of the worklist: tags, value representations, how they match, and the columns that hold them.

What they match by is table 11 of the conformance statement that the archive is built after, where the standard leaves that open
(PS3.4 table K.6-1).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

#: The sequences: of the scheduled procedure step, of codes, and those that nothing is known of.
STEP, PROTOCOL_CODES, PROCEDURE_CODES = "00400100", "00400100>00400008", "00321064"
REFERENCED_STUDY, REFERENCED_PATIENT = "00081110", "00081120"
SEQUENCES = frozenset({STEP, PROTOCOL_CODES, PROCEDURE_CODES, REFERENCED_STUDY, REFERENCED_PATIENT})
SPECIFIC_CHARACTER_SET = "00080005"
#: Between the values of an attribute that has several.
BACKSLASH = "\\"


class Matching(Enum):
    """How the values of a key match (PS3.4 C.2.2.2); what is WILD matches a single value, too."""

    SINGLE = "single value"
    WILD = "wild card"
    DATE = "date range"
    TIME = "time range"
    NUMBER = "number range"
    NAME = "person name"


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute: the tags that lead to it, its column, VR and matching, and whether it has several values.

    `aliases` are further places at which the same column is told.
    """

    path: str
    column: str
    vr: str
    matching: Matching
    multiple: bool = False
    aliases: tuple[str, ...] = ()

    @property
    def tag(self) -> str:
        """Its own tag, without those of the sequences that it stands in."""
        return self.path.rpartition(">")[2]

    @property
    def apart(self) -> bool:
        """Whether its values stand in a file of their own, to be found by each."""
        return self.multiple or self.matching is Matching.NAME

    def values(self, text: str) -> list[str]:
        """Give its values out of what the column holds."""
        return [part for part in text.split(BACKSLASH) if part] if self.multiple else [text] if text else []


def _step(
    tag: str, column: str, vr: str, matching: Matching, *, multiple: bool = False, aliases: tuple[str, ...] = ()
) -> Attribute:
    return Attribute(f"{STEP}>{tag}", column, vr, matching, multiple, aliases)


def _codes(sequence: str, prefix: str) -> tuple[Attribute, ...]:
    return (
        Attribute(f"{sequence}>00080100", f"{prefix}_code", "SH", Matching.WILD),
        Attribute(f"{sequence}>00080102", f"{prefix}_scheme", "SH", Matching.WILD),
        Attribute(f"{sequence}>00080104", f"{prefix}_meaning", "LO", Matching.WILD),
    )


ATTRIBUTES: tuple[Attribute, ...] = (
    _step("00400001", "station_ae_titles", "AE", Matching.SINGLE, multiple=True),
    _step("00400002", "start_date", "DA", Matching.DATE),
    _step("00400003", "start_time", "TM", Matching.TIME),
    _step("00080060", "modality", "CS", Matching.SINGLE),
    # table 11 has it beside the sequence, PS3.4 in it
    _step("00400006", "performing_physician", "PN", Matching.NAME, aliases=("00400006",)),
    _step("00400007", "step_description", "LO", Matching.WILD),
    _step("00400010", "station_name", "SH", Matching.WILD),
    _step("00400011", "step_location", "SH", Matching.WILD),
    _step("00400009", "step_id", "SH", Matching.WILD),
    _step("00400020", "status", "CS", Matching.SINGLE),
    _step("00321070", "contrast_agent", "LO", Matching.WILD),
    _step("00400012", "pre_medication", "LO", Matching.WILD),
    _step("00400400", "step_comments", "LT", Matching.WILD),
    *_codes(PROTOCOL_CODES, "protocol"),
    Attribute("00401001", "procedure_id", "SH", Matching.WILD),
    Attribute("00321030", "reason", "LO", Matching.WILD, aliases=("00401002", "00401400", "001021B0")),
    Attribute("00321060", "procedure_description", "LO", Matching.WILD),
    *_codes(PROCEDURE_CODES, "procedure"),
    Attribute("0020000D", "study_uid", "UI", Matching.SINGLE),
    Attribute("00401003", "priority", "SH", Matching.SINGLE),
    Attribute("00401004", "transport", "LO", Matching.SINGLE),
    Attribute("00081080", "diagnoses", "LO", Matching.WILD, multiple=True),
    Attribute("00080050", "accession", "SH", Matching.WILD),
    Attribute("00321032", "requesting_physician", "PN", Matching.NAME),
    Attribute("00380010", "admission_id", "LO", Matching.WILD),
    Attribute("00080090", "referring_physician", "PN", Matching.NAME),
    Attribute("00080080", "institution_name", "LO", Matching.WILD),
    Attribute("00380300", "current_location", "LO", Matching.WILD),
    Attribute("00100010", "patient_name", "PN", Matching.NAME),
    Attribute("00100020", "patient_id", "LO", Matching.WILD),
    Attribute("00100030", "birth_date", "DA", Matching.DATE),
    Attribute("00100040", "sex", "CS", Matching.SINGLE),
    Attribute("00403001", "confidentiality", "LO", Matching.WILD),
    Attribute("00101020", "size", "DS", Matching.NUMBER),
    Attribute("00101030", "weight", "DS", Matching.NUMBER),
    Attribute("00380500", "patient_state", "LO", Matching.WILD),
    Attribute("001021C0", "pregnancy", "US", Matching.WILD),
    Attribute("00102000", "medical_alerts", "LO", Matching.WILD, multiple=True),
    Attribute("00102110", "allergies", "LO", Matching.WILD, multiple=True),
    Attribute("00380050", "special_needs", "LO", Matching.WILD),
)
BY_COLUMN = {attribute.column: attribute for attribute in ATTRIBUTES}
BY_PATH = {path: attribute for attribute in ATTRIBUTES for path in (attribute.path, *attribute.aliases)}
#: The columns that hold numbers beside the text of an attribute.
NUMBERS = {"size": "size_m", "weight": "weight_kg"}

#: Characters of a value (PS3.5 table 6.2-1); of PN those of a component group, of which there may be three.
LIMITS = {"AE": 16, "CS": 16, "SH": 16, "LO": 64, "PN": 64, "UI": 64, "LT": 10240, "DS": 16}
_NAME_GROUPS = 3
_UID = re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*))+")
_CODE = re.compile(r"[A-Z0-9 _]*")
_TIME = re.compile(r"(?:[01]\d|2[0-3])(?:[0-5]\d(?:(?:[0-5]\d|60)(?:\.\d{1,6})?)?)?")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?")
#: What an attribute may say and nothing else (PS3.3 C.2.3, C.7.1.1).
_TERMS = {"sex": ("M", "F", "O"), "pregnancy": ("1", "2", "3", "4")}


def checked(column: str, text: str) -> str:
    """Give the text of an attribute as it is kept, without blanks around its values. Raises ValueError: what is wrong."""
    attribute = BY_COLUMN[column]
    if attribute.multiple:
        return BACKSLASH.join(_checked(attribute, part.strip()) for part in text.split(BACKSLASH) if part.strip())
    return _checked(attribute, text.strip())


def _checked(attribute: Attribute, text: str) -> str:
    if not text:
        return ""
    if any(ord(character) < 32 or 127 <= ord(character) < 160 for character in text):
        raise ValueError("holds a control character")
    if BACKSLASH in text:
        raise ValueError("holds a backslash, which separates values")
    if (terms := _TERMS.get(attribute.column)) and text not in terms:
        raise ValueError(f'is "{text[:20]}"; write {", ".join(terms[:-1])} or {terms[-1]}')
    parts = text.split("=") if attribute.vr == "PN" else [text]
    limit = LIMITS.get(attribute.vr)
    if limit is not None and max(map(len, parts)) > limit:
        raise ValueError(f"is longer than {limit} characters")
    if problem := _PROBLEMS.get(attribute.vr, _nothing)(text):
        raise ValueError(problem)
    return text


def _nothing(_text: str) -> str:
    return ""


def _date_problem(text: str) -> str:
    try:
        if len(text) == 8 and text.isdecimal() and text.isascii():
            datetime.strptime(text, "%Y%m%d")  # noqa: DTZ007  a day has no zone
            return ""
    except ValueError:
        pass
    return f'"{text[:20]}" is no date; write 20240131'


def _time_problem(text: str) -> str:
    return "" if _TIME.fullmatch(text) else f'"{text[:20]}" is no time; write 1030 or 103000'


def _number_problem(text: str) -> str:
    return "" if _NUMBER.fullmatch(text) else f'"{text[:20]}" is no number'


def _uid_problem(text: str) -> str:
    return "" if _UID.fullmatch(text) else f'"{text[:20]}" is no UID'


def _code_problem(text: str) -> str:
    return "" if _CODE.fullmatch(text) else f'"{text[:20]}" is no code: capital letters, digits, blanks and underscores are'


def _name_problem(text: str) -> str:
    return f"has more than {_NAME_GROUPS} component groups" if text.count("=") >= _NAME_GROUPS else ""


def _title_problem(text: str) -> str:
    return "" if text.isascii() else "is no AE title: it holds letters beyond ASCII"


_PROBLEMS: dict[str, Callable[[str], str]] = {
    "DA": _date_problem,
    "TM": _time_problem,
    "DS": _number_problem,
    "UI": _uid_problem,
    "CS": _code_problem,
    "PN": _name_problem,
    "AE": _title_problem,
}
