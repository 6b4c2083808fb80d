"""TaskMan's error log (^%ZTSCH("ER")): what routines raised, with their tracebacks."""

from __future__ import annotations

import traceback
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, insert, select

from fileman import next_ien
from fileman.files import TaskError

#: A text is cut to this many characters, a traceback to as many at its end.
TEXT_LIMIT, TRACEBACK_LIMIT = 500, 20_000

_INSERT = insert(TaskError)
_COLUMNS = (TaskError.ien, TaskError.task, TaskError.entry_point, TaskError.at, TaskError.executor, TaskError.text)
_LIST = select(*_COLUMNS, TaskError.traceback).order_by(TaskError.ien.desc()).limit(bindparam("limit"))
_OF_TASK = _LIST.where(TaskError.task == bindparam("task_"))
_DELETE = delete(TaskError).where(TaskError.at < bindparam("before"))
_DELETE_TYPE = _DELETE.where(TaskError.text.startswith(bindparam("kind")))


@dataclass(frozen=True, slots=True)
class LoggedError:
    """One entry. `at` is in seconds since the epoch."""

    ien: int
    task: int
    entry_point: str
    at: float
    executor: str
    text: str
    traceback: str


def log_error(connection: Connection, task: int, entry_point: str, executor: str, error: BaseException, now: float) -> None:
    """Write down what a routine raised."""
    told = _storable("".join(traceback.format_exception(error)))
    connection.execute(
        _INSERT,
        {
            "ien": next_ien(connection, "task_error"),
            "task": task,
            "entry_point": entry_point,
            "at": now,
            "executor": executor,
            "text": error_text(error),
            "traceback": told[-TRACEBACK_LIMIT:],
        },
    )


def error_text(error: BaseException) -> str:
    """Say an error in a line: its kind and what it says, when it can say it."""
    try:
        says = str(error)
    except Exception:  # a pack's exception may be broken itself
        says = "(it does not say what)"
    return _storable(f"{type(error).__name__}: {says}"[:TEXT_LIMIT])


def _storable(text: str) -> str:
    """Take out of a text what no database takes: NUL, and halves of surrogate pairs."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def list_errors(connection: Connection, limit: int, task: int | None = None) -> list[LoggedError]:
    """List the newest errors, of all tasks or of one."""
    if task is None:
        rows = connection.execute(_LIST, {"limit": limit})
    else:
        rows = connection.execute(_OF_TASK, {"limit": limit, "task_": task})
    return [LoggedError(*row) for row in rows]


def delete_errors(connection: Connection, before: float, kind: str = "") -> int:
    """Take away what is older than a time, all or those of a kind (`ValueError`); give how many there were."""
    if kind:
        return connection.execute(_DELETE_TYPE, {"before": before, "kind": f"{kind}:"}).rowcount
    return connection.execute(_DELETE, {"before": before}).rowcount
