"""Work in batches of one transaction each, so that no run holds the writer for long: bounded, and stopped between batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Delete, Executable, Row, bindparam, delete, func, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from fileman.files import File
from taskman.context import TaskContext

T = TypeVar("T")

#: Rows that one transaction changes, and rows that one run changes of a file; what is left is done by the next run.
BATCH, MOST = 500, 200_000


def rows_of(task: TaskContext, statement: Executable, values: Mapping[str, Any]) -> Sequence[Row[Any]]:
    """Read all rows of a statement."""
    return task.store.read(lambda connection: connection.execute(statement, values).all())


def change(task: TaskContext, work: Callable[..., T], *arguments: Any) -> T:
    """Call `work(task, connection, *arguments)` in a transaction; give its result."""
    return task.store.transact(lambda connection: work(task, connection, *arguments))


def in_batches(task: TaskContext, work: Callable[[Connection], int]) -> int:
    """Do work again and again while it changes whole batches; give how much it changed.

    Each time is a transaction that commits only while the task is still this attempt's (TaskLost).
    """
    done = 0
    while done < MOST and not task.stop_requested():
        count = task.store.transact(lambda connection: _fenced(task, connection, work))
        done += count
        if count < BATCH:
            break
    return done


def _fenced(task: TaskContext, connection: Connection, work: Callable[[Connection], int]) -> int:
    task.fence(connection)
    return work(connection)


def purge(task: TaskContext, statement: Delete, values: Mapping[str, Any]) -> int:
    """Carry out a statement that `oldest` made, until nothing is left to delete; give how many rows went."""
    return in_batches(task, lambda connection: connection.execute(statement, dict(values)).rowcount)


def oldest(file: type[File], *conditions: ColumnElement[bool], order: InstrumentedAttribute[Any] | None = None) -> Delete:
    """Make the statement that deletes one batch of a file's rows, in the order of a column (of its key otherwise)."""
    keys = list(file.__table__.primary_key)
    ordered = keys if order is None else [order]
    batch = select(*keys).where(*conditions).order_by(*ordered).limit(BATCH)
    return delete(file).where((keys[0] if len(keys) == 1 else tuple_(*keys)).in_(batch))


def values_of(task: TaskContext, column: InstrumentedAttribute[Any], before_any: Any) -> Iterator[Any]:
    """Give the values of the first column of an index, each once, without reading the rows between them.

    `before_any` is smaller than every value.
    """
    following = select(func.min(column)).where(column > bindparam("last"))
    last = before_any
    while True:
        ((last,),) = rows_of(task, following, {"last": last})
        if last is None:
            return
        yield last
