"""TaskMan's files: tasks, what they hold while they run, what went wrong, what runs when, and who runs it."""

from __future__ import annotations

from sqlalchemy import Float, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from fileman.files.base import File


class Task(File):
    """TASKS (#14.4). Numbers count from 1000 up and are never given twice. Times are seconds since the epoch.

    `message` is what the manager says of the status (node .1, third piece), `said` what the routine tells its user (.11).
    `attempt` counts how often the task was begun; only the attempt that an `executor` has changes the record.
    """

    __tablename__ = "task"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    entry_point: Mapped[str] = mapped_column(index=True)
    description: Mapped[str]
    duz: Mapped[int]
    creator: Mapped[str] = mapped_column(default="")
    created_at: Mapped[float] = mapped_column(Float(53))
    first_created_at: Mapped[float | None] = mapped_column(Float(53))  # when it was created before a requeue
    scheduled_at: Mapped[float | None] = mapped_column(Float(53))  # None: created without being scheduled
    option: Mapped[str] = mapped_column(default="", index=True)
    uci: Mapped[str] = mapped_column(default="")
    volume: Mapped[str] = mapped_column(default="")
    priority: Mapped[int] = mapped_column(default=0)
    rank: Mapped[int] = mapped_column(default=5)  # 0 begins first: ten less the priority, which is 5 where none is given
    device: Mapped[str] = mapped_column(default="")
    sync_flag: Mapped[str] = mapped_column(default="")
    keep_until: Mapped[float | None] = mapped_column(Float(53))
    status: Mapped[str] = mapped_column(String(1))
    status_at: Mapped[float] = mapped_column(Float(53))
    message: Mapped[str] = mapped_column(default="")
    said: Mapped[str] = mapped_column(default="")
    arguments: Mapped[str] = mapped_column(Text, default="{}")
    attempt: Mapped[int] = mapped_column(default=1)
    executor: Mapped[str] = mapped_column(default="")
    job: Mapped[str] = mapped_column(default="")
    stop_requested: Mapped[bool] = mapped_column(default=False)
    stopped_by: Mapped[str] = mapped_column(default="")
    persistent: Mapped[bool] = mapped_column(default=False)
    requeue_at: Mapped[float | None] = mapped_column(Float(53))  # asked for while it runs
    error_count: Mapped[int] = mapped_column(default=0)
    error_at: Mapped[float | None] = mapped_column(Float(53))
    error_text: Mapped[str] = mapped_column(default="")

    __table_args__ = (
        Index(None, "status", "rank", "scheduled_at"),
        Index(None, "status", "status_at"),
        Index(None, "sync_flag", "status"),
        Index(None, "duz", "number"),
        Index(None, "executor", postgresql_where=text("executor <> ''"), sqlite_where=text("executor <> ''")),
    )


class TaskStep(File):
    """A step of a task that is done, with what it gave as JSON: it is not done again whatever dies."""

    __tablename__ = "task_step"

    task: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[float] = mapped_column(Float(53))
    result: Mapped[str] = mapped_column(Text)


class TaskError(File):
    """TASKMAN ERROR LOG (^%ZTSCH("ER")): what a routine raised."""

    __tablename__ = "task_error"

    ien: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    task: Mapped[int] = mapped_column(index=True)
    entry_point: Mapped[str]
    at: Mapped[float] = mapped_column(Float(53), index=True)
    executor: Mapped[str]
    text: Mapped[str] = mapped_column(Text)
    traceback: Mapped[str] = mapped_column(Text)


class TaskSyncFlag(File):
    """TASK SYNC FLAG (#14.8): the task that has a flag, and what became of it; a failed one keeps the flag."""

    __tablename__ = "task_sync_flag"

    name: Mapped[str] = mapped_column(primary_key=True)
    task: Mapped[int]
    status: Mapped[str] = mapped_column(default="")


class RunningTask(File):
    """The unique running row of a task that may run once per subject (the rule evaluator of a location), with a lease."""

    __tablename__ = "running_task"

    subject: Mapped[str] = mapped_column(primary_key=True)
    task: Mapped[int]
    attempt: Mapped[int] = mapped_column(default=1)
    expires_at: Mapped[float] = mapped_column(Float(53))


class TaskManager(File):
    """The heartbeat of a TaskMan worker: the RUN node of ^%ZTSCH, a row per executor."""

    __tablename__ = "task_manager"

    executor: Mapped[str] = mapped_column(primary_key=True)
    host: Mapped[str]
    pid: Mapped[int]
    slots: Mapped[int] = mapped_column(default=0)
    running: Mapped[int] = mapped_column(default=0)
    started_at: Mapped[float] = mapped_column(Float(53))
    heartbeat_at: Mapped[float] = mapped_column(Float(53))


class OptionSchedule(File):
    """OPTION SCHEDULING (#19.2): which option is run when. Times are seconds since the epoch.

    `special` is S (at TaskMan's start), SP (at its start, persistent), P (persistent) or nothing. `catch_up` runs what was
    missed once for each time; otherwise missed runs are skipped.
    """

    __tablename__ = "option_schedule"

    ien: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    option: Mapped[str] = mapped_column(index=True)
    next_at: Mapped[float | None] = mapped_column(Float(53), index=True)
    wall: Mapped[str] = mapped_column(default="")  # the wall time that the frequency names for the next run
    frequency: Mapped[str] = mapped_column(default="")
    special: Mapped[str] = mapped_column(default="")
    device: Mapped[str] = mapped_column(default="")
    volume: Mapped[str] = mapped_column(default="")
    variables: Mapped[str] = mapped_column(Text, default="{}")
    parameter: Mapped[str] = mapped_column(default="")  # ZTQPARAM
    duz: Mapped[int] = mapped_column(default=0)
    task: Mapped[int | None]
    paused: Mapped[bool] = mapped_column(default=False)
    catch_up: Mapped[bool] = mapped_column(default=False)
    last_at: Mapped[float | None] = mapped_column(Float(53))
    skipped: Mapped[int] = mapped_column(default=0)
