"""The TASK record (#14.4): its statuses, and the statements that read and change it. It is the truth; the engine only runs it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from fileman import next_ien
from fileman.files import Task

SCHEDULED, RUNNING, FINISHED, REJECTED, FAILED, STOPPED, UNSCHEDULED = "1", "5", "6", "B", "C", "D", "F"

#: Status codes and what they mean (gateway.md 4.1).
MEANINGS = {
    "0": "being created",
    "1": "scheduled",
    "2": "inspected",
    "3": "waiting for a partition",
    "4": "being prepared",
    "5": "running",
    "6": "completed",
    "A": "waiting for a device",
    "B": "rejected",
    "C": "error",
    "D": "stopped by the user",
    "E": "interrupted",
    "F": "unscheduled",
    "G": "waiting for a link",
    "H": "edited without being scheduled",
    "I": "discarded by its creator",
    "J": "being edited",
    "K": "created without being scheduled",
    "L": "submanager error",
    "M": "waiting for a compute server",
}
#: What STAT^%ZTLOAD says of a status, by its number.
STAT = {
    0: "Undefined",
    1: "Active: Pending",
    2: "Active: Running",
    3: "Inactive: Finished",
    4: "Inactive: Available",
    5: "Inactive: Interrupted",
}
_STAT_OF = {
    **dict.fromkeys("0123", 1),
    **dict.fromkeys("45", 2),
    **dict.fromkeys("6CD", 3),
    **dict.fromkeys("BFHIJK", 4),
    **dict.fromkeys("EL", 5),
    **dict.fromkeys("AGM", 1),
}


@dataclass(frozen=True, slots=True)
class Status:
    """A task's status: its code, and what STAT^%ZTLOAD answers. An unknown task has an empty code."""

    code: str
    message: str = ""

    @property
    def number(self) -> int:
        """Give ZTSK(1)."""
        return _STAT_OF.get(self.code, 0)

    @property
    def text(self) -> str:
        """Give ZTSK(2)."""
        return STAT[self.number]


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """What a worker needs of a task. Times are seconds since the epoch."""

    number: int
    entry_point: str
    arguments: Mapping[str, Any]
    status: str
    attempt: int
    executor: str
    duz: int
    stop_requested: bool


_INSERT = insert(Task)
_RECORD = select(
    Task.number, Task.entry_point, Task.arguments, Task.status, Task.attempt, Task.executor, Task.duz, Task.stop_requested
).where(Task.number == bindparam("number_"))
_STATUS = select(Task.status, Task.message).where(Task.number == bindparam("number_"))
_STOP_FLAG = select(Task.stop_requested).where(Task.number == bindparam("number_"))
_CHANGE = update(Task).where(Task.number == bindparam("number_"))
_STOP_ALL = (
    update(Task)
    .where(Task.entry_point == bindparam("entry_point_"), Task.status.in_([SCHEDULED, RUNNING]))
    .values(stop_requested=True)
)
_DUE = (
    select(Task.number, Task.attempt)
    .where(Task.status == SCHEDULED, Task.scheduled_at <= bindparam("now"))
    .order_by(Task.scheduled_at, Task.number)
    .limit(500)
)
_RUNNING = select(Task.number, Task.attempt, Task.executor).where(Task.status == RUNNING)


def insert_task(
    connection: Connection,
    entry_point: str,
    arguments: Mapping[str, Any],
    description: str,
    duz: int,
    now: float,
    at: float | None = None,
) -> int:
    """Make a task in the caller's transaction and give its number; it waits for the engine."""
    number = next_ien(connection, "task")
    connection.execute(
        _INSERT,
        {
            "number": number,
            "entry_point": entry_point,
            "description": description,
            "duz": duz,
            "created_at": now,
            "scheduled_at": now if at is None else at,
            "status": SCHEDULED,
            "status_at": now,
            "arguments": json.dumps(arguments),
        },
    )
    return number


def read_task(connection: Connection, number: int) -> TaskRecord | None:
    """Read a task."""
    row = connection.execute(_RECORD, {"number_": number}).first()
    if row is None:
        return None
    return TaskRecord(row.number, row.entry_point, json.loads(row.arguments), *row[3:])


def read_status(connection: Connection, number: int) -> Status:
    """Read a task's status; that of an unknown task is undefined."""
    row = connection.execute(_STATUS, {"number_": number}).first()
    return Status("") if row is None else Status(row.status, row.message)


def stop_flag(connection: Connection, number: int) -> bool:
    """Tell whether a task was asked to stop; a task that is gone was."""
    flag = connection.execute(_STOP_FLAG, {"number_": number}).scalar()
    return True if flag is None else bool(flag)


def set_status(connection: Connection, number: int, status: str, now: float, **changes: object) -> None:
    """Change a task's status, and other fields with it."""
    connection.execute(_CHANGE.values(status=status, status_at=now, **changes), {"number_": number})


def request_stop(connection: Connection, number: int) -> None:
    """Ask one task to stop."""
    connection.execute(_CHANGE.values(stop_requested=True), {"number_": number})


def request_stop_of_all(connection: Connection, entry_point: str) -> None:
    """Ask every waiting or running task of an entry point to stop."""
    connection.execute(_STOP_ALL, {"entry_point_": entry_point})


def due_tasks(connection: Connection, now: float) -> list[tuple[int, int]]:
    """List numbers and attempts of the tasks whose time has come."""
    return [(row.number, row.attempt) for row in connection.execute(_DUE, {"now": now})]


def running_tasks(connection: Connection) -> list[tuple[int, int, str]]:
    """List numbers, attempts and executors of the tasks that run."""
    return [(row.number, row.attempt, row.executor) for row in connection.execute(_RUNNING)]
