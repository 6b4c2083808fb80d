"""What a person asks of images: which there are, all that is known of one, its story and what it waits for.

Everybody who may use the context may look.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import BindParameter, Select, bindparam, or_, select, tuple_
from sqlalchemy.orm import aliased
from tzlocal import get_localzone

from fileman import (
    EXAM_POINTERS,
    GROUP_OBJECT_TYPE,
    IMAGE_POINTERS,
    Person,
    big_file_name,
    exam_of_image,
    exams_of_images,
    file_name,
    from_fileman,
    groups_of,
    handlings,
    list_persons,
    person_of,
    persons_known_by,
    rejected_among,
    rejection_of,
    survivor_of,
    to_fileman,
)
from fileman.files import (
    ArchiveInstance,
    DerivedFile,
    Exam,
    Image,
    ImageAudit,
    ImageHeader,
    LongTermFault,
    Patient,
    Recall,
    RoutedCopy,
)
from fileman.sop_classes import sop_class_uid
from rpcs.actions import parameters as takes
from rpcs.actions.action import Act, action
from rpcs.actions.errors import BadRequest, NotFound
from rpcs.actions.patients import ssn_of
from rpcs.file_find import image_directory
from rpcs.image_states import image_states
from rpcs.image_story import EXPORTS, copies_of, image_of, queued_of, story_of, waits_of
from rpcs.numbers import subscript
from rpcs.site import LocationData, read_locations

#: Images, and steps of a story, that are listed at once; patients of whom images are listed together.
MOST_LISTED, MOST_STEPS, MOST_PATIENTS = 500, 1000, 20
#: Characters of a UID.
UID_LENGTH = 64

_MANY: BindParameter[Any] = bindparam("groups_", expanding=True)
_LISTED = (
    Image.uid,
    Image.saved_at,
    Image.procedure.label("modality"),
    Image.acquisition_site.label("location"),
    *IMAGE_POINTERS,
    Patient.name.label("patient_name"),
)
_PAGE = (
    select(*_LISTED)
    .join(Patient, Patient.dfn == Image.patient, isouter=True)
    .where(Image.parent.is_not(None))
    .order_by(Image.saved_at.desc(), Image.ien.desc())
    .limit(bindparam("most"))
)
_CONDITIONS: Mapping[str, Any] = {
    "uid": Image.uid == bindparam("uid_"),
    "groups": Image.parent.in_(_MANY),
    "patient": Image.patient == bindparam("patient_"),
    "location": Image.acquisition_site == bindparam("location_"),
    "since": Image.saved_at >= bindparam("since_"),
    "until": Image.saved_at < bindparam("until_"),
    "behind": tuple_(Image.saved_at, Image.ien) < tuple_(bindparam("behind_at", type_=Image.saved_at.type), bindparam("behind_")),
}
_SAVED = tuple(select(file.saved_at).where(file.ien == bindparam("ien_")) for file in (Image, ImageAudit))
_STUDIES = select(Image.ien, Image.uid).where(Image.ien.in_(_MANY))
_GROUPS = select(Image.ien).where(Image.uid == bindparam("uid_"), Image.object_type == GROUP_OBJECT_TYPE).order_by(Image.ien)
_EXAMS = (
    select(*EXAM_POINTERS)
    .where(or_(Exam.accession == bindparam("accession_"), Exam.site_accession == bindparam("accession_")))
    .order_by(Exam.ien)
)
_GROUP = aliased(Image, name="image_group")
_ONE = (
    select(
        *Image.__table__.columns,
        _GROUP.uid.label("study_uid"),
        _GROUP.short_description.label("study_description"),
        _GROUP.members.label("group_members"),
        ImageHeader.size,
        ArchiveInstance.image.label("archived"),
    )
    .join(_GROUP, _GROUP.ien == Image.parent, isouter=True)
    .join(ImageHeader, ImageHeader.uid == Image.uid, isouter=True)
    .join(ArchiveInstance, ArchiveInstance.image == Image.ien, isouter=True)
    .where(Image.ien == bindparam("image_"))
)
_DERIVED = select(DerivedFile.file_type, DerivedFile.state, DerivedFile.reason).where(DerivedFile.image == bindparam("image_"))
_ROUTED = (
    select(RoutedCopy.name, RoutedCopy.file_type, RoutedCopy.file, RoutedCopy.sent, RoutedCopy.removed)
    .where(RoutedCopy.image == bindparam("image_"))
    .order_by(RoutedCopy.sequence)
)
_RECALL = select(Recall.state, Recall.reason, Recall.asked_by, Recall.asked_at).where(Recall.image == bindparam("image_"))
_FAULT = select(LongTermFault.location, LongTermFault.reason, LongTermFault.found_at).where(
    LongTermFault.image == bindparam("image_")
)
#: Of each file type the columns that say on which short-term and long-term location it lies.
_FILES = {
    "FULL": ("location", "jukebox_location"),
    "ABSTRACT": ("abstract_location", "jukebox_location"),
    "TEXT": ("location", "jukebox_location"),
    "BIG": ("big_location", "big_jukebox_location"),
}

IMAGE = takes.text("IMAGE", "The image's number, or its SOP Instance UID.", required=True)


@action(
    "MAGB IMAGE LIST",
    takes.text("PATIENT", "A DFN, a social security number, or what the name begins with."),
    takes.text("ACCESSION", "The accession number of the exam."),
    takes.text("STUDY", "The Study Instance UID."),
    takes.text("UID", "The SOP Instance UID."),
    takes.time("SINCE", "Filed not before this time."),
    takes.time("UNTIL", "Filed before this time."),
    takes.number("LOCATION", "The institution that acquired them."),
    takes.after(),
    takes.limit(MOST_LISTED),
    lists={"entries": ("ien", "acquired", "patient_name", "accession", "modality", "location", "rejected")},
)
def image_list(act: Act) -> dict[str, Any]:
    """List images that are on file, the newest first, LIMIT at most, older than image AFTER: those that fit all that is asked.

    `acquired` is when an image was filed, in the site's time. A patient's images are found by the numbers of those who were
    merged into him, too. `next` is what to give as AFTER for the next page, and null on the last.
    """
    most = act.number("LIMIT")
    values: dict[str, Any] = {"most": most + 1}
    if act.text("UID"):
        values["uid_"] = act.text("UID")
    if act.text("STUDY") or act.text("ACCESSION"):
        values["groups_"] = _groups(act)
    if act.text("LOCATION"):
        values["location_"] = act.number("LOCATION")
    for name in ("since", "until"):
        if act.text(name.upper()):
            moment = datetime.fromtimestamp(act.time(name.upper()), get_localzone()).replace(tzinfo=None)
            values[f"{name}_"] = to_fileman(moment)
    if after := act.number("AFTER"):
        values |= {"behind_": after, "behind_at": _saved_at(act, after)}
    found: list[Any] = []
    for asked in _of_patients(act, values):
        statement = _statement(frozenset(name for name in _CONDITIONS if f"{name}_" in asked))
        found += act.connection.execute(statement, asked).all()
    found.sort(key=lambda row: (row.saved_at, row.ien), reverse=True)
    page = found[:most]
    return {"entries": _told(act, page), "next": page[-1].ien if len(found) > most else None}


@lru_cache(maxsize=128)
def _statement(names: frozenset[str]) -> Select[*tuple[Any, ...]]:
    return _PAGE.where(*(_CONDITIONS[name] for name in sorted(names)))


def _of_patients(act: Act, values: dict[str, Any]) -> list[dict[str, Any]]:
    """Give the values of one statement for each patient who is meant, or of one for all."""
    if not (asked := act.text("PATIENT")):
        return [values]
    return [{**values, "patient_": person.dfn} for person in _persons(act, asked)]


def _persons(act: Act, asked: str) -> list[Person]:
    """Find whom a number or the beginning of a name means. Raises BadRequest where these are too many."""
    found = persons_known_by(act.connection, "ssn", ssn_of(asked))
    if not found and (dfn := subscript(asked)):
        person = survivor_of(act.connection, dfn)
        found = [] if person is None else [person]
    if not found:
        found = list_persons(act.connection, asked.upper(), 0, MOST_PATIENTS + 1)
    if len(found) > MOST_PATIENTS:
        raise BadRequest(f"The names of more than {MOST_PATIENTS} patients begin so; MAGB PATIENT LIST lists them.")
    return found


def _groups(act: Act) -> list[int]:
    """Give the groups of a study, of the exams of an accession number, or of both."""
    groups = None if not act.text("STUDY") else groups_of_study(act, act.text("STUDY"))
    if act.text("ACCESSION"):
        exams = act.connection.execute(_EXAMS, {"accession_": act.text("ACCESSION")}).all()
        of_exams = [group for exam in exams for group in groups_of(act.connection, exam)]
        groups = of_exams if groups is None else [group for group in groups if group in of_exams]
    return groups or []


def groups_of_study(act: Act, uid: str) -> list[int]:
    """Give the groups of a Study Instance UID."""
    return list(act.connection.execute(_GROUPS, {"uid_": uid}).scalars())


def _saved_at(act: Act, image: int) -> str:
    """Give when an image was filed that a page ended with, though it is deleted since. Raises NotFound."""
    for statement in _SAVED:
        if (saved := act.connection.execute(statement, {"ien_": image}).scalar()) is not None:
            return str(saved)
    raise NotFound(f"There is no image {image}, and was none.")


def _told(act: Act, rows: Sequence[Any]) -> list[dict[str, Any]]:
    exams = exams_of_images(act.connection, rows)
    groups = sorted({row.parent for row in rows})
    studies = {row.ien: row.uid for row in act.connection.execute(_STUDIES, {"groups_": groups})}
    rejected = rejected_among(act.connection, [row.ien for row in rows])
    return [
        {
            "ien": row.ien,
            "uid": row.uid,
            "study": studies.get(row.parent, ""),
            "group": row.parent,
            "patient": row.patient,
            "patient_name": row.patient_name or "",
            "accession": exams[row.ien].accession if row.ien in exams else "",
            "modality": row.modality,
            "location": row.location,
            "acquired": told_moment(row.saved_at),
            "rejected": row.ien in rejected,
        }
        for row in rows
    ]


def told_moment(text: str) -> str:
    """Write a FileMan moment as people read it; one that is none as it is."""
    try:
        return from_fileman(text).isoformat(" ", "seconds")
    except ValueError:
        return text


def find_image(act: Act) -> Any:
    """Give the image that IMAGE names. Raises NotFound."""
    asked = act.text("IMAGE")
    number = subscript(asked) or image_of(act.connection, asked[:UID_LENGTH]) or 0
    row = act.connection.execute(_ONE, {"image_": number}).mappings().first()
    if row is None:
        raise NotFound(f"There is no image {asked[: takes.REPEATED]!r} on file; MAGB IMAGE STORY tells of what is not.")
    if row["object_type"] == GROUP_OBJECT_TYPE:
        raise NotFound(f"{number} is a group of images, the study {row['uid']}; MAGB IMAGE LIST with STUDY lists its images.")
    return dict(row)


@action("MAGB IMAGE SHOW", IMAGE)
def image_show(act: Act) -> dict[str, Any]:
    """Tell what is known of IMAGE: patient, exam, study, series, group, files and where these lie, queues, exports, archive."""
    row = find_image(act)
    image, locations = row["ien"], read_locations(act.connection)
    key = {"image_": image}
    (state,) = image_states(act.connection, [row["uid"]]).values()
    return {
        "ien": image,
        "uid": row["uid"],
        "series_uid": row["series_uid"],
        "study_uid": row["study_uid"],
        "sop_class": sop_class_uid(row["sop_class"] or 0),
        "modality": row["procedure"],
        "description": row["short_description"],
        "acquired": told_moment(row["saved_at"]),
        "location": row["acquisition_site"],
        "size": row["size"],
        "digest": row["digest"],
        "status": row["status"],
        "rejected": rejection_of(act.connection, image),
        "patient": person_of(act.connection, row["patient"]),
        "exam": exam_of_image(act.connection, _Pointers(row)),
        "group": {"ien": row["parent"], "description": row["study_description"], "images": row["group_members"]},
        "files": _files(row, locations),
        "derived": _rows(act, _DERIVED, key),
        "queues": [dict(it._mapping) for it in queued_of(act.connection, image)],
        "exports": [_export(it) for it in act.connection.execute(EXPORTS, key)],
        "copies": [{**it._mapping, "destination": router} for it, router in copies_of(act.connection, image)],
        "copied": _rows(act, _ROUTED, key),
        "rules_fired": state.rules,
        "archive": {
            "found_by_queries": row["archived"] is not None,
            "handling": handlings(act.connection, [image]).get(image),
            "recall": next(iter(_rows(act, _RECALL, key)), None),
            "fault": next(iter(_rows(act, _FAULT, key)), None),
        },
    }


class _Pointers:
    """A row that is read by names as attributes."""

    def __init__(self, row: Mapping[str, Any]) -> None:
        self.__dict__.update(row)


def _rows(act: Act, statement: Select[*tuple[Any, ...]], key: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [dict(row) for row in act.connection.execute(statement, key).mappings()]


def _export(row: Any) -> dict[str, Any]:
    told = {name: getattr(row, name) for name in ("status", "status_at", "tries", "reason")}
    return {"entry": f"{row.export}^{row.sequence}", "destination": row.application, **told}


def _files(row: Mapping[str, Any], locations: Mapping[int, LocationData]) -> list[dict[str, Any]]:
    """Say which files an entry has and where; what lies on a location that is off line has to wait for it."""
    found = []
    for file_type, columns in _FILES.items():
        is_big = file_type == "BIG"
        name = big_file_name(row["file_ref"], row["big_extension"]) if is_big else file_name(row["file_ref"], file_type)
        for column, long_term in zip(columns, (False, True), strict=True):
            location = locations.get(row[column] or 0)
            if location is None or not row["file_ref"]:
                continue
            where = {"location": location.name, "path": image_directory(location, name) + name, "online": location.online}
            found.append({"type": file_type, **where, "long_term": long_term})
    return found


@action(
    "MAGB IMAGE STORY",
    IMAGE,
    takes.after(),
    takes.limit(MOST_STEPS),
    lists={"steps": ("at", "stage", "outcome", "told")},
)
def image_story(act: Act) -> dict[str, Any]:
    """Tell what happened to IMAGE, step by step and in words, and what it waits for: why it is not where it is looked for.

    An object that is not on file, as one on the CORRECT list or one that was deleted, is told of by its SOP Instance UID, a
    deleted one by its number, too. Steps are given behind number AFTER, LIMIT at most, and those of a page in the order of their
    times; `next` is null on the last page.
    """
    uid, image = _known(act)
    most = act.number("LIMIT")
    steps = story_of(act.connection, uid, image, act.number("AFTER"), most + 1)
    on_file = None if image is None or not _is_on_file(act, image) else image
    waits = waits_of(act.connection, uid, on_file)
    if not steps and not waits and on_file is None:
        raise NotFound(f"Nothing is known of {act.text('IMAGE')[:UID_LENGTH]!r}.")
    page = steps[:most]
    return {
        "image": on_file,
        "uid": uid,
        "steps": sorted(page, key=lambda step: (step.at, step.ien)),
        "waits_for": waits,
        "next": page[-1].ien if len(steps) > most else None,
    }


def _is_on_file(act: Act, image: int) -> bool:
    return act.connection.execute(_SAVED[0], {"ien_": image}).first() is not None


def _known(act: Act) -> tuple[str, int | None]:
    """Give UID and number of what IMAGE names, on file or deleted; a UID that nobody filed has no number."""
    asked = act.text("IMAGE")
    if not (number := subscript(asked)):
        return asked[:UID_LENGTH], image_of(act.connection, asked[:UID_LENGTH])
    for file in (Image, ImageAudit):
        uid = act.connection.execute(select(file.uid).where(file.ien == number)).scalar()
        if uid is not None:
            return str(uid), number
    raise NotFound(f"There is no image {number}, and was none.")
