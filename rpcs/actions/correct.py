"""What a person does with the DICOM CORRECT list (#2006.575): look, say whose a study is, have it deleted, take that back.

Everybody who may use the context may look; a change takes the key MAG SYSTEM, and who made it stands in the story of each image.
The gateway that holds the images carries out what is asked, when it asks next (CORRECT|QUERY).
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sqlalchemy import bindparam, func, select, update

from fileman import Event, lock_for_transaction, record_events
from fileman.files import DicomFailedImage, Image
from rpcs.actions import parameters as takes
from rpcs.actions.action import Act, action
from rpcs.actions.errors import BadRequest, NotFound, RefusedAction
from rpcs.correct_candidates import find_candidates, read_given
from rpcs.image_processing.correct_list import DELETE, FIXED

#: The key of those who say whose an image is.
KEY = "MAG SYSTEM"
#: Entries that are listed at once.
MOST_LISTED, MOST_CANDIDATES = 500, 50
#: Characters that the new values may have (PS3.5 6.2), and some that part what is told the gateway.
NAME_LIMIT, PATIENT_ID_LIMIT, ACCESSION_LIMIT = 64, 64, 16
_NOT_IN_A_VALUE, _NOT_IN_A_NAME = set("|\\^~="), set("|\\~=")

_ENTRY = (
    DicomFailedImage.ien,
    DicomFailedImage.reason,
    DicomFailedImage.name,
    DicomFailedImage.original_name,
    DicomFailedImage.patient_id,
    DicomFailedImage.accession,
    DicomFailedImage.entered,
    DicomFailedImage.machine,
    DicomFailedImage.location,
    DicomFailedImage.instrument,
    DicomFailedImage.modality,
    DicomFailedImage.service,
    DicomFailedImage.study_uid,
    DicomFailedImage.image_uid,
    DicomFailedImage.queued,
    DicomFailedImage.fixed_by,
    DicomFailedImage.new_name,
    DicomFailedImage.new_patient_id,
    DicomFailedImage.new_accession,
    DicomFailedImage.related_to,
)
_PAGE = select(*_ENTRY).where(DicomFailedImage.ien > bindparam("after"), DicomFailedImage.removed.is_(False))
_STUDIES = _PAGE.where(DicomFailedImage.related_to.is_(None)).order_by(DicomFailedImage.ien).limit(bindparam("most"))
_IMAGES = (
    _PAGE.where((DicomFailedImage.related_to == bindparam("study")) | (DicomFailedImage.ien == bindparam("study")))
    .order_by(DicomFailedImage.ien)
    .limit(bindparam("most"))
)
_RELATED = select(func.count()).where(DicomFailedImage.related_to == bindparam("study"), DicomFailedImage.removed.is_(False))
_ONE = select(*_ENTRY).where(DicomFailedImage.ien == bindparam("entry"), DicomFailedImage.removed.is_(False))
_UIDS = select(DicomFailedImage.image_uid).where(
    (DicomFailedImage.related_to == bindparam("study")) | (DicomFailedImage.ien == bindparam("study")),
    DicomFailedImage.removed.is_(False),
)
_FILED = select(Image.ien).where(Image.uid.in_(_UIDS)).limit(1)
_SET = (
    update(DicomFailedImage)
    .where(DicomFailedImage.ien == bindparam("entry"))
    .values(
        queued=bindparam("status"),
        fixed=bindparam("is_fixed"),
        fixed_by=bindparam("by"),
        new_name=bindparam("name_"),
        new_patient_id=bindparam("patient_id_"),
        new_accession=bindparam("accession_"),
    )
)


@action(
    "MAGB CORRECT LIST",
    takes.number("STUDY", "The images of the study of this entry."),
    takes.after(),
    takes.limit(MOST_LISTED),
    lists={"entries": ("ien", "reason", "name", "patient_id", "accession", "images", "machine", "queued")},
)
def correct_list(act: Act) -> dict[str, Any]:
    """List the studies on the CORRECT list by their first images, LIMIT at most, behind entry AFTER; with STUDY its images.

    Of a study the reason, the values that it came with, how many images it has, and what its gateway is to do about it: `queued`
    is FIXED with the new values, DELETE, or empty. `next` is what to give as AFTER for the next page, and null on the last.
    """
    most = act.number("LIMIT")
    after = act.number("AFTER")
    asked = {"after": after, "most": most + 1}
    if act.text("STUDY"):
        study = find_entry(act).ien
        rows = act.connection.execute(_IMAGES, {**asked, "study": study}).all()
    else:
        rows = act.connection.execute(_STUDIES, asked).all()
    page = rows[:most]
    return {
        "entries": [{**row._mapping, "images": 1 + _related(act, row.ien)} for row in page],
        "next": page[-1].ien if len(rows) > most else None,
    }


def _related(act: Act, study: int) -> int:
    return int(act.connection.execute(_RELATED, {"study": study}).scalar_one())


@action(
    "MAGB CORRECT CANDIDATES",
    takes.number("STUDY", "The entry of the study's first image.", required=True),
    takes.limit(MOST_CANDIDATES, 10),
    lists={"candidates": ("score", "dfn", "name", "patient_id", "accession", "exam_date", "procedure", "unlike", "note")},
)
def correct_candidates(act: Act) -> dict[str, Any]:
    """List exams, and patients without one in those days, that the study of entry STUDY may be of, the likest first.

    `given` is what it came with, from its header data too where these are kept. Of a candidate `score` is from 0 to 100;
    `fields` has what was given and what the candidate has beside each other, how alike these are from 0 to 1, and what the
    field weighs, `unlike` those that are not the same. NAME, PATIENT_ID and ACCESSION of MAGB CORRECT FIX are the candidate's
    `name`, `patient_id`, `accession`.
    """
    given = read_given(act.connection, find_entry(act))
    found = find_candidates(act.connection, given, act.number("LIMIT"))
    rows = [{**asdict(it), "fields": [one._asdict() for one in it.fields], "unlike": it.unlike} for it in found]
    return {"given": given, "candidates": rows}


@action(
    "MAGB CORRECT FIX",
    takes.number("STUDY", "The entry of the study's first image.", required=True),
    takes.text("NAME", "The patient's name, `last^first^middle` or `last,first middle`; as it came if left out."),
    takes.text("PATIENT_ID", "The Patient ID; as it came if left out."),
    takes.text("ACCESSION", "The accession number; as it came if left out."),
    writes=True,
    key=KEY,
)
def correct_fix(act: Act) -> dict[str, Any]:
    """Say whose the study of entry STUDY is: NAME (`last^first^middle` or `last,first middle`), PATIENT_ID, ACCESSION.

    What is left out stays as it came; without any of them the images are tried again, as when their exam was entered late.
    """
    name = _name(act.text("NAME"))
    values = {
        "name_": name.replace("^", "~"),
        "patient_id_": _value(act, "PATIENT_ID", PATIENT_ID_LIMIT),
        "accession_": _value(act, "ACCESSION", ACCESSION_LIMIT),
    }
    said = ", ".join(f"{key.strip('_')} {value}" for key, value in values.items() if value)
    return _queue(act, FIXED, values, "fixed", said or "to be tried again")


@action(
    "MAGB CORRECT DELETE",
    takes.number("STUDY", "The entry of the study's first image.", required=True),
    takes.text("REASON", "Why, to be kept in the images' stories."),
    writes=True,
    key=KEY,
    destroys="Have the gateway delete every image of this study, for good?",
)
def correct_delete(act: Act) -> dict[str, Any]:
    """Have the gateway delete every image of the study of entry STUDY, for good; REASON is kept in their stories."""
    return _queue(act, DELETE, {"name_": "", "patient_id_": "", "accession_": ""}, "to be deleted", act.text("REASON")[:200])


@action(
    "MAGB CORRECT UNDO",
    takes.number("STUDY", "The entry of the study's first image.", required=True),
    writes=True,
    key=KEY,
)
def correct_undo(act: Act) -> dict[str, Any]:
    """Take back what was asked for the study of entry STUDY, while its gateway has filed or deleted nothing of it yet."""
    study = _hold(act)
    if not study.queued:
        raise RefusedAction(f"Nothing was asked for the study of entry {study.ien}.")
    _refuse_filed(act, study)
    _set(act, study, "", {"name_": "", "patient_id_": "", "accession_": ""})
    _tell(act, study, "taken back", study.queued)
    return {"study": study.ien, "queued": ""}


def _queue(act: Act, status: str, values: dict[str, str], outcome: str, detail: str) -> dict[str, Any]:
    study = _hold(act)
    if study.queued:
        raise RefusedAction(
            f"The study of entry {study.ien} is queued already ({study.queued}); MAGB CORRECT UNDO takes that back."
        )
    _set(act, study, status, values)
    told = _tell(act, study, outcome, detail)
    return {"study": study.ien, "queued": status, "images": told}


def find_entry(act: Act) -> Any:
    """Give the first image of a study, which stands for it. Raises NotFound, and BadRequest for another one."""
    entry = act.number("STUDY")
    row = act.connection.execute(_ONE, {"entry": entry}).first()
    if row is None:
        raise NotFound(f"There is no entry {entry} on the CORRECT list.")
    if row.related_to is not None:
        raise BadRequest(f"Entry {entry} is one of the images of the study of entry {row.related_to}.")
    return row


def _hold(act: Act) -> Any:
    """Give the first image of a study, which no gateway adds images to before this ends."""
    lock_for_transaction(act.connection, f"correct:{find_entry(act).study_uid}")
    return find_entry(act)


def _refuse_filed(act: Act, study: Any) -> None:
    if act.connection.execute(_FILED, {"study": study.ien}).first() is not None:
        raise RefusedAction(f"The gateway {study.machine} has filed images of the study of entry {study.ien} already.")


def _set(act: Act, study: Any, status: str, values: dict[str, str]) -> None:
    by = str(act.caller.duz) if status else ""
    act.connection.execute(_SET, {"entry": study.ien, "status": status, "is_fixed": "1" if status else "", "by": by, **values})
    before = {"queued": study.queued, **{name: getattr(study, f"new_{name}") for name in ("name", "patient_id", "accession")}}
    after = {"queued": status, **{name.strip("_"): value for name, value in values.items()}}
    act.changed(f"CORRECT entry {study.ien}", before, after)


def _tell(act: Act, study: Any, outcome: str, detail: str) -> int:
    """Write into the story of each image who asked for what; give how many images these are."""
    uids = act.connection.execute(_UIDS, {"study": study.ien}).scalars().all()
    record_events(act.connection, [Event(uid, None, "CORRECT", act.now, act.caller.name, outcome, detail) for uid in uids])
    return len(uids)


def _name(text: str) -> str:
    """Give a name as DICOM writes it. Raises BadRequest."""
    text = " ".join(text.split())
    if "^" not in text and "," in text:
        last, _, others = text.partition(",")
        first, _, middle = others.strip().partition(" ")
        text = "^".join(part for part in (last.strip(), first, middle) if part)
    return _checked("NAME", text, NAME_LIMIT, _NOT_IN_A_NAME)


def _value(act: Act, name: str, most: int) -> str:
    return _checked(name, act.text(name).strip(), most, _NOT_IN_A_VALUE)


def _checked(name: str, text: str, most: int, refused: set[str]) -> str:
    """Raises BadRequest for what no attribute can hold, or what the gateway could not be told."""
    if len(text) > most:
        raise BadRequest(f"{name} has more than {most} characters.")
    if not text.isprintable() or refused & set(text):
        raise BadRequest(f"{name} has characters that no such value has: {text!r}.")
    try:
        text.encode("iso-8859-1")
    except UnicodeEncodeError:
        raise BadRequest(f"{name} has characters that the gateway cannot be told (ISO 8859-1): {text!r}.") from None
    return text
