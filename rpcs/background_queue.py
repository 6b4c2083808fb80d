"""Putting work into IMAGE BACKGROUND QUEUE (#2006.03), and counting it in the queue's pointer (QUEUE^MAGBAPI)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, select

from fileman import ManyRows, count_queued, evaluation, lock_for_transaction, next_iens, to_fileman, wake_after_commit
from fileman.files import BackgroundQueue
from rpcs.call import Call

#: Images that one query looks for.
LOOKED_FOR_AT_ONCE = 500

_ENTRIES = ManyRows(BackgroundQueue)
_WAITING = select(BackgroundQueue.image).where(
    BackgroundQueue.place == bindparam("place_"),
    BackgroundQueue.queue == bindparam("queue_"),
    BackgroundQueue.image.in_(bindparam("images", expanding=True)),
    BackgroundQueue.status == "NOT_PROCESSED",
)


class Work(NamedTuple):
    """One entry to be: the place, the queue, the image, or the file that it is about."""

    place: int
    queue: str
    image: int = 0
    file_path: str = ""


def waiting(call: Call, place: int, queue: str, images: Sequence[int]) -> set[int]:
    """Tell which of some images wait in a queue already; nobody else puts them there until the transaction ends."""
    lock_for_transaction(call.connection, *(f"{queue} {place} {image}" for image in images))
    found: set[int] = set()
    for begin in range(0, len(images), LOOKED_FOR_AT_ONCE):
        key = {"place_": place, "queue_": queue, "images": images[begin : begin + LOOKED_FOR_AT_ONCE]}
        found.update(call.connection.execute(_WAITING, key).scalars())
    return found


def enqueue(connection: Connection, works: Sequence[Work], duz: int, moment: datetime) -> None:
    """Enter work that a user asks for in the queues of its places, in this order."""
    if not works:
        return
    numbers = next_iens(connection, "background_queue", len(works))
    _ENTRIES.write(
        connection,
        [
            {"ien": ien, "duz": duz, "requested": to_fileman(moment), "status": "NOT_PROCESSED", **work._asdict()}
            for ien, work in zip(numbers, works, strict=True)
        ],
    )
    for (place, queue), more in Counter((work.place, work.queue) for work in works).items():
        count_queued(connection, place, queue, more)
        if queue == "EVAL":
            wake_after_commit(connection, evaluation(place))
