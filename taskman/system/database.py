"""The database's own housekeeping: statistics for its planner, its write-ahead log, and whether its pages are sound."""

from __future__ import annotations

import functools

from fileman import StoreFailed
from fileman.files import (
    BackgroundQueue,
    DicomExportImage,
    File,
    Image,
    ImageEvent,
    Lease,
    SendQueue,
    Task,
)
from taskman.context import TaskContext
from taskman.errors import TaskManError
from taskman.routines import routine

#: Tables that change fast: PostgreSQL's planner goes by old counts before its own daemon looks at them again, and SQLite
#: before 3.46 looks only at what a connection has asked for.
HOT: tuple[type[File], ...] = (BackgroundQueue, DicomExportImage, Image, ImageEvent, Lease, SendQueue, Task)
_ANALYZE = tuple(f"ANALYZE {file.__tablename__}" for file in HOT)
#: How many rows of an index SQLite looks at: a setting of the connection.
_LIMIT = "PRAGMA analysis_limit=400"
#: What is asked for. SQLite's log is first copied back beside readers and writers, so that emptying it holds them up for what
#: came meanwhile only; 0x10002 means every table whose statistics are old.
SQLITE = (*_ANALYZE, "PRAGMA optimize(0x10002)", "PRAGMA wal_checkpoint(PASSIVE)", "PRAGMA wal_checkpoint(TRUNCATE)")
POSTGRESQL = _ANALYZE


class DatabaseDamaged(TaskManError):
    """Pages of the database are damaged."""


@routine(
    "MAINTAIN^MAGBSYS",
    subject=lambda _arguments: "MAINTAIN^MAGBSYS",
    option="MAGB MAINTAIN DATABASE",
    frequency="6H",
)
def maintain_database(task: TaskContext) -> None:
    """Bring the database's statistics up to date and fold its write-ahead log.

    A database that is too busy for it now is left to the next run.
    """
    statements = SQLITE if task.store.sqlite else POSTGRESQL
    for number, statement in enumerate(statements):
        if task.stop_requested():
            task.say(f"stopped after {number} of {len(statements)} statements")
            return
        try:
            (*_set, rows) = task.store.maintain([_LIMIT, statement] if task.store.sqlite else [statement])
        except StoreFailed as error:
            task.say(f"{statement} has to wait: {error}")
            return
    busy = task.store.sqlite and bool(rows and rows[0][0])
    done = f"statistics of {len(HOT)} tables are up to date"
    task.say(f"{done}; the write-ahead log is in use, and folded by the next run" if busy else done)


@routine(
    "CHECK^MAGBSYS",
    subject=lambda _arguments: "CHECK^MAGBSYS",
    option="MAGB CHECK DATABASE",
    frequency="U@03:00",
)
def check_database(task: TaskContext) -> None:
    """Look through a SQLite database for damaged pages, one table after the other.

    Damage ends the task in error, with what was found; PostgreSQL checks its pages itself when it reads them.
    """
    if not task.store.sqlite:
        task.say("PostgreSQL checks its pages itself")
        return
    tables = sorted(File.metadata.tables)
    for number, table in enumerate(tables):
        if task.stop_requested():
            task.say(f"stopped after {number} of {len(tables)} tables")
            return
        task.act(table, functools.partial(_check, task, table))
    task.say(f"{len(tables)} tables are sound")


def _check(task: TaskContext, table: str) -> None:
    """Raise DatabaseDamaged, so that no damage counts as a step that is done: it is looked at again after a repair."""
    ((found,),) = task.store.maintain([f'PRAGMA quick_check("{table}")'])[0][:1]
    if found != "ok":
        raise DatabaseDamaged(f"Table {table}: {found}. Restore a backup or a snapshot.")
