"""One task per subject: a unique running row with a lease, whatever the engine does."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, delete, select, update

from fileman import insert_into
from fileman.files import RunningTask

_MINE = (RunningTask.subject == bindparam("subject_")) & (RunningTask.task == bindparam("task_"))
_HOLDER = select(RunningTask.task).where(RunningTask.subject == bindparam("subject_"), RunningTask.expires_at > bindparam("now"))
_RENEW = update(RunningTask).where(_MINE, RunningTask.attempt == bindparam("attempt_")).values(expires_at=bindparam("until"))
_RELEASE = delete(RunningTask).where(_MINE, RunningTask.attempt == bindparam("attempt_"))


def holder(connection: Connection, subject: str, now: float) -> int | None:
    """Give the task that has a subject now."""
    return connection.execute(_HOLDER, {"subject_": subject, "now": now}).scalar()


def take(connection: Connection, subject: str, task: int, attempt: int, now: float, until: float) -> bool:
    """Take a subject for an attempt of a task; False while another task has it.

    A later attempt of the same task takes it over at once: the earlier one can write nothing more (see `renew`).
    """
    values = {"task": task, "attempt": attempt, "expires_at": until}
    statement = (
        insert_into(connection, RunningTask)
        .values(subject=subject, **values)
        .on_conflict_do_update(
            index_elements=[RunningTask.subject],
            set_=values,
            where=(RunningTask.task == task) | (RunningTask.expires_at <= now),
        )
        .returning(RunningTask.task)
    )
    return connection.execute(statement).first() is not None


def renew(connection: Connection, subject: str, task: int, attempt: int, until: float) -> bool:
    """Keep a subject; false when another attempt or task has it.

    In the transaction of the work itself it is the fence: whoever lost the subject commits nothing.
    """
    key = {"subject_": subject, "task_": task, "attempt_": attempt, "until": until}
    return connection.execute(_RENEW, key).rowcount == 1


def release(connection: Connection, subject: str, task: int, attempt: int) -> None:
    """Give a subject up, unless a later attempt has it."""
    connection.execute(_RELEASE, {"subject_": subject, "task_": task, "attempt_": attempt})


def release_all(connection: Connection) -> None:
    """Give every subject up: on SQLite, where a starting process knows that no other one lives."""
    connection.execute(delete(RunningTask))
