"""What transmitters took and never reported goes back to the queues, each entry with a word in its image's story."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, or_, select, update

from fileman import (
    CopyEntry,
    Event,
    Waits,
    export_lock,
    lease_holder,
    let_wait,
    lock_for_transaction,
    record_events,
    release_held,
    send_queue_lock,
    transmit_lock,
    try_lock,
)
from fileman.files import DicomExport, DicomExportImage, Image, SendQueue
from fileman.files.routing import EXPORT_TAKEN_FOR
from taskman.context import TaskContext
from taskman.endings import Deleted, Ending
from taskman.routines import routine
from taskman.system.batches import BATCH, in_batches, values_of
from taskman.variables import read_variables

#: `minutes`: how long an entry of #2006.035 may be SENDING while nobody has the lock of its destination (LOCK TRANSMIT);
#: `locked_minutes`: while somebody has; `export_minutes`: how long one of #2006.574 may be in XMIT.
VARIABLES = {"minutes": 15.0, "locked_minutes": 60.0, "export_minutes": EXPORT_TAKEN_FOR / 60}

#: A row of one of the selections below.
Entry = Row[*tuple[Any, ...]]

_SENDING = (
    select(
        SendQueue.ien,
        SendQueue.image,
        SendQueue.destination,
        SendQueue.file_type,
        SendQueue.origin,
        SendQueue.priority,
        SendQueue.status_at,
        Image.uid,
    )
    .join(Image, Image.ien == SendQueue.image, isouter=True)
    .where(
        SendQueue.destination == bindparam("destination_"),
        SendQueue.status == "SENDING",
        SendQueue.status_at <= bindparam("before"),
        or_(SendQueue.status_at > bindparam("after_at"), SendQueue.ien > bindparam("after_ien")),
        SendQueue.status_at >= bindparam("after_at"),
    )
    .order_by(SendQueue.status_at, SendQueue.ien)
    .limit(BATCH)
)
_TAKEN = (
    select(
        DicomExportImage.export,
        DicomExportImage.sequence,
        DicomExportImage.image,
        DicomExportImage.taken_by,
        DicomExportImage.origin,
        DicomExport.application,
        Image.uid,
    )
    .join(DicomExport, DicomExport.ien == DicomExportImage.export)
    .join(Image, Image.ien == DicomExportImage.image, isouter=True)
    .where(DicomExportImage.status == "XMIT", DicomExportImage.status_at <= bindparam("before"))
    .order_by(DicomExportImage.status_at)
    .limit(BATCH)
)
_RETURN_EXPORT = (
    update(DicomExportImage)
    .where(
        DicomExportImage.export == bindparam("export_"),
        DicomExportImage.sequence == bindparam("sequence_"),
        DicomExportImage.status == "XMIT",
        DicomExportImage.status_at <= bindparam("before"),
    )
    .values(status="WAITING")
)


@routine(
    "REQUEUE^MAGBSYS",
    subject=lambda _arguments: "REQUEUE^MAGBSYS",
    option="MAGB REQUEUE STUCK ENTRIES",
    frequency="300S",
    variables=VARIABLES,
)
def requeue_stuck_entries(task: TaskContext) -> Ending:
    """Put back what transmitters took from the send and export queues and never reported.

    What is sent, failed or not found stays as it is. Entries that wait for files are given out while the making of files is not
    scheduled, or paused. A run that finds nothing leaves no record.
    """
    limits = read_variables(VARIABLES, task.arguments)
    copies = sum(_requeue_copies(task, destination, limits) for destination in values_of(task, SendQueue.destination, ""))
    before = task.clock.seconds() - limits["export_minutes"] * 60
    exports = in_batches(task, lambda connection: _requeue_exports(task, connection, before))
    released = in_batches(task, release_held)
    if not copies and not exports and not released:
        return Deleted()
    said = f"{copies} entries of the send queue and {exports} of the export queue requeued"
    task.say(said + (f"; {released} wait no longer for files that nobody makes" if released else ""))
    return None


def _requeue_copies(task: TaskContext, destination: str, limits: dict[str, float]) -> int:
    """Put back the stuck entries of one destination; those whose transmitter may be at them stay."""
    now = task.clock.seconds()
    requeued, last = 0, (0.0, 0)
    while not task.stop_requested():
        key = {"destination_": destination, "before": now - limits["minutes"] * 60, "after_at": last[0], "after_ien": last[1]}

        def batch(connection: Connection, key: dict[str, Any] = key) -> tuple[Sequence[Entry], int]:
            task.fence(connection)
            rows = connection.execute(_SENDING, key).all()
            locked = now - limits["locked_minutes"] * 60
            stuck = [row for row in rows if row.status_at <= locked or not _is_locked(connection, row, now)]
            return rows, sum(_return(task, connection, row) for row in stuck)

        rows, count = task.store.transact(batch)
        requeued += count
        if len(rows) < BATCH:
            break
        last = (rows[-1].status_at, rows[-1].ien)
    return requeued


def _is_locked(connection: Connection, row: Entry, now: float) -> bool:
    lock = transmit_lock(str(row.origin), row.destination.partition(";")[0])
    return lease_holder(connection, lock, now) is not None


def _return(task: TaskContext, connection: Connection, row: Entry) -> bool:
    """Let an entry wait again; where the same file waits for the same destination already, that entry stands for both.

    One whose image an evaluator is queueing at this moment is left to the next run.
    """
    if not try_lock(connection, send_queue_lock(row.image)):
        return False
    entry = CopyEntry(row.ien, row.image, row.file_type, row.destination, row.priority, "SENDING")
    now = task.clock.seconds()
    if let_wait(connection, entry, row.destination, now) is Waits.CHANGED:
        return False  # its transmitter reported it this moment
    minutes = int((now - row.status_at) // 60)
    detail = f"{row.file_type} for {row.destination}: nothing was heard of it for {minutes} minutes"
    record_events(connection, [Event(row.uid or "", row.image, "SEND", now, f"task {task.number}", "requeued", detail)])
    return True


def _requeue_exports(task: TaskContext, connection: Connection, before: float) -> int:
    rows = connection.execute(_TAKEN, {"before": before}).all()
    lock_for_transaction(connection, *{export_lock(row.origin) for row in rows})
    now = task.clock.seconds()
    for row in rows:
        key = {"export_": row.export, "sequence_": row.sequence, "before": before}
        if connection.execute(_RETURN_EXPORT, key).rowcount != 1:
            continue  # it was reported, or taken again, this moment
        detail = f"{row.application}: {row.taken_by or 'a transmitter'} took it and did not report"
        record_events(connection, [Event(row.uid or "", row.image, "SEND", now, f"task {task.number}", "requeued", detail)])
    return len(rows)
