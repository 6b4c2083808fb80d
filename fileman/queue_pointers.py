"""IMAGE BACKGROUND QUEUE POINTER (#2006.031): how many entries wait in each queue of a place, and how far it is processed.

ADD^MAGBAPI counts what a queue gets; NEXTEVAL^MAGBRTE4 makes the pointer of the EVAL queue when its evaluator begins.
"""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, case, insert, update

from fileman.files import QueuePointer
from fileman.locks import lock_for_transaction
from fileman.numbers import next_ien

_THIS = (QueuePointer.place == bindparam("place_"), QueuePointer.queue == bindparam("queue_"))
_COUNT = update(QueuePointer).where(*_THIS).values(total=QueuePointer.total + bindparam("more"))
_NEW = insert(QueuePointer)
_IS_LATER = QueuePointer.last_pointer < bindparam("entry")
_LEFT = case((QueuePointer.total > bindparam("count"), QueuePointer.total - bindparam("count")), else_=0)
_DROPPED = update(QueuePointer).where(*_THIS).values(total=_LEFT)
_PROCESSED = (
    update(QueuePointer)
    .where(*_THIS)
    .values(
        last_pointer=case((_IS_LATER, bindparam("entry")), else_=QueuePointer.last_pointer),
        last_processed=case((_IS_LATER, bindparam("moment")), else_=QueuePointer.last_processed),
        total=_LEFT,
    )
)


def count_queued(connection: Connection, place: int, queue: str, more: int) -> None:
    """Count entries that a queue has got in this transaction; a queue's first make its pointer, and so do none."""
    key = {"place_": place, "queue_": queue, "more": more}
    if connection.execute(_COUNT, key).rowcount:
        return
    lock_for_transaction(connection, f"queue pointer:{place}:{queue}")  # another broker may be making it
    if not connection.execute(_COUNT, key).rowcount:
        ien = next_ien(connection, "queue_pointer")
        connection.execute(_NEW, {"ien": ien, "queue": queue, "place": place, "total": more})


def note_processed(connection: Connection, place: int, queue: str, entry: int, moment: str, count: int = 1) -> None:
    """Note that entries of a queue were processed, the last of them, and when (a FileMan date), which never goes back."""
    key = {"place_": place, "queue_": queue, "entry": entry, "moment": moment, "count": count}
    connection.execute(_PROCESSED, key)


def count_dropped(connection: Connection, place: int, queue: str, count: int) -> None:
    """Count entries that were taken out of a queue before anybody processed them."""
    connection.execute(_DROPPED, {"place_": place, "queue_": queue, "count": count})
