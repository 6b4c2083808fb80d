"""Putting an evaluation's actions into the queues: #2006.035 for copies, #2006.574 for DICOM objects (MAGBRTUT, MAGDRPC3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, exists, insert, select, update

from fileman import IS_AWAITED, export_lock, lock_for_transaction, next_ien, send_queue_lock
from fileman.files import DicomExport, DicomExportImage, SendQueue
from rules.evaluator.image_facts import KnownImage
from rules.judging.carrying_out import Action
from rules.judging.desk import PriorStudy
from rules.language.ast import SEND

COPY = 1

_WAITING = select(SendQueue.ien, SendQueue.priority).where(
    SendQueue.destination == bindparam("destination"),
    SendQueue.status == "WAITING",
    SendQueue.image == bindparam("image"),
    SendQueue.file_type == bindparam("file_type"),
)
_ENTRY = SendQueue.ien == bindparam("entry")
_RAISE = update(SendQueue).where(_ENTRY).values(priority=bindparam("new_priority"), origin=bindparam("new_origin"))
_RENAME = update(SendQueue).where(_ENTRY).values(transaction=bindparam("new_transaction"))
_SEND = insert(SendQueue).values(held=IS_AWAITED)
_EXPORT = (
    select(DicomExport.ien)
    .where(
        DicomExport.study_uid == bindparam("study_uid"),
        DicomExport.application == bindparam("application"),
        DicomExport.origin == bindparam("origin"),
        DicomExport.priority == bindparam("priority"),
        exists().where(DicomExportImage.export == DicomExport.ien, DicomExportImage.status.in_(["WAITING", "RETRY"])),
    )
    .order_by(DicomExport.ien)
    .limit(1)
)
_NEW_EXPORT = insert(DicomExport)
_QUEUED = select(DicomExportImage.sequence).where(
    DicomExportImage.image == bindparam("image"),
    DicomExportImage.export == bindparam("export"),
    DicomExportImage.status.in_(["WAITING", "RETRY", "XMIT"]),
)
_COUNT_UP = (
    update(DicomExport)
    .where(DicomExport.ien == bindparam("entry"))
    .values(last_sequence=DicomExport.last_sequence + 1, image_count=DicomExport.image_count + 1)
    .returning(DicomExport.last_sequence)
)
_NEW_IMAGE = insert(DicomExportImage)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where entries come from and when: the institution, the moment as FileMan date and as seconds since the epoch."""

    location: int
    moment: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Study:
    """What is to be exported together: images of one study for one application. A study without a UID is known by `?`."""

    application: str
    group: int
    study_uid: str
    priority: int
    to_hard_disk: str = "0"


def queue_action(
    connection: Connection, action: Action, image: KnownImage, origin: Origin, file_types: Mapping[int, tuple[str, ...]]
) -> int:
    """Queue one action; give the number of entries made. What waits already is not queued again."""
    if action.verb == SEND:
        kinds = file_types.get(action.destination, ())
        return len(queue_copies(connection, action.image, Copies(action.destination, action.priority, kinds), origin))
    lock_for_transaction(connection, export_lock(origin.location))
    own = PriorStudy(image.group, image.facts.study_uid, image.accession, ())
    whose = action.prior or own
    study = Study(action.name, whose.group, whose.study_uid, action.priority)
    export = open_export(connection, study, origin.location)
    queued = None if export is None else queue_export(connection, export, action.image, study.priority, origin)
    if queued is None:
        export = make_export(connection, study, whose.accession, origin)
        queued = queue_export(connection, export, action.image, study.priority, origin)
    return int(bool(queued))


@dataclass(frozen=True, slots=True)
class Copies:
    """What is to be copied: an image's files of some types to a router's network location, as part of a transaction or not."""

    destination: int
    priority: int
    file_types: Sequence[str]
    transaction: str = ""


def queue_copies(connection: Connection, image: int, copies: Copies, origin: Origin) -> list[int]:
    """Put an image's files into the send queue; give the entries made (SEND^MAGBRTUT).

    A file that waits for the same destination already is not queued again: a higher priority raises it, and lets it belong to
    whoever asked last. An entry whose file is yet to be made is held until it is.
    """
    lock_for_transaction(connection, send_queue_lock(image))
    made = (_queue_copy(connection, image, file_type, copies, origin) for file_type in copies.file_types)
    return [entry for entry in made if entry]


def _queue_copy(connection: Connection, image: int, file_type: str, copies: Copies, origin: Origin) -> int:
    key = {"destination": f"{copies.destination};MAG(2005.2,", "image": image, "file_type": file_type}
    waiting = connection.execute(_WAITING, key).first()
    if waiting is not None:
        if waiting.priority < copies.priority:
            raised = {"entry": waiting.ien, "new_priority": copies.priority, "new_origin": origin.location}
            connection.execute(_RAISE, raised)
            if copies.transaction:
                connection.execute(_RENAME, {"entry": waiting.ien, "new_transaction": copies.transaction})
        return 0
    entry = next_ien(connection, "send_queue")
    row = {"ien": entry, "mechanism": COPY, "origin": origin.location, "status": "WAITING", "transaction": copies.transaction}
    times = {"queued": origin.moment, "status_at": origin.seconds}
    awaited = {"of_image": image, "of_type": file_type}
    connection.execute(_SEND, {**key, **row, **times, **awaited, "priority": copies.priority})
    return entry


def open_export(connection: Connection, study: Study, origin: int) -> int | None:
    """Find the export of a study that still has images waiting, which further ones join (QUEUE^MAGDRPC3)."""
    key = {"study_uid": study.study_uid or "?", "application": study.application, "origin": origin, "priority": study.priority}
    found: int | None = connection.execute(_EXPORT, key).scalar()
    return found


def make_export(connection: Connection, study: Study, accession: str, origin: Origin) -> int:
    """Make an export without images."""
    export = next_ien(connection, "dicom_export")
    connection.execute(
        _NEW_EXPORT,
        {
            "ien": export,
            "application": study.application,
            "group": study.group,
            "accession": accession,
            "origin": origin.location,
            "priority": study.priority,
            "to_hipaa": study.to_hard_disk,
            "requested": origin.moment,
            "study_uid": study.study_uid or "?",
        },
    )
    return export


def queue_export(connection: Connection, export: int, image: int, priority: int, origin: Origin) -> bool | None:
    """Add an image to an export, unless it is under way in it already (ENQUEUE^MAGDRPC3).

    None when the export is gone: its last image was taken out of the queue this moment. The caller holds `export_lock` of the
    institution.
    """
    if connection.execute(_QUEUED, {"image": image, "export": export}).first() is not None:
        return False
    sequence = connection.execute(_COUNT_UP, {"entry": export}).scalar()
    if sequence is None:
        return None
    values = {"export": export, "sequence": sequence, "image": image, "status": "WAITING"}
    where = {"origin": origin.location, "priority": priority, "status_at": origin.seconds}
    connection.execute(_NEW_IMAGE, {**values, **where})
    return True
