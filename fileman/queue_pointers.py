"""IMAGE BACKGROUND QUEUE POINTER (#2006.031): what each queue of a place got and how far it is processed (ADD^MAGBAPI)."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, insert, update

from fileman.files import QueuePointer
from fileman.locks import lock_for_transaction
from fileman.numbers import next_ien

_THIS = (QueuePointer.place == bindparam("place_"), QueuePointer.queue == bindparam("queue_"))
_COUNT = update(QueuePointer).where(*_THIS).values(total=QueuePointer.total + bindparam("more"))
_NEW = insert(QueuePointer)
_PROCESSED = (
    update(QueuePointer)
    .where(*_THIS, QueuePointer.last_pointer < bindparam("entry"))
    .values(last_pointer=bindparam("entry"), last_processed=bindparam("moment"))
)


def count_queued(connection: Connection, place: int, queue: str, more: int) -> None:
    """Count entries that a queue has got in this transaction; a queue's first make its pointer."""
    key = {"place_": place, "queue_": queue, "more": more}
    if connection.execute(_COUNT, key).rowcount:
        return
    lock_for_transaction(connection, f"queue pointer:{place}:{queue}")  # another broker may be making it
    if not connection.execute(_COUNT, key).rowcount:
        ien = next_ien(connection, "queue_pointer")
        connection.execute(_NEW, {"ien": ien, "queue": queue, "place": place, "total": more})


def note_processed(connection: Connection, place: int, queue: str, entry: int, moment: str) -> None:
    """Note the last entry of a queue that was processed, and when (a FileMan date); it never goes back."""
    connection.execute(_PROCESSED, {"place_": place, "queue_": queue, "entry": entry, "moment": moment})
