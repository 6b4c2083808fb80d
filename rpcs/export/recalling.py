"""What was queued of images and is not to be sent: taken out of both queues; and where it was sent already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BindParameter, Connection, String, bindparam, cast, delete, select

from fileman import Event, export_lock, in_parts, lock_for_transaction, record_events, send_queue_lock
from fileman.files import DicomExportImage, Image, ImageEvent, NetworkLocation, RoutedCopy, SendQueue
from rpcs.export.entries import take_out

#: What is not on its way yet, and what is.
_CANCELLED, _UNDER_WAY = ("WAITING", "RETRY", "HOLD", "FAIL"), "XMIT"

_IMAGES: BindParameter[Any] = bindparam("images", expanding=True)
_EXPORTS = (
    select(
        DicomExportImage.export,
        DicomExportImage.sequence,
        DicomExportImage.image,
        DicomExportImage.status,
        DicomExportImage.origin,
        DicomExportImage.application,
        Image.uid,
    )
    .join(Image, Image.ien == DicomExportImage.image, isouter=True)
    .where(DicomExportImage.image.in_(_IMAGES))
    .order_by(DicomExportImage.export, DicomExportImage.sequence)
)
_ROUTERS = select(NetworkLocation.name, (cast(NetworkLocation.ien, String) + ";MAG(2005.2,").label("pointer")).where(
    NetworkLocation.router
)
_COPIES = (
    select(SendQueue.ien, SendQueue.image, SendQueue.file_type, Image.uid)
    .join(Image, Image.ien == SendQueue.image, isouter=True)
    .where(
        SendQueue.destination == bindparam("destination_"),
        SendQueue.status.in_(["WAITING", "FAILED"]),
        SendQueue.image.in_(_IMAGES),
    )
    .order_by(SendQueue.ien)
)
_DROP_COPIES = delete(SendQueue).where(SendQueue.ien.in_(bindparam("entries", expanding=True)))
_TOLD = select(ImageEvent.image, ImageEvent.stage, ImageEvent.peer, ImageEvent.outcome, ImageEvent.detail).where(
    ImageEvent.image.in_(_IMAGES), ImageEvent.stage.in_(["SEND", "MOVE", "GET"])
)
_LYING = select(RoutedCopy.image, RoutedCopy.name).where(RoutedCopy.image.in_(_IMAGES), RoutedCopy.copy.is_not(None))


@dataclass(frozen=True, slots=True)
class Recalled:
    """What was taken out of the queues, and of what the sending had begun already: so many entries."""

    cancelled: int
    under_way: int


def cancel_sending(connection: Connection, images: Sequence[int], by: str, why: str, now: float) -> Recalled:
    """Take what waits of images out of the export queue and the send queue; their stories tell who had it cancelled, and why."""
    cancelled, under_way = 0, 0
    for some in in_parts(images):
        rows = connection.execute(_EXPORTS, {"images": some}).all()
        if origins := sorted({row.origin for row in rows}):
            lock_for_transaction(connection, *map(export_lock, origins))
            rows = connection.execute(_EXPORTS, {"images": some}).all()
        waiting = [row for row in rows if row.status in _CANCELLED]
        for row in waiting:
            take_out(connection, row.export, row.sequence)
        told = [(row.uid, row.image, row.application) for row in waiting]
        told += _drop_copies(connection, some)
        cancelled += len(told)
        under_way += sum(row.status == _UNDER_WAY for row in rows)
        events = [Event(uid or "", image, "SEND", now, by, "cancelled", f"{where}: {why}") for uid, image, where in told]
        record_events(connection, events)
    return Recalled(cancelled, under_way)


def _drop_copies(connection: Connection, images: Sequence[int]) -> list[tuple[str, int, str]]:
    """Take files out of the send queue; give UID, image, and what was to be copied where."""
    lock_for_transaction(connection, *{send_queue_lock(image) for image in images})
    found = []
    for router in connection.execute(_ROUTERS).all():
        rows = connection.execute(_COPIES, {"destination_": router.pointer, "images": images}).all()
        found += [(row.uid, row.image, f"{row.file_type} for {router.name}") for row in rows]
        for some in in_parts([row.ien for row in rows]):
            connection.execute(_DROP_COPIES, {"entries": some})
    return found


def destinations_reached(connection: Connection, images: Sequence[int]) -> dict[str, set[int]]:
    """Tell which destinations got which of some images, as the queue and the stories of the images know it.

    They are named as in the export queue; a retrieval by the AE title that asked, a share by its location. A destination that
    may have got an image, as its answer was not seen, is one of them.
    """
    reached: dict[str, set[int]] = {}
    for some in in_parts(images):
        sent = _EXPORTS.where(DicomExportImage.status == "SUCCESS")
        for row in connection.execute(sent, {"images": some}):
            reached.setdefault(row.application, set()).add(row.image)
        for event in connection.execute(_TOLD, {"images": some}):
            if where := _where(event):
                reached.setdefault(where, set()).add(int(event.image or 0))
        for copy in connection.execute(_LYING, {"images": some}):
            reached.setdefault(copy.name, set()).add(copy.image)
    return reached


def _where(row: Any) -> str:
    """Read where a step of a story says that an image came to; nothing for one that says nothing of it."""
    if row.stage == "SEND":
        return str(row.detail).partition(":")[0] if row.outcome.startswith("success") else ""
    return str(row.peer) if row.outcome == "sent" else ""
