"""What a person does about images: move them to the exam that they are of, delete them, reject or call them back.

Each change takes the key MAG SYSTEM, and who made it stands in the story of each image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import BindParameter, bindparam, select

from fileman import (
    IMAGE_POINTERS,
    Event,
    Rejection,
    accept_images,
    exams_of_images,
    in_parts,
    record_events,
    reject_images,
    rejected_among,
)
from fileman.files import Image
from rpcs.actions import parameters as takes
from rpcs.actions.action import Act, Done, action
from rpcs.actions.errors import BadRequest, NotFound, RefusedAction
from rpcs.actions.images import UID_LENGTH, find_image, groups_of_study
from rpcs.actions.rules import KEY
from rpcs.exam_moves import Moving
from rpcs.export.recalling import cancel_sending, destinations_reached
from rpcs.image_processing.rollback import Deleting, delete_members, hold_entry, members_of, queue_files
from rpcs.image_processing.study import SERVICE_ORDER, Study, find_study
from rpcs.site import read_locations
from rpcs.text_corrections import queue_correction

#: Images that one call changes, and deletes.
MOST_CHANGED, MOST_DELETED = 10_000, 1000
#: Characters of a reason.
REASON_LIMIT = 200

_MANY: BindParameter[Any] = bindparam("images", expanding=True)
_ROWS = select(*IMAGE_POINTERS, Image.uid).where(Image.ien.in_(_MANY)).order_by(Image.ien)

IMAGE = takes.text("IMAGE", "The image's number, or its SOP Instance UID.")
STUDY = takes.text("STUDY", "Instead of IMAGE: the Study Instance UID, for all images of the study.")
REASON = takes.text("REASON", "Why, to be kept in the images' stories.", required=True)
SERVICES = tuple(SERVICE_ORDER)


def _meant(act: Act) -> list[int]:
    """Give the images that IMAGE or STUDY names. Raises BadRequest, NotFound, RefusedAction."""
    if bool(act.text("IMAGE")) == bool(act.text("STUDY")):
        raise BadRequest("Either IMAGE or STUDY says what is meant.")
    if act.text("IMAGE"):
        return [find_image(act)["ien"]]
    uid = act.text("STUDY")[:UID_LENGTH]
    images = [image for group in groups_of_study(act, uid) for image in members_of(act.connection, group)]
    if not images:
        raise NotFound(f"There is no study {uid!r}.")
    if len(images) > MOST_CHANGED:
        raise RefusedAction(f"The study has {len(images)} images, more than {MOST_CHANGED} that one call changes.")
    return images


def _subject(act: Act) -> str:
    return f"study {act.text('STUDY')}" if act.text("STUDY") else f"image {act.text('IMAGE')}"


def _reason(act: Act) -> str:
    return act.text("REASON")[:REASON_LIMIT]


def _rows(act: Act, images: Sequence[int]) -> list[Any]:
    return [row for some in in_parts(images) for row in act.connection.execute(_ROWS, {"images": some})]


def _tell(act: Act, images: Sequence[int], stage: str, outcome: str, detail: str) -> None:
    """Write into the images' stories who did what."""
    rows = _rows(act, images)
    record_events(act.connection, [Event(it.uid, it.ien, stage, act.now, act.caller.name, outcome, detail) for it in rows])


def _deleting(act: Act) -> Deleting:
    return Deleting(act.connection, read_locations(act.connection), act.caller.duz, act.clock.now(), _reason(act))


@action(
    "MAGB IMAGE MOVE",
    IMAGE,
    STUDY,
    takes.text("ACCESSION", "The accession number of the exam, consult or lab case that they are of.", required=True),
    takes.choice("SERVICE", "Whose number is looked for first.", SERVICES, default="RAD"),
    takes.number("PATIENT", "The DFN of the patient whose exam it is to be: nothing is done where it is another one's."),
    REASON,
    writes=True,
    key=KEY,
)
def image_move(act: Act) -> Done:
    """Move IMAGE, or all images of STUDY, to the exam of ACCESSION, whosever it is, as when a study was misfiled.

    Entries, groups, report or note, what queries find and text files follow; the objects themselves stay as they came. Refused
    for an exam that is cancelled, purged or not registered, and where they are already.
    """
    images = _meant(act)
    target = _target(act)
    rows = _rows(act, images)
    exams = exams_of_images(act.connection, rows)
    moved = [row for row in rows if (exam := exams.get(row.ien)) is None or exam.ien != target.exam]
    if not moved:
        raise RefusedAction(f"The images are of {target.full_accession} already.")
    sources: dict[str, list[int]] = {}
    for row in moved:
        sources.setdefault(exams[row.ien].accession if row.ien in exams else "", []).append(row.ien)
    moving = Moving(_deleting(act), target, act.caller.name, act.now)
    groups = [group for source, some in sources.items() for group in moving.move(some, source)]
    before = {"accessions": sorted(sources), "patients": sorted({row.patient for row in moved})}
    after = {"accession": target.full_accession, "patient": target.patient.dfn, "images": len(moved)}
    act.changed(_subject(act), before, after)
    (task,) = queue_correction(act.connection, [row.ien for row in moved], act.caller.duz, act.now)
    return Done({**after, "from": before, "groups": list(dict.fromkeys(groups)), "text_files": task}, task, stands=True)


def _target(act: Act) -> Study:
    """Find the exam. Raises NotFound, and RefusedAction for one that takes no images."""
    accession = act.text("ACCESSION")
    study = find_study(act.connection, act.text("SERVICE"), accession)
    if study is None:
        raise NotFound(f"There is no exam, or more than one, of accession number {accession[:20]!r}.")
    if study.cancelled:
        raise RefusedAction(f"{accession} is {study.status.lower()}: it takes no images.")
    if study.service == "RAD" and (study.purged or not study.registered or not study.exam_date):
        raise RefusedAction(f"{accession} is purged or not registered: it takes no images.")
    if act.text("PATIENT") and act.number("PATIENT") != study.patient.dfn:
        raise RefusedAction(f"{accession} is an exam of {study.patient.name} (patient {study.patient.dfn}).")
    return study


@action(
    "MAGB IMAGE DELETE",
    IMAGE,
    STUDY,
    REASON,
    writes=True,
    key=KEY,
    destroys="Delete these images, and have their files deleted, for good?",
)
def image_delete(act: Act) -> dict[str, Any]:
    """Delete IMAGE, or all images of STUDY, with their files; the entries stay in IMAGE AUDIT (#2005.1), REASON with them.

    What waits to be sent of them is not sent. The files go when the task that deletes files runs next. 1000 images with one
    call; `more` tells to call again.
    """
    meant, deleting = _meant(act), _deleting(act)
    images = meant[:MOST_DELETED]
    cancelled = cancel_sending(act.connection, images, act.caller.name, deleting.reason, act.now).cancelled
    _tell(act, images, "DELETE", "entry deleted", deleting.reason)
    groups: dict[int, list[int]] = {}
    for image in images:
        row = hold_entry(act.connection, image)
        if row is not None and row.parent is not None:
            groups.setdefault(row.parent, []).append(image)
    queue_files(deleting, [image for members in groups.values() for image in members])
    gone = sum(delete_members(deleting, group, members) for group, members in groups.items())
    act.changed(_subject(act), {"images": len(images)}, None)
    return {"images": len(images), "groups": gone, "cancelled": cancelled, "more": len(meant) > len(images)}


@action("MAGB IMAGE REJECT", IMAGE, STUDY, REASON, writes=True, key=KEY)
def image_reject(act: Act) -> dict[str, Any]:
    """Reject IMAGE, or all images of STUDY: they stay on file, and are not found by queries, sent or queued to be sent.

    Their STATUS is Needs Review. What waits to be sent of them is not sent; what is `under_way` cannot be held back. MAGB IMAGE
    ACCEPT takes it back.
    """
    images = _meant(act)
    done = rejected_among(act.connection, images)
    new = [image for image in images if image not in done]
    if not new:
        raise RefusedAction(f"The {_subject(act)} is rejected already.")
    recalled = cancel_sending(act.connection, new, act.caller.name, _reason(act), act.now)
    reject_images(act.connection, new, Rejection(_reason(act), act.caller.name, act.now))
    _tell(act, new, "REJECT", "rejected", _reason(act))
    act.changed(_subject(act), {"rejected": len(done)}, {"rejected": len(images)})
    return {"images": len(new), **asdict(recalled)}


@action("MAGB IMAGE ACCEPT", IMAGE, STUDY, writes=True, key=KEY)
def image_accept(act: Act) -> dict[str, Any]:
    """Take the rejection of IMAGE, or of all images of STUDY, back: queries find them again, and they can be sent.

    What was not sent because of it is not queued again by this.
    """
    images = _meant(act)
    done = sorted(rejected_among(act.connection, images))
    if not done:
        raise RefusedAction(f"The {_subject(act)} is not rejected.")
    accept_images(act.connection, done)
    _tell(act, done, "REJECT", "accepted", "")
    act.changed(_subject(act), {"rejected": len(done)}, {"rejected": 0})
    return {"images": len(done)}


@action("MAGB IMAGE RETRACT", IMAGE, STUDY, REASON, writes=True, key=KEY)
def image_retract(act: Act) -> dict[str, Any]:
    """Call IMAGE, or all images of STUDY, back that should not have been sent: what waits of them is not sent any more.

    `destinations` tells who got how many of them already: they are to be told by a person, for nothing is sent to them. What is
    `under_way` cannot be held back. The images stay as they are; MAGB IMAGE REJECT keeps them from being sent again.
    """
    images = _meant(act)
    recalled = cancel_sending(act.connection, images, act.caller.name, _reason(act), act.now)
    reached = {name: len(those) for name, those in sorted(destinations_reached(act.connection, images).items())}
    _tell(act, images, "RETRACT", "retracted", _reason(act))
    act.changed(_subject(act), {"images": len(images)}, {**asdict(recalled), "destinations": reached})
    return {"images": len(images), **asdict(recalled), "destinations": reached}
