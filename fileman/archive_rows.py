"""What an archived object says of its patient, study, series and itself: rows of the archive's index, made without a database.

An object's header tells (HEADER of IMAGE PROCESSING); of one without header data, as VA gateways file them, VistA's files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TypeAlias

from fileman.dicom_forms import dicom_day, dicom_name, dicom_time, folded
from fileman.sop_classes import sop_class_uid

Row: TypeAlias = dict[str, object]
#: The data elements of a header by path, `gggg,eeee` or `gggg,eeee>1>gggg,eeee`, as `image_header` keeps them.
Elements: TypeAlias = Mapping[str, Mapping[str, object]]

#: Characters of a value that are kept, four times what DICOM allows; PostgreSQL's indexes take no longer ones.
VALUE_LIMIT = 256
#: Values of an attribute that are kept.
MOST_VALUES = 64
#: Characters in a row by which a pattern is looked for within values: the fewest, and the most that are kept of a tail.
TAIL_LEAST, TAIL_MOST = 3, 16
#: What a 32-bit column holds.
_LARGEST = 2**31 - 1
#: The groups of a person name (PS3.5 6.2.1).
ALPHABETIC, IDEOGRAPHIC, PHONETIC = 1, 2, 3

TRANSFER_SYNTAX = "0002,0010"
MEDCOM_CREATOR = "SIEMENS MEDCOM HEADER"
#: Paths of private elements name their creator in place of its block.
KEEP_ONLINE, DO_NOT_ARCHIVE = f"0029,xx51,{MEDCOM_CREATOR}", f"0029,xx52,{MEDCOM_CREATOR}"
_REQUEST_ATTRIBUTES, _PROCEDURE_ID = "0040,0275", "0040,1001"
_PATIENT_ID = "0010,0020"

_DATE = re.compile(r"(\d{4})\.?(\d\d)\.?(\d\d)")
_TIME = re.compile(r"(\d\d):?(?:(\d\d):?(?:(\d\d)(?:\.(\d{1,6}))?)?)?")
_INTEGER = re.compile(r"[+-]?\d{1,12}")
_SEPARATORS = re.compile(r"[^0-9A-Za-z]")


def date_of(text: str) -> str:
    """Give a date as `YYYYMMDD`, without the dots of ACR-NEMA (PS3.5 6.2); empty for what is no date."""
    found = _DATE.fullmatch(text.strip())
    return "".join(found.groups()) if found else ""


def time_key(text: str) -> str:
    """Give what a time compares by: `HHMMSS.FFFFFF`, what is left out taken for 0, zeros at the end left out; empty for none."""
    found = _TIME.fullmatch(text.strip())
    if found is None:
        return ""
    hours, minutes, seconds, fraction = found.groups("")
    clock = hours + minutes.ljust(2, "0") + seconds.ljust(2, "0")
    return f"{clock}.{fraction}".rstrip("0").rstrip(".") if fraction.strip("0") else clock


def number_key(text: str) -> int | None:
    """Give the number that a text of VR IS or of a binary VR is; None for what is none, or has no room in a column."""
    number = int(text) if _INTEGER.fullmatch(text.strip()) else _LARGEST + 1
    return number if -_LARGEST <= number <= _LARGEST else None


def clipped(text: str) -> str:
    """Give a value without blanks around it, no longer than values are kept."""
    return text.strip(" ")[:VALUE_LIMIT]


def name_groups(name: str) -> dict[int, str]:
    """Give the groups of a person name that say something, without carets and blanks that mean nothing (PS3.5 6.2)."""
    groups = enumerate(name.split("=")[:PHONETIC], ALPHABETIC)
    return {part: kept for part, group in groups if (kept := name_group(group))}


def name_group(group: str) -> str:
    """Give one group of a person name: blanks around its components and carets at its end mean nothing."""
    return "^".join(component.strip(" ") for component in group.split("^")).rstrip("^")


def _text(values: Sequence[str]) -> str:
    return clipped(values[0])


def _name(values: Sequence[str]) -> str:
    return "=".join(clipped(group) for group in values[0].split("=")[:PHONETIC])


def _uid(values: Sequence[str]) -> str:
    return values[0].strip(" \0")[:64]


def _texts(values: Sequence[str]) -> str:
    return "\\".join(map(clipped, values[:MOST_VALUES]))


def _names(values: Sequence[str]) -> str:
    return "\\".join(_name([value]) for value in values[:MOST_VALUES])


def _date(values: Sequence[str]) -> str:
    return date_of(values[0])


def _time_key(values: Sequence[str]) -> str:
    return time_key(values[0])


def _number(values: Sequence[str]) -> int | None:
    return number_key(values[0])


#: Of each column the path of its element and how its values are read.
_Columns: TypeAlias = tuple[tuple[str, str, Callable[[Sequence[str]], object]], ...]

_OF_PATIENT: _Columns = (
    ("patient_id", _PATIENT_ID, _text),
    ("issuer", "0010,0021", _text),
    ("name", "0010,0010", _name),
    ("birth_date", "0010,0030", _date),
    ("sex", "0010,0040", _text),
    ("other_ids", "0010,1000", _texts),
)
_OF_STUDY: _Columns = (
    ("study_id", "0020,0010", _text),
    ("study_date", "0008,0020", _date),
    ("study_time", "0008,0030", _text),
    ("study_time_key", "0008,0030", _time_key),
    ("accession", "0008,0050", _text),
    ("description", "0008,1030", _text),
    ("referring_physician", "0008,0090", _name),
    ("reading_physicians", "0008,1060", _names),
)
_OF_SERIES: _Columns = (
    ("modality", "0008,0060", _text),
    ("series_number", "0020,0011", _text),
    ("series_number_key", "0020,0011", _number),
    ("series_date", "0008,0021", _date),
    ("series_time", "0008,0031", _text),
    ("series_time_key", "0008,0031", _time_key),
    ("description", "0008,103E", _text),
    ("body_part", "0018,0015", _text),
    ("institution", "0008,0080", _text),
    ("step_start_date", "0040,0244", _date),
    ("step_start_time", "0040,0245", _text),
    ("step_start_time_key", "0040,0245", _time_key),
    ("step_stop_date", "0040,0250", _date),
    ("step_stop_time", "0040,0251", _text),
    ("step_stop_time_key", "0040,0251", _time_key),
)
_OF_INSTANCE: _Columns = (
    ("sop_class", "0008,0016", _uid),
    ("transfer_syntax", TRANSFER_SYNTAX, _uid),
    ("instance_number", "0020,0013", _text),
    ("instance_number_key", "0020,0013", _number),
    ("content_date", "0008,0023", _date),
    ("content_time", "0008,0033", _text),
    ("content_time_key", "0008,0033", _time_key),
    ("matrix_rows", "0028,0010", _number),
    ("matrix_columns", "0028,0011", _number),
    ("frames", "0028,0008", _number),
    ("bits_allocated", "0028,0100", _number),
    ("bits_stored", "0028,0101", _number),
    ("presentation_label", "0070,0080", _text),
    ("presentation_description", "0070,0081", _text),
    ("presentation_date", "0070,0082", _date),
    ("presentation_time", "0070,0083", _text),
    ("presentation_time_key", "0070,0083", _time_key),
    ("presentation_creator", "0070,0084", _name),
    ("keep_online", KEEP_ONLINE, _text),
    ("do_not_archive", DO_NOT_ARCHIVE, _text),
)
_NUMBERS = frozenset(name for columns in (_OF_SERIES, _OF_INSTANCE) for name, _, read in columns if read is _number)


@dataclass(frozen=True, slots=True)
class FiledImage:
    """What VistA's files say of an image that is archived; dates are FileMan's, the name VistA's.

    `location` and `jukebox_location` are those of the file that holds the object. `study_uid`, `description` and `moment` are
    its group's, `accession` its exam's. `merged_ids` are the numbers of patients who were merged into its own. `amended` says
    that the patient was changed since the site was loaded, `moved` that the image was moved to another exam.
    """

    image: int
    dfn: int
    uid: str
    series_uid: str
    study_uid: str
    location: int
    jukebox_location: int
    size: int = 0
    sop_class: int = 0
    modality: str = ""
    series_number: str = ""
    image_number: str = ""
    description: str = ""
    moment: str = ""
    accession: str = ""
    patient_name: str = ""
    patient_id: str = ""
    birth_date: str = ""
    sex: str = ""
    merged_ids: Sequence[str] = ()
    amended: bool = False
    moved: bool = False


@dataclass(frozen=True, slots=True)
class Described:
    """One image as rows of the index, without the numbers of the entries above it."""

    filed: FiledImage
    patient: Row = field(default_factory=dict)
    study: Row = field(default_factory=dict)
    series: Row = field(default_factory=dict)
    instance: Row = field(default_factory=dict)


def read_elements(text: str | None) -> Elements:
    """Read header data; what cannot be read is none."""
    try:
        elements = json.loads(text or "{}")
    except ValueError:
        return {}
    return elements if isinstance(elements, dict) else {}


def describe(filed: FiledImage, elements: Elements) -> Described:
    """Say what an image is: by its header where there is one, else by VistA's files.

    A header whose Patient ID is not that of VistA's patient, as before a correction, tells nothing of the patient; of one who was
    changed since it tells little. The accession number of an image that was moved is its exam's.
    """
    instance: Row = {
        "image": filed.image,
        "sop_uid": filed.uid,
        "size": filed.size,
        "short_term": filed.location,
        "long_term": filed.jukebox_location,
    }
    if not elements:
        return Described(filed, _patient(filed), _study(filed), _series(filed), instance | _instance(filed))
    study = _read(_OF_STUDY, elements)
    if filed.moved:
        study |= {"accession": clipped(filed.accession)}
    series = _read(_OF_SERIES, elements) | {"procedure_ids": _texts(_procedure_ids(elements))}
    return Described(filed, _told_patient(filed, elements), study, series, instance | _read(_OF_INSTANCE, elements))


def _told_patient(filed: FiledImage, elements: Elements) -> Row:
    said = _read(_OF_PATIENT, elements)
    if not _same_number(str(said["patient_id"]), filed.patient_id):
        return _patient(filed)
    others = {"other_ids": with_ids(str(said["other_ids"]), filed.merged_ids)}
    known = patient_row(filed.patient_name, filed.patient_id, filed.birth_date, filed.sex) if filed.amended else {}
    return said | others | known


def _read(columns: _Columns, elements: Elements) -> Row:
    row: Row = {}
    for name, path, read in columns:
        values = _values(elements, path)
        row[name] = read(values) if values else None if name in _NUMBERS else ""
    return row


def _values(elements: Elements, path: str) -> list[str]:
    element = elements.get(path)
    values = element.get("values") if isinstance(element, dict) else None
    return values if isinstance(values, list) and values and all(isinstance(value, str) for value in values) else []


def _procedure_ids(elements: Elements) -> list[str]:
    """Give the Requested Procedure IDs of the requests, and the one outside of them, each once."""
    found = list(_values(elements, _PROCEDURE_ID))
    for item in range(1, MOST_VALUES):
        path = f"{_REQUEST_ATTRIBUTES}>{item}>{_PROCEDURE_ID}"
        if path not in elements:
            break
        found += _values(elements, path)
    return list(dict.fromkeys(filter(None, map(clipped, found))))


def _same_number(told: str, known: str) -> bool:
    return bool(told) and _SEPARATORS.sub("", told).upper() == _SEPARATORS.sub("", known).upper()


def _patient(filed: FiledImage) -> Row:
    row: Row = dict.fromkeys((name for name, _, _ in _OF_PATIENT), "")
    known = patient_row(filed.patient_name, filed.patient_id, filed.birth_date, filed.sex)
    return row | known | {"other_ids": with_ids("", filed.merged_ids)}


def patient_row(name: str, patient_id: str, birth_date: str, sex: str) -> Row:
    """Give what PATIENT (#2) says of a patient, in DICOM's form."""
    return {
        "patient_id": clipped(patient_id),
        "name": dicom_name(name)[:VALUE_LIMIT],
        "birth_date": dicom_day(birth_date),
        "sex": sex[:VALUE_LIMIT],
    }


def with_ids(other_ids: str, more: Iterable[str]) -> str:
    """Add numbers to those that a patient is known by besides his own."""
    known = dict.fromkeys(filter(None, (*other_ids.split("\\"), *map(clipped, more))))
    return "\\".join([*known][:MOST_VALUES])


def _study(filed: FiledImage) -> Row:
    time = dicom_time(filed.moment)
    row: Row = dict.fromkeys((name for name, _, _ in _OF_STUDY), "")
    return row | {
        "study_id": clipped(filed.accession.rpartition("-")[2]),
        "study_date": dicom_day(filed.moment),
        "study_time": time,
        "study_time_key": time_key(time),
        "accession": clipped(filed.accession),
        "description": clipped(filed.description),
    }


def _series(filed: FiledImage) -> Row:
    row: Row = dict.fromkeys((*(name for name, _, _ in _OF_SERIES), "procedure_ids"), "")
    modality = "" if filed.modality == "NO TEXT" else clipped(filed.modality)
    number = clipped(filed.series_number)
    return row | {"modality": modality, "series_number": number, "series_number_key": number_key(number)}


def _instance(filed: FiledImage) -> Row:
    row: Row = {name: None if name in _NUMBERS else "" for name, _, _ in _OF_INSTANCE}
    number = clipped(filed.image_number)
    return row | {
        "sop_class": sop_class_uid(filed.sop_class),
        "instance_number": number,
        "instance_number_key": number_key(number),
    }


#: Whose values are compared by ARCHIVE VALUE: of each kind of entry the tag, the column, and whether it holds person names.
VALUED: Mapping[str, tuple[tuple[str, str, bool], ...]] = {
    "archive_patient": (("00100010", "name", True), ("00101000", "other_ids", False)),
    "archive_study": (("00080090", "referring_physician", True), ("00081060", "reading_physicians", True)),
    "archive_series": (("00401001", "procedure_ids", False),),
    "archive_instance": (("00700084", "presentation_creator", True),),
}


def value_rows(kind: str, entry: int, row: Mapping[str, object]) -> list[Row]:
    """Give the rows of ARCHIVE VALUE that an entry has."""
    rows: list[Row] = []
    for attribute, column, is_name in VALUED[kind]:
        for number, value in enumerate(filter(None, str(row.get(column) or "").split("\\")), 1):
            groups = name_groups(value) if is_name else {0: value}
            rows += [
                {
                    "attribute": attribute,
                    "entry": entry,
                    "number": number,
                    "part": part,
                    "value": text,
                    "folded": folded(text)[: 2 * VALUE_LIMIT],
                }
                for part, text in groups.items()
            ]
    return rows


def tail_rows(values: Iterable[Row]) -> list[Row]:
    """Give the rows of ARCHIVE TAIL that rows of ARCHIVE VALUE have: those of an entry have to come together."""
    tails: dict[tuple[object, object], dict[tuple[str, str], None]] = {}
    for row in values:
        told = zip_longest(_tails(str(row["value"])), _tails(str(row["folded"])), fillvalue="")
        tails.setdefault((row["attribute"], row["entry"]), {}).update(dict.fromkeys(told))
    return [
        {"attribute": attribute, "entry": entry, "place": place, "value": value, "folded": fold}
        for (attribute, entry), found in tails.items()
        for place, (value, fold) in enumerate(found)
    ]


def _tails(text: str) -> Iterator[str]:
    return (text[place : place + TAIL_MOST] for place in range(len(text) - TAIL_LEAST + 1))
