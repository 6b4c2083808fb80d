"""TaskMan at a glance (Monitor TaskMan of VistA): run node, schedule, lists. Read again and again, so every query is bounded.

Counts go by an index and no further than COUNT_LIMIT, however many tasks there are; nothing here looks at what ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, bindparam, func, select, union_all

from fileman.files import OptionSchedule, RunningTask, Task, TaskError
from taskman import api
from taskman.listing import Line, Wanted, list_tasks
from taskman.managers import list_managers
from taskman.pace import Pace
from taskman.record import PREPARED, RUNNING, SCHEDULED

#: Nothing is counted further, and no list is longer.
COUNT_LIMIT, LIST_LIMIT, RECENT = 1000, 50, 5
#: Seconds after which a run that was not queued is overdue, that the schedule is shown ahead, and that errors count back.
OVERDUE_AFTER, AHEAD, BACK = 5.0, 3600.0, 3600.0

#: Ranks of tasks (`record`): ten less the priority.
RANKS = range(10)

_TASK = select(Task.number).limit(COUNT_LIMIT)
_OF_STATUS = select(func.count()).select_from(_TASK.where(Task.status == bindparam("status_")).subquery())


def _of_each_rank(when: ColumnElement[bool]) -> Select[int]:
    """Count scheduled tasks by their time: within each rank, where the index has them by it."""
    found = [_TASK.where(Task.status == SCHEDULED, Task.rank == rank, when).subquery() for rank in RANKS]
    return select(func.count()).select_from(union_all(*(select(one.c.number) for one in found)).subquery())


_WAITING = _of_each_rank(Task.scheduled_at <= bindparam("now"))
_FUTURE = _of_each_rank(Task.scheduled_at > bindparam("now"))
_NEXT = (
    select(OptionSchedule.ien, OptionSchedule.option, OptionSchedule.next_at, OptionSchedule.frequency)
    .where(OptionSchedule.next_at <= bindparam("until"), OptionSchedule.paused.is_(False))
    .order_by(OptionSchedule.next_at)
    .limit(LIST_LIMIT)
)
_PAUSED = select(func.count()).select_from(
    select(OptionSchedule.ien).where(OptionSchedule.paused.is_(True)).limit(COUNT_LIMIT).subquery()
)
_HELD = (
    select(RunningTask.subject, RunningTask.task, RunningTask.expires_at, Task.said)
    .join(Task, Task.number == RunningTask.task, isouter=True)
    .order_by(RunningTask.subject)
    .limit(LIST_LIMIT)
)
_ERRORS = select(func.count()).select_from(
    select(TaskError.ien).where(TaskError.at >= bindparam("since")).limit(COUNT_LIMIT).subquery()
)


_RECENT = (
    select(TaskError.ien, TaskError.task, TaskError.entry_point, TaskError.at, TaskError.text)
    .where(TaskError.at >= bindparam("since"))
    .order_by(TaskError.at.desc())
    .limit(RECENT)
)


@dataclass(frozen=True, slots=True)
class WorkerState:
    """A worker: RUN while its signs come, SILENT when they are late, GONE when it counts as dead for $$TM^%ZTLOAD too."""

    executor: str
    host: str
    pid: int
    state: str
    slots: int
    running: int
    started_at: float
    heartbeat_at: float


@dataclass(frozen=True, slots=True)
class Due:
    """An entry of OPTION SCHEDULING whose run is near, or overdue."""

    ien: int
    option: str
    next_at: float
    frequency: str
    overdue: bool


@dataclass(frozen=True, slots=True)
class Holder:
    """A task that has a subject, and until when unless its lease is renewed."""

    subject: str
    task: int
    expires_at: float
    said: str


@dataclass(frozen=True, slots=True)
class Failure:
    """What a routine raised lately, without its traceback."""

    ien: int
    task: int
    entry_point: str
    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Counts:
    """How many tasks there are; no number is above COUNT_LIMIT, which stands for that many or more."""

    running: int
    waiting: int
    future: int
    prepared: int
    paused_schedules: int
    errors: int


@dataclass(frozen=True, slots=True)
class Monitor:
    """TaskMan at a moment. Times are seconds since the epoch; errors are those of the last hour, the newest ones told."""

    at: float
    taskman: bool
    counts: Counts
    workers: list[WorkerState]
    schedule: list[Due]
    waiting: list[Line]
    running: list[Line]
    holders: list[Holder]
    errors: list[Failure]


def read_monitor(connection: Connection, now: float, dead_after: float | None = None) -> Monitor:
    """Read how TaskMan stands; a worker without a sign for `dead_after` seconds is silent (the engine's own, unless given)."""
    late = Pace().dead_after if dead_after is None else dead_after
    counts = Counts(
        running=_count(connection, _OF_STATUS, status_=RUNNING),
        waiting=_count(connection, _WAITING, now=now),
        future=_count(connection, _FUTURE, now=now),
        prepared=_count(connection, _OF_STATUS, status_=PREPARED),
        paused_schedules=_count(connection, _PAUSED),
        errors=_count(connection, _ERRORS, since=now - BACK),
    )
    due = connection.execute(_NEXT, {"until": now + AHEAD})
    return Monitor(
        at=now,
        taskman=api.tm(connection, now),
        counts=counts,
        workers=_workers(connection, now, late),
        schedule=[_due(row, now) for row in due],
        waiting=list_tasks(connection, Wanted("waiting", limit=LIST_LIMIT), now),
        running=list_tasks(connection, Wanted("running", limit=LIST_LIMIT), now),
        holders=[Holder(*row[:3], row.said or "") for row in connection.execute(_HELD)],
        errors=[Failure(*row) for row in connection.execute(_RECENT, {"since": now - BACK})],
    )


def _due(row: Row[*tuple[Any, ...]], now: float) -> Due:
    return Due(row.ien, row.option, row.next_at, row.frequency, overdue=row.next_at < now - OVERDUE_AFTER)


def _count(connection: Connection, statement: Select[int], **values: object) -> int:
    return min(COUNT_LIMIT, int(connection.execute(statement, values).scalar_one()))


def _workers(connection: Connection, now: float, late: float) -> list[WorkerState]:
    def state(silence: float) -> str:
        return "RUN" if silence <= late else "SILENT" if silence < api.MANAGER_SILENT else "GONE"

    return [
        WorkerState(
            one.executor,
            one.host,
            one.pid,
            state(now - one.heartbeat_at),
            one.slots,
            one.running,
            one.started_at,
            one.heartbeat_at,
        )
        for one in list_managers(connection)[-LIST_LIMIT:]
    ]
