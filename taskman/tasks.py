"""The TASK record (#14.4): its statuses, and the statements that read and change it. It is the truth; the engine only runs it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from fileman import next_ien
from fileman.files import Task

SCHEDULED, RUNNING, FINISHED, REJECTED, FAILED, STOPPED, INTERRUPTED, UNSCHEDULED = "1", "5", "6", "B", "C", "D", "E", "F"

#: A message to the user is cut to this many characters.
MESSAGE_LIMIT = 500

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
#: What STAT^%ZTLOAD says of a status, by its number (INPUT^%ZTLOAD5).
STAT = {
    0: "Undefined",
    1: "Active: Pending",
    2: "Active: Running",
    3: "Inactive: Finished",
    4: "Inactive: Available",
    5: "Inactive: Interrupted",
}
#: The number of each code: what waits in a list of the manager is pending; what ended in any other way than by itself counts as
#: interrupted, even when a user stopped it (FLAG^%ZTLOAD5).
_STAT_OF = {
    **dict.fromkeys("1234AGM", 1),
    "5": 2,
    "6": 3,
    **dict.fromkeys("HK", 4),
    **dict.fromkeys("0BCDEFIJL", 5),
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
class Attempt:
    """A task as the reconciler sees it: which attempt, where."""

    number: int
    attempt: int
    status: str
    executor: str


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


_ATTEMPT = (Task.number, Task.attempt, Task.status, Task.executor)
_INSERT = insert(Task)
_RECORD = select(
    Task.number, Task.entry_point, Task.arguments, Task.status, Task.attempt, Task.executor, Task.duz, Task.stop_requested
).where(Task.number == bindparam("number_"))
_STATUS = select(Task.status, Task.message).where(Task.number == bindparam("number_"))
_STOP_FLAG = select(Task.stop_requested, Task.attempt).where(Task.number == bindparam("number_"))
_EXECUTOR = select(Task.executor).where(Task.number == bindparam("number_"))
_REQUEST_STOP = update(Task).where(Task.number == bindparam("number_")).values(stop_requested=True)
#: A change of one attempt: whoever lost the task meanwhile changes nothing.
_CHANGE = update(Task).where(Task.number == bindparam("number_"), Task.attempt == bindparam("attempt_"))
_CLAIM = _CHANGE.where(Task.status == SCHEDULED).values(status=RUNNING)
_END = _CHANGE.where(Task.status == RUNNING)
_REJECT = _CHANGE.where(Task.status == SCHEDULED).values(status=REJECTED)
_AGAIN = _CHANGE.where(Task.status == bindparam("status_"), Task.executor == bindparam("executor_")).values(
    status=SCHEDULED, executor="", attempt=Task.attempt + 1
)
_SAY = _CHANGE.values(message=bindparam("text_"))
_STOP_ALL = (
    update(Task)
    .where(Task.entry_point == bindparam("entry_point_"), Task.status.in_([SCHEDULED, RUNNING]))
    .values(stop_requested=True)
)
_DUE = (
    select(*_ATTEMPT)
    .where(Task.status == SCHEDULED, Task.scheduled_at <= bindparam("now"))
    .order_by(Task.scheduled_at, Task.number)
    .limit(500)
)
_RUNNING = select(*_ATTEMPT).where(Task.status == RUNNING)


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


def stop_flag(connection: Connection, number: int, attempt: int) -> bool:
    """Tell whether an attempt has to stop: somebody asked for it, the task is gone, or it went on to another attempt."""
    row = connection.execute(_STOP_FLAG, {"number_": number}).first()
    return row is None or row.attempt != attempt or bool(row.stop_requested)


def runs_elsewhere(connection: Connection, number: int, executor: str) -> bool:
    """Tell whether another executor has a task now."""
    return connection.execute(_EXECUTOR, {"number_": number}).scalar() not in (None, "", executor)


def claim_task(connection: Connection, number: int, attempt: int, executor: str, now: float) -> bool:
    """Begin an attempt; false when it is not the one that waits."""
    values = {"executor": executor, "status_at": now, "heartbeat_at": now, "message": ""}
    return connection.execute(_CLAIM.values(values), {"number_": number, "attempt_": attempt}).rowcount == 1


def end_task(connection: Connection, number: int, attempt: int, status: str, now: float, message: str = "") -> bool:
    """Write down how a running attempt ended; an error counts. False when the task is no longer at that attempt."""
    values: dict[str, Any] = {"status": status, "status_at": now, "executor": ""}
    if message:
        values["message"] = message[:MESSAGE_LIMIT]
    if status == FAILED:
        values["error_count"] = Task.error_count + 1
    return connection.execute(_END.values(values), {"number_": number, "attempt_": attempt}).rowcount == 1


def reject_task(connection: Connection, number: int, attempt: int, now: float, why: str) -> bool:
    """Reject a task that waits; false when it waits no more."""
    values = {"status_at": now, "message": why[:MESSAGE_LIMIT]}
    return connection.execute(_REJECT.values(values), {"number_": number, "attempt_": attempt}).rowcount == 1


def schedule_again(connection: Connection, task: Attempt, now: float, why: str) -> bool:
    """Let a task begin another attempt; false when it changed meanwhile, so that of many who try one succeeds."""
    values = {"status_at": now, "message": why[:MESSAGE_LIMIT]}
    key = {"number_": task.number, "attempt_": task.attempt, "status_": task.status, "executor_": task.executor}
    return connection.execute(_AGAIN.values(values), key).rowcount == 1


def say(connection: Connection, number: int, attempt: int, text: str) -> None:
    """Leave a message to the user in the record."""
    connection.execute(_SAY, {"number_": number, "attempt_": attempt, "text_": text[:MESSAGE_LIMIT]})


def request_stop(connection: Connection, number: int) -> None:
    """Ask one task to stop."""
    connection.execute(_REQUEST_STOP, {"number_": number})


def request_stop_of_all(connection: Connection, entry_point: str) -> None:
    """Ask every waiting or running task of an entry point to stop."""
    connection.execute(_STOP_ALL, {"entry_point_": entry_point})


def due_tasks(connection: Connection, now: float) -> list[Attempt]:
    """List the tasks whose time has come, oldest first."""
    return [Attempt(*row) for row in connection.execute(_DUE, {"now": now})]


def running_tasks(connection: Connection) -> list[Attempt]:
    """List the tasks that run, by their records."""
    return [Attempt(*row) for row in connection.execute(_RUNNING)]
