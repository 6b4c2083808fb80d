"""Reading the facts of an image from the database (MAG^MAGBRTE3): the image first, then its group.

VistA means to look at the group's other images too, but reads a node that no image has, so that they never contribute.
"""

from __future__ import annotations

import json
from collections import namedtuple
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, bindparam, select

from fileman import ExamOfImage, exams_of_images
from fileman.files import Image, ImageHeader, Institution, NetworkLocation, NewPerson, Patient
from rules.judging.facts import ImageFacts
from rules.language.ast import Rule, leaves
from rules.language.dicom_names import tags_of

_COLUMNS = (
    Image.ien,
    Image.name,
    Image.file_ref,
    Image.location,
    Image.abstract_location,
    Image.jukebox_location,
    Image.object_type,
    Image.patient,
    Image.procedure,
    Image.last_access,
    Image.parent,
    Image.saved_at,
    Image.saved_by,
    Image.short_description,
    Image.procedure_time,
    Image.parent_file,
    Image.parent_ien,
    Image.parent_image_pointer,
    Image.parent_inverse,
    Image.package,
    Image.image_class,
    Image.image_type,
    Image.procedure_or_event,
    Image.specialty,
    Image.origin,
    Image.acquisition_site,
    Image.acquisition_device,
    Image.big_location,
    Image.big_jukebox_location,
    Image.uid,
    Image.report,
)
#: A row of these: SQLAlchemy's own look a column up by its name each time, which takes thirty times as long.
_ImageRow = namedtuple("_ImageRow", [it.key for it in _COLUMNS])  # type: ignore[misc]  # its names are the columns' own
_IMAGES = select(*_COLUMNS).where(Image.ien.in_(bindparam("keys", expanding=True)))
_PATIENTS = select(Patient.dfn, Patient.name).where(Patient.dfn.in_(bindparam("keys", expanding=True)))
_HEADERS = select(ImageHeader.uid, ImageHeader.elements).where(ImageHeader.uid.in_(bindparam("keys", expanding=True)))

_OBJECT_TYPES = {3: "XRAY", 11: "XRAY GROUP", 100: "DICOM IMAGE"}
_PARENT_FILES = {"74": "RADIOLOGY", "8925": "TIU"}
#: Keyword to column: values as they are stored.
_PLAIN = {
    "OBJECT_NAME": "name",
    "FILE_REF": "file_ref",
    "MAGNETIC_REF": "location",
    "ABSTRACT_REF": "abstract_location",
    "WORM_REF": "jukebox_location",
    "MODALITY": "procedure",
    "PROCEDURE": "procedure",
    "LAST_ACCESS": "last_access",
    "IMAGE_SAVED": "saved_at",
    "SHORT_DESCRIPTION": "short_description",
    "EXAM_TIME": "procedure_time",
    "PROCEDURE_TIME": "procedure_time",
    "STUDY_TIME": "procedure_time",
    "PARENT_GLOBAL_ROOT_D0": "parent_ien",
    "PARENT_DATA_FILE_IMAGE_POINTER": "parent_image_pointer",
    "PACKAGE": "package",
    "CLASS": "image_class",
    "TYPE": "image_type",
    "PROCEDURE_OR_EVENT": "procedure_or_event",
    "SPECIALTY": "specialty",
    "ORIGIN_INDEX": "origin",
    "ACQUISITION_DEVICE": "acquisition_device",
    "PACS_UID": "uid",
}
_PLAIN_OF = attrgetter(*_PLAIN.values())
_NOTHING = (None,) * len(_PLAIN)
#: What has a first and a last value among an image and its group: its place among the plain ones, and the keywords of both.
_FIRST_AND_LAST = tuple(
    (list(_PLAIN).index(keyword), f"{keyword}_FIRST", f"{keyword}_LAST")
    for keyword in ("EXAM_TIME", "IMAGE_SAVED", "LAST_ACCESS", "PROCEDURE_TIME")
)


@dataclass(frozen=True, slots=True)
class Names:
    """What pointers point to, read once per site version: institutions, network locations, users."""

    institutions: Mapping[int, str] = field(default_factory=dict)
    locations: Mapping[int, str] = field(default_factory=dict)
    users: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ImageRows:
    """What the database holds of an image: the rows of it and its group, its exam, its patient's name, its header as text."""

    image: Any
    group: Any = None
    exam: ExamOfImage | None = None
    patient: str | None = None
    elements: str | None = None

    @property
    def study(self) -> str:
        """The study that its decisions are remembered for."""
        return str((self.image if self.group is None else self.group).uid)


@dataclass(frozen=True, slots=True)
class KnownImage:
    """An image with its facts, and what queueing it needs besides. `missing` is what the log says of an image without a file."""

    facts: ImageFacts
    uid: str
    group: int
    accession: str
    missing: str = ""


def read_names(connection: Connection) -> Names:
    """Read the names that facts use."""
    return Names(
        {row.ien: row.name for row in connection.execute(select(Institution.ien, Institution.name))},
        {row.ien: row.name for row in connection.execute(select(NetworkLocation.ien, NetworkLocation.name))},
        {row.duz: row.name for row in connection.execute(select(NewPerson.duz, NewPerson.name))},
    )


#: The elements that rules ask for: the tags that lead there, by keyword.
Elements = Mapping[str, tuple[str, ...]]


def elements_of(rules: Iterable[Rule]) -> Elements:
    """Tell which DICOM elements rules ask for; of the header no other is looked at."""
    keywords = {leaf.keyword for rule in rules for part in rule.conditions for leaf in leaves(part)}
    return {keyword: tags for keyword in sorted(keywords) if (tags := tags_of(keyword))}


def read_rows(connection: Connection, iens: Iterable[int], *, headers: bool = True) -> dict[int, ImageRows]:
    """Read what there is of some images, by keys and with few queries; an image that is gone is left out.

    Without `headers` no DICOM element is known of them, for rules that ask for none.
    """
    images = _images(connection, iens)
    groups = _images(connection, (it.parent for it in images.values()))
    pointers = {ien: _pointing(it, groups.get(it.parent)) for ien, it in images.items()}
    exams = exams_of_images(connection, {it.ien: it for it in pointers.values()}.values())
    patients = _by_key(connection, _PATIENTS, (it.patient for it in images.values()))
    texts = _by_key(connection, _HEADERS, (it.uid for it in images.values())) if headers else {}
    return {
        ien: ImageRows(
            it,
            groups.get(it.parent),
            exams.get(pointers[ien].ien),
            patients[it.patient].name if it.patient in patients else None,
            texts[it.uid].elements if it.uid in texts else None,
        )
        for ien, it in images.items()
    }


def _by_key(connection: Connection, statement: Any, keys: Iterable[Any]) -> dict[Any, Any]:
    """Select rows by their first column; a key of 0, None or "" points nowhere."""
    wanted = sorted({key for key in keys if key})
    return {row[0]: row for row in connection.execute(statement, {"keys": wanted})} if wanted else {}


def _images(connection: Connection, iens: Iterable[int]) -> dict[int, Any]:
    return {ien: _ImageRow._make(row) for ien, row in _by_key(connection, _IMAGES, iens).items()}


def _pointing(image: Any, group: Any) -> Any:
    """Give the entry that says of which exam the image is: its own, or its group's where it has no pointer."""
    return image if group is None or image.report or image.parent_ien else group


def know_image(rows: ImageRows, names: Names, location: int, elements: Elements) -> KnownImage:
    """Make the facts of an image of what was read of it, with those DICOM elements that are asked for."""
    image, group, exam = rows.image, rows.group, rows.exam
    values = _values(image, group)
    _add(values, "PATIENT", rows.patient)
    _add(values, "OBJECT_TYPE", _OBJECT_TYPES.get(image.object_type))
    _add(values, "PARENT_DATA", _PARENT_FILES.get(image.parent_file))
    _add(values, "SAVED_BY", names.users.get(image.saved_by))
    _add(values, "BIG_MAGNETIC_PATH", names.locations.get(image.big_location or 0))
    _add(values, "BIG_JUKEBOX_PATH", names.locations.get(image.big_jukebox_location or 0))
    _add(values, "SOURCE", names.institutions.get(image.acquisition_site or location))
    if exam is not None and exam.service == "RAD":  # others have neither field
        _add(values, "RADIOLOGY_REPORT", exam.accession)
        _add(values, "PACS_PROCEDURE", exam.procedure)
    if elements and rows.elements:
        values |= element_values(json.loads(rows.elements), elements)
    facts = ImageFacts(
        image.ien,
        rows.study,
        values,
        exam.urgency if exam is not None else "",
        urgency_found=exam is not None and exam.urgency_found,
        group=image.parent or 0,
    )
    accession = exam.accession if exam is not None else ""
    return KnownImage(facts, image.uid, image.parent or image.ien, accession, missing_file(image))


def missing_file(image: Any) -> str:
    """Say what FILEFIND^MAGDFB finds wanting, as the evaluator logs it; no rule is asked then."""
    if image.location is None and image.jukebox_location is None:
        return "*** EVAL queue error: -1~NO NETWORK OR JUKEBOX LOCATION DEFINED ***"
    return "" if image.file_ref else f"Image {image.ien} has no files associated with it"


def _values(image: Any, group: Any) -> dict[str, tuple[str, ...]]:
    values: dict[str, tuple[str, ...]] = {}
    of_image = _PLAIN_OF(image)
    of_group = _NOTHING if group is None else _PLAIN_OF(group)
    for keyword, own, groups in zip(_PLAIN, of_image, of_group, strict=True):
        value = groups if own is None or own == "" else own
        if value is not None and value != "":
            values[keyword] = (value if type(value) is str else str(value),)
    for at, first, last in _FIRST_AND_LAST if group is not None else ():
        both = [str(value) for value in (of_image[at], of_group[at]) if value]
        if both:
            values[first], values[last] = (min(both),), (max(both),)
    return values


def _add(values: dict[str, tuple[str, ...]], keyword: str, value: object) -> None:
    if value not in (None, ""):
        values[keyword] = (str(value),)


def element_values(header: Mapping[str, Any], elements: Elements) -> dict[str, tuple[str, ...]]:
    """Look elements up in a header, kept by paths (`0010,0010`, `0040,0275>1>0040,0007`); those in sequences in every item."""
    found: dict[str, tuple[str, ...]] = {}
    for keyword, tags in elements.items():
        paths: Iterable[str] = (tags[0], tags[0].lower()) if len(tags) == 1 else _paths(header, tags)
        values = [str(value) for path in dict.fromkeys(paths) if path in header for value in header[path]["values"]]
        if values:
            found[keyword] = tuple(values)
    return found


def _paths(header: Mapping[str, Any], tags: Sequence[str]) -> list[str]:
    """Find the paths of an element inside sequences, one for each item that has it."""
    return [path for path in header if ">" in path and tuple(it.upper() for it in path.split(">") if "," in it) == tuple(tags)]
