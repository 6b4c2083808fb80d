"""One task per subject: a unique running row with a lease, whatever the engine does."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, delete, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from fileman.files import RunningTask

#: Seconds that a subject stays taken after its last renewal: a dead executor's work is taken over after that.
LEASE_SECONDS = 20.0

_HOLDER = select(RunningTask.task).where(RunningTask.subject == bindparam("subject_"), RunningTask.expires_at > bindparam("now"))
_RENEW = (
    update(RunningTask)
    .where(RunningTask.subject == bindparam("subject_"), RunningTask.task == bindparam("task_"))
    .values(expires_at=bindparam("until"))
)
_RELEASE = delete(RunningTask).where(RunningTask.subject == bindparam("subject_"), RunningTask.task == bindparam("task_"))


def holder(connection: Connection, subject: str, now: float) -> int | None:
    """Give the task that has a subject now."""
    return connection.execute(_HOLDER, {"subject_": subject, "now": now}).scalar()


def take(connection: Connection, subject: str, task: int, now: float) -> bool:
    """Take a subject for a task; False while another task has it."""
    insert = sqlite_insert if connection.dialect.name == "sqlite" else postgresql_insert
    values = {"task": task, "expires_at": now + LEASE_SECONDS}
    statement = (
        insert(RunningTask)
        .values(subject=subject, **values)
        .on_conflict_do_update(
            index_elements=[RunningTask.subject],
            set_=values,
            where=(RunningTask.task == task) | (RunningTask.expires_at <= now),
        )
        .returning(RunningTask.task)
    )
    return connection.execute(statement).first() is not None


def renew(connection: Connection, subject: str, task: int, now: float) -> bool:
    """Keep a subject; false when another task has it, because this one did not renew in time."""
    renewed = connection.execute(_RENEW, {"subject_": subject, "task_": task, "until": now + LEASE_SECONDS})
    return renewed.rowcount == 1


def release(connection: Connection, subject: str, task: int) -> None:
    """Give a subject up."""
    connection.execute(_RELEASE, {"subject_": subject, "task_": task})


def release_all(connection: Connection) -> None:
    """Give every subject up: on SQLite, where a starting process knows that no other one lives."""
    connection.execute(delete(RunningTask))
