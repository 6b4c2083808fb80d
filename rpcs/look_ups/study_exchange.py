"""Studies with their series and images and where their files lie, for exchange with other systems."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import bindparam, select

from fileman import GROUP_OBJECT_TYPE, exam_of_image, file_name
from fileman.files import Image, ImageAudit, Patient
from rpcs.call import Call
from rpcs.file_find import image_directory
from rpcs.icn import full_icn
from rpcs.image_processing.image import DICOM_OBJECT_TYPE, STILL_OBJECT_TYPE
from rpcs.numbers import entry_number
from rpcs.registry import Access, listed, literal, procedure
from xwb import ResultType, m_number

#: Most studies of one call.
MOST = 1000
#: What stands for a series, or a number, that an image lacks.
UNKNOWN = "?"

_COLUMNS = (
    "ien",
    "parent",
    "patient",
    "uid",
    "object_type",
    "procedure",
    "series_uid",
    "series_number",
    "image_number",
    "file_ref",
    "location",
    "jukebox_location",
    "abstract_location",
    "parent_file",
    "parent_ien",
    "parent_inverse",
    "report",
)
_LIVE = select(*(getattr(Image, name) for name in _COLUMNS))
_DELETED = select(*(getattr(ImageAudit, name) for name in _COLUMNS))
_ENTRY = _LIVE.where(Image.ien == bindparam("ien_"))
_DELETED_ENTRY = _DELETED.where(ImageAudit.ien == bindparam("ien_"))
_OF_UID = _LIVE.where(Image.uid == bindparam("uid_"), Image.parent.is_(None)).order_by(Image.ien)
_DELETED_OF_UID = _DELETED.where(ImageAudit.uid == bindparam("uid_"), ImageAudit.parent.is_(None)).order_by(ImageAudit.ien)
_MEMBERS = _LIVE.where(Image.parent == bindparam("group_")).order_by(Image.group_sequence, Image.ien)
_DELETED_MEMBERS = _DELETED.where(ImageAudit.parent == bindparam("group_")).order_by(ImageAudit.ien)
_PATIENT = select(Patient.name, Patient.icn).where(Patient.dfn == bindparam("dfn_"))


@dataclass(frozen=True, slots=True)
class Wanted:
    """Of whom studies are wanted, None for whoever they are of; whether their images too, and deleted ones."""

    patient: int | None
    images: bool = True
    deleted: bool = False


@procedure(
    "MAG DOD GET STUDIES UID",
    returns=ResultType.ARRAY,
    access=Access.SCANS,
    routine="STUDY1^MAGDQR21",
    parameters=(listed("STUDIES", 1000, required=True),),
    word_wrap=False,
    version=3,
)
def get_studies_by_uid(call: Call) -> list[str]:
    """Answer studies by their UIDs, one or a list: a count of lines, then `KEYWORD|values` as MAG DOD GET STUDIES IEN does."""
    given = [call.text(0), *call.list(0).values()]
    uids = [uid for uid in dict.fromkeys(given) if uid][:MOST]
    lines = [line for uid in uids for line in _study(call, uid, _of_uid(call, uid, Wanted(None)), Wanted(None))]
    return [str(len(lines)), *lines]


@procedure(
    "MAG DOD GET STUDIES IEN",
    returns=ResultType.ARRAY,
    access=Access.SCANS,
    routine="STUDY2^MAGDQR21",
    parameters=(
        listed("GROUPS", 1000, required=True),
        literal("REQDFN", 50, required=True),
        literal("IMGLESS", 1),
        literal("FLAGS", 1, required=True),
    ),
    word_wrap=False,
    version=3,
)
def get_studies_by_group(call: Call) -> list[str]:
    """Answer a patient's studies by their groups, one or a list: a count of lines, then `KEYWORD|values`.

    A study is NEXT_STUDY (UID, or group without one), STUDY_UID, STUDY_IEN (group, images, first image, CPT code, station,
    DICOM images), STUDY_PAT (patient, ICN, name), then its series and, last, STUDY_MODALITY. A series is NEXT_SERIES,
    SERIES_UID, SERIES_IEN, SERIES_NUMBER; an image NEXT_IMAGE, IMAGE_UID, IMAGE_IEN, GROUP_IEN, IMAGE_NUMBER, IMAGE_ABSTRACT,
    IMAGE_FULL, IMAGE_TEXT. IMGLESS 1 leaves series and images out, FLAGS D takes deleted ones in. STUDY_ERR says what is wrong
    with a study: images of different patients, or none of the patient's.
    """
    given = [call.text(0), *call.list(0).values()]
    patient = entry_number(call.text(1))
    wanted = Wanted(patient, call.text(2) != "1", "D" in call.text(3))
    lines: list[str] = []
    for uid, entry in _studies(call, given, wanted):
        lines += _study(call, uid, _of_uid(call, uid, wanted) if uid else [entry], wanted)
    return [str(len(lines)), *lines]


def _studies(call: Call, given: Iterable[str], wanted: Wanted) -> list[tuple[str, Any]]:
    """Find the study of each entry, a group or an image of one: its UID, or itself where it has none; by UID."""
    found: dict[tuple[str, int], Any] = {}
    for text in given:
        entry = _entry(call, entry_number(text), wanted)
        if entry is not None and entry.parent:
            entry = _entry(call, entry.parent, wanted)
        if entry is not None and len(found) < MOST:
            found[entry.uid, 0 if entry.uid else entry.ien] = entry
    return [(uid, entry) for (uid, _ien), entry in sorted(found.items(), key=lambda it: it[0])]


def _entry(call: Call, ien: int, wanted: Wanted) -> Any:
    row = call.connection.execute(_ENTRY, {"ien_": ien}).first()
    if row is None and wanted.deleted:
        row = call.connection.execute(_DELETED_ENTRY, {"ien_": ien}).first()
    return row


def _of_uid(call: Call, uid: str, wanted: Wanted) -> list[Any]:
    rows = list(call.connection.execute(_OF_UID, {"uid_": uid}).all())
    return rows + (list(call.connection.execute(_DELETED_OF_UID, {"uid_": uid}).all()) if wanted.deleted else [])


def _members(call: Call, entry: Any, wanted: Wanted) -> list[Any]:
    if entry.object_type != GROUP_OBJECT_TYPE:
        return [entry]
    rows = list(call.connection.execute(_MEMBERS, {"group_": entry.ien}).all())
    return rows + (list(call.connection.execute(_DELETED_MEMBERS, {"group_": entry.ien}).all()) if wanted.deleted else [])


def _study(call: Call, uid: str, entries: list[Any], wanted: Wanted) -> list[str]:
    """Write one study out of its groups."""
    lines = [f"NEXT_STUDY|{uid}|{'' if uid or not entries else entries[0].ien}"]
    if not entries:
        return lines
    members = {entry.ien: _members(call, entry, wanted) for entry in entries}
    patients = {it.patient for entry in entries for it in (entry, *members[entry.ien])}
    patient = entries[0].patient if wanted.patient is None else wanted.patient
    if len(patients) > 1:
        lines.append(f"STUDY_ERR|{uid}|{len(patients)} different patients")
        if wanted.patient is None or patient not in patients:
            return lines
    lines += [f"STUDY_UID|{uid}"] if uid else []
    entries = [entry for entry in entries if entry.patient == patient]
    if not entries:
        return [*lines, f"STUDY_ERR|{uid}|Matching study not found for patient {wanted.patient or ''}"]
    images = [it for entry in entries for it in members[entry.ien] if it.patient == patient]
    lines.append(_heading(call, entries[0], images))
    person = call.connection.execute(_PATIENT, {"dfn_": patient}).first()
    lines.append(f"STUDY_PAT|{patient}|{full_icn(person.icn if person else '')}|{person.name if person else ''}")
    if not wanted.images:
        return lines
    numbers: set[str] = set()
    for entry in entries:
        lines += _series(call, entry, [it for it in members[entry.ien] if it.patient == patient], numbers)
    modalities = sorted({it.procedure.removeprefix("RAD ") for it in images if it.parent_file == "74" and it.procedure})
    return [*lines, *([f"STUDY_MODALITY|{','.join(modalities)}"] if modalities else [])]


def _heading(call: Call, entry: Any, images: list[Any]) -> str:
    first = images[0] if images else entry
    exam = exam_of_image(call.connection, entry)
    dicom = sum(it.object_type in (DICOM_OBJECT_TYPE, STILL_OBJECT_TYPE) for it in images)
    return f"STUDY_IEN|{entry.ien}|{len(images)}|{first.ien}|{exam.cpt if exam else ''}|{_station(call, first)}|{dicom}"


def _station(call: Call, image: Any) -> str:
    location = call.site.locations.get(image.location or image.jukebox_location or 0)
    place = next((it for it in call.site.places if location is not None and it.ien == location.site), None)
    institution = call.site.institutions.get(place.institution) if place is not None else None
    return institution.station if institution is not None else ""


def _series(call: Call, entry: Any, images: list[Any], numbers: set[str]) -> list[str]:
    """Write the series of a group; one whose number another of the study has, or has none, gets the next that is free."""
    series: dict[tuple[str, str], list[Any]] = {}
    for it in images:
        series.setdefault((it.series_uid or UNKNOWN, it.series_number or UNKNOWN), []).append(it)
    lines: list[str] = []
    for uid, number in sorted(series):
        if number in numbers or not number.lstrip("+-").isdigit():
            number_given = next(str(free) for free in range(1, len(numbers) + 2) if str(free) not in numbers)
        else:
            number_given = number
        numbers.add(number_given)
        lines += ["NEXT_SERIES", *([f"SERIES_UID|{uid}"] if uid != UNKNOWN else []), f"SERIES_IEN|{entry.ien}"]
        lines.append(f"SERIES_NUMBER|{number_given}")
        for it in sorted(series[uid, number], key=_image_order):
            lines += _image(call, it)
    return lines


def _image_order(image: Any) -> tuple[bool, Decimal, str, int]:
    number = image.image_number
    return (not number.isdecimal(), m_number(number), number, image.ien)


def _image(call: Call, image: Any) -> list[str]:
    lines = ["NEXT_IMAGE", *([f"IMAGE_UID|{image.uid}"] if image.uid else []), f"IMAGE_IEN|{image.ien}"]
    lines += [f"GROUP_IEN|{image.parent}"] if image.parent else []
    lines += [f"IMAGE_NUMBER|{image.image_number}"] if image.image_number else []
    full = image.location or image.jukebox_location
    files = (
        ("ABSTRACT", image.abstract_location or full, file_name(image.file_ref, "ABSTRACT")),
        ("FULL", full, image.file_ref),
        ("TEXT", full, file_name(image.file_ref, "TEXT")),
    )
    for kind, number, name in files:
        location = call.site.locations.get(number or 0)
        if location is not None and image.file_ref:
            lines.append(f"IMAGE_{kind}|{image_directory(location, image.file_ref)}{name}")
    return lines
