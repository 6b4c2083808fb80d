"""Putting work into IMAGE BACKGROUND QUEUE (#2006.03), and counting it in the queue's pointer (QUEUE^MAGBAPI)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, insert, select

from fileman import count_queued, evaluation, lock_for_transaction, next_iens, to_fileman, wake_after_commit
from fileman.files import BackgroundQueue
from rpcs.call import Call

_INSERT = insert(BackgroundQueue)
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
    """Tell whether an image waits in a queue already; nobody else puts it there until the transaction ends."""
    lock_for_transaction(call.connection, f"{work.queue} {place} {work.image}")
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
    if any(work.queue == "EVAL" for work in works):
        wake_after_commit(call.connection, evaluation(place))
    for queue in dict.fromkeys(work.queue for work in works):
        count_queued(call.connection, place, queue, sum(work.queue == queue for work in works))
