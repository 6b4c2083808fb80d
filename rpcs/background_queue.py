"""Putting work into IMAGE BACKGROUND QUEUE (#2006.03), and counting it in the queue's pointer (QUEUE^MAGBAPI)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, insert, select, update

from fileman import lock_for_transaction, next_ien, next_iens, to_fileman
from fileman.files import BackgroundQueue, QueuePointer
from rpcs.call import Call

_INSERT = insert(BackgroundQueue)
_COUNT = (
    update(QueuePointer)
    .where(QueuePointer.place == bindparam("place_"), QueuePointer.queue == bindparam("queue_"))
    .values(total=QueuePointer.total + bindparam("more"))
)
_NEW_POINTER = insert(QueuePointer)
_WAITS = (
    select(BackgroundQueue.ien)
    .where(
        BackgroundQueue.place == bindparam("place_"),
        BackgroundQueue.queue == bindparam("queue_"),
        BackgroundQueue.image == bindparam("image_"),
        BackgroundQueue.status == "NOT_PROCESSED",
    )
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class Work:
    """One entry to be: the queue, the image, or the file that it is about."""

    queue: str
    image: int = 0
    file_path: str = ""


def waits(call: Call, place: int, work: Work) -> bool:
    """Tell whether an image waits in a queue already."""
    key = {"place_": place, "queue_": work.queue, "image_": work.image}
    return call.connection.execute(_WAITS, key).first() is not None


def enqueue(call: Call, place: int, works: Sequence[Work]) -> None:
    """Enter work in the queues of a place, in this order."""
    if not works:
        return
    moment = to_fileman(call.clock.now())
    numbers = next_iens(call.connection, "background_queue", len(works))
    call.connection.execute(
        _INSERT,
        [
            {
                "ien": ien,
                "queue": work.queue,
                "duz": call.session.duz,
                "requested": moment,
                "status": "NOT_PROCESSED",
                "image": work.image,
                "place": place,
                "file_path": work.file_path,
            }
            for ien, work in zip(numbers, works, strict=True)
        ],
    )
    for queue in dict.fromkeys(work.queue for work in works):
        _count(call, place, queue, sum(work.queue == queue for work in works))


def _count(call: Call, place: int, queue: str, more: int) -> None:
    connection, key = call.connection, {"place_": place, "queue_": queue, "more": more}
    if connection.execute(_COUNT, key).rowcount:
        return
    lock_for_transaction(connection, f"queue pointer:{place}:{queue}")  # another broker may be making it
    if not connection.execute(_COUNT, key).rowcount:
        ien = next_ien(connection, "queue_pointer")
        connection.execute(_NEW_POINTER, {"ien": ien, "queue": queue, "place": place, "total": more})
