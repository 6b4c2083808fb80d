"""One look at everything that TaskMan may have to do now: a single statement, because an idle worker asks it again and again."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import BindParameter, Connection, bindparam, exists, func, select

from fileman.files import OptionSchedule, Task, TaskSyncFlag
from taskman.record import PREPARED, SCHEDULED
from taskman.tasks import HAS_EXECUTOR


class Outlook(NamedTuple):
    """What is to be looked into: tasks that an executor has, tasks and schedules whose time has come, sync flags.

    `next_at` is when the next task's time comes, in seconds since the epoch.
    """

    at_work: bool
    tasks_due: bool
    schedules_due: bool
    sync_flags: bool
    next_at: float | None


_NOW: BindParameter[float] = bindparam("now")
_LOOK = select(
    exists().where(HAS_EXECUTOR),
    exists().where(Task.status == SCHEDULED, Task.scheduled_at <= _NOW),
    exists().where(OptionSchedule.next_at <= _NOW, OptionSchedule.paused.is_(False)),
    exists().where(TaskSyncFlag.status == "") | exists().where(Task.sync_flag != "", Task.status == PREPARED),
    select(func.min(Task.scheduled_at)).where(Task.status == SCHEDULED, Task.scheduled_at > _NOW).scalar_subquery(),
)


def look(connection: Connection, now: float) -> Outlook:
    """Look."""
    return Outlook(*connection.execute(_LOOK, {"now": now}).one())
