"""Putting an evaluation's actions into the queues: #2006.035 for copies, #2006.574 for DICOM objects (MAGBRTUT, MAGDRPC3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, insert, select, update

from fileman import export_lock, lock_for_transaction, next_ien, send_queue_lock
from fileman.files import DicomExport, DicomExportImage, SendQueue
from rules.ast import SEND
from rules.evaluate import Action
from rules.image_facts import KnownImage

COPY = 1

_WAITING = select(SendQueue.ien, SendQueue.priority).where(
    SendQueue.destination == bindparam("destination"),
    SendQueue.status == "WAITING",
    SendQueue.image == bindparam("image"),
    SendQueue.file_type == bindparam("file_type"),
)
_RAISE = update(SendQueue).where(SendQueue.ien == bindparam("entry")).values(priority=bindparam("new_priority"))
_SEND = insert(SendQueue)
_EXPORT = select(DicomExport.ien).where(
    DicomExport.application == bindparam("application"),
    DicomExport.group == bindparam("group"),
    DicomExport.priority == bindparam("priority"),
    DicomExport.origin == bindparam("origin"),
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


def queue_action(
    connection: Connection, action: Action, image: KnownImage, origin: Origin, file_types: Mapping[int, tuple[str, ...]]
) -> int:
    """Queue one action; give the number of entries made. What waits already is not queued again."""
    if action.verb == SEND:
        return sum(
            _queue_copy(connection, action, image, origin, file_type) for file_type in file_types.get(action.destination, ())
        )
    return _queue_export(connection, action, image, origin)


def _queue_copy(connection: Connection, action: Action, image: KnownImage, origin: Origin, file_type: str) -> int:
    key = {"destination": f"{action.destination};MAG(2005.2,", "image": image.facts.image, "file_type": file_type}
    lock_for_transaction(connection, send_queue_lock(image.facts.image))
    waiting = connection.execute(_WAITING, key).first()
    if waiting is not None:
        if waiting.priority < action.priority:
            connection.execute(_RAISE, {"entry": waiting.ien, "new_priority": action.priority})
        return 0
    row = {"ien": next_ien(connection, "send_queue"), "mechanism": COPY, "origin": origin.location, "status": "WAITING"}
    times = {"queued": origin.moment, "status_at": origin.seconds}
    connection.execute(_SEND, {**key, **row, **times, "priority": action.priority})
    return 1


def _queue_export(connection: Connection, action: Action, image: KnownImage, origin: Origin) -> int:
    lock_for_transaction(connection, export_lock(origin.location))
    key = {"application": action.name, "group": image.group, "priority": action.priority, "origin": origin.location}
    export = connection.execute(_EXPORT, key).scalar()
    if export is not None and connection.execute(_QUEUED, {"image": image.facts.image, "export": export}).first() is not None:
        return 0
    sequence = None if export is None else connection.execute(_COUNT_UP, {"entry": export}).scalar()
    if sequence is None:  # there is none yet, or its last image was taken out of the queue this moment
        export, sequence = next_ien(connection, "dicom_export"), 1
        row = {"ien": export, "accession": image.accession, "requested": origin.moment, "study_uid": image.facts.study_uid}
        connection.execute(_NEW_EXPORT, {**key, **row, "last_sequence": sequence, "image_count": 1})
    connection.execute(
        _NEW_IMAGE,
        {
            "export": export,
            "sequence": sequence,
            "image": image.facts.image,
            "status": "WAITING",
            "origin": origin.location,
            "priority": action.priority,
            "status_at": origin.seconds,
        },
    )
    return 1
