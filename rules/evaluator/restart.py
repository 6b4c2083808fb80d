"""Rule evaluators that died without having been stopped are begun again, with the rules of their START or newer published ones.

The one of a location is its newest, and only while no other evaluator of that location waits or runs. A stop holds: STOP
marks the dead ones too, so that a later START of another location does not wake them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select

from fileman import mixed_case_date_time, to_fileman
from fileman.files import EvaluatorFlag, EvaluatorLog, Task, TaskStep
from rules.evaluator.evaluator_log import append_log
from rules.evaluator.task import ENTRY_POINT, subject_of
from taskman import Deleted, Ending, TaskContext, api, read_variables, routine
from taskman.record import FAILED, FINISHED, INTERRUPTED, NO_ROUTINE, PREPARED, QUEUED, REJECTED, RUNNING
from taskman.steps import record_step
from taskman.subjects import holder
from taskman.tasks import say

#: An evaluator that was begun again so many times within so many minutes is left alone until the first of these times is
#: past them.
VARIABLES = {"restarts": 3.0, "minutes": 60.0}
#: Evaluators that are looked at, the newest first: those of more locations than one database has.
MOST = 20_000
#: Evaluators, the newest, among which is looked for those that died, every few seconds.
LOOKED_AT = 50
#: What a second evaluator of a location logs; it never was the location's.
BUSY = "A rule evaluator is already running for"
#: Why a task is rejected that another worker would take.
PASSING = frozenset([NO_ROUTINE])
#: The name under which a restart is noted among a task's steps.
STEP = "RESTART "

_FLAG = select(EvaluatorFlag.running).where(EvaluatorFlag.id == 1)
_EVALUATORS = (
    select(
        Task.number,
        Task.status,
        Task.message,
        Task.said,
        Task.status_at,
        Task.attempt,
        Task.executor,
        Task.stop_requested,
        Task.requeue_at,
        Task.arguments,
    )
    .where(Task.entry_point == ENTRY_POINT)
    .order_by(Task.number.desc())
    .limit(MOST)
)
_NEWEST = _EVALUATORS.limit(LOOKED_AT)
_LAST_LINE = select(EvaluatorLog.text).where(EvaluatorLog.task == bindparam("task_")).order_by(EvaluatorLog.line.desc()).limit(1)
_RESTARTS = (
    select(TaskStep.at)
    .where(TaskStep.task == bindparam("task_"), TaskStep.name.startswith(STEP), TaskStep.at > bindparam("since"))
    .order_by(TaskStep.at)
)


@dataclass(frozen=True, slots=True)
class Known:
    """An evaluator's task as its record shows it; `status_at` is in seconds since the epoch."""

    number: int
    status: str
    message: str
    said: str
    status_at: float
    attempt: int
    active: bool
    stop_requested: bool
    location: int

    @property
    def died(self) -> bool:
        """Tell whether it ended though nobody wanted that."""
        if self.stop_requested:
            return False
        return self.status in (FAILED, INTERRUPTED) or (self.status == REJECTED and self.message in PASSING)


def by_location(evaluators: Iterable[Known]) -> dict[int, list[Known]]:
    """Sort evaluators by location, whatever happened last first."""
    found: dict[int, list[Known]] = {}
    for one in sorted(evaluators, key=lambda it: (it.status_at, it.number), reverse=True):
        found.setdefault(one.location, []).append(one)
    return found


def to_restart(evaluators: Sequence[Known]) -> Known | None:
    """Choose the evaluator of a location that is to be begun again; those that only found it taken are left out by the caller."""
    if not evaluators or any(one.active for one in evaluators):
        return None
    return evaluators[0] if evaluators[0].died else None


def died_by_location(connection: Connection) -> dict[int, str]:
    """Tell, by location, why its rule evaluator ended though nobody wanted that, as far as the newest show; and is away."""
    if connection.execute(_FLAG).scalar() is False:
        return {}
    known = [one for row in connection.execute(_NEWEST) if (one := _read(row)) is not None]
    chosen = {
        location: to_restart([one for one in some if one.active or not _found_it_taken(connection, one)])
        for location, some in by_location(known).items()
    }
    return {location: one.message for location, one in chosen.items() if one is not None}


@routine(
    "RESTART^MAGBSYS",
    subject=lambda _arguments: "RESTART^MAGBSYS",
    option="MAGB RESTART EVALUATORS",
    frequency="60S",
    variables=VARIABLES,
)
def restart_evaluators(task: TaskContext) -> Ending:
    """Begin rule evaluators again that died without having been stopped.

    One that dies again and again is left alone for a while, and its record says until when. A run that does nothing leaves no
    record.
    """
    limits = read_variables(VARIABLES, task.arguments)
    begun = task.store.transact(lambda connection: _restart(task, connection, limits))
    if not begun:
        return Deleted()
    task.say(f"begun again: {', '.join(f'task {one.number} of location {one.location}' for one in begun)}")
    return None


def _restart(task: TaskContext, connection: Connection, limits: dict[str, float]) -> list[Known]:
    task.fence(connection)
    if connection.execute(_FLAG).scalar() is False:
        return []
    known = [one for row in connection.execute(_EVALUATORS) if (one := _read(row)) is not None]
    begun = []
    for location, evaluators in by_location(known).items():
        chosen = to_restart([one for one in evaluators if one.active or not _found_it_taken(connection, one)])
        if chosen is None or _is_taken(task, connection, chosen, location):
            continue
        if (until := _pause(task, connection, chosen, limits)) is not None:
            _say_once(connection, chosen, f"it died {limits['restarts']:.0f} times and more; it is begun again after {until}")
        elif api.req(connection, chosen.number, task.clock.seconds(), ""):
            _note(task, connection, chosen)
            begun.append(chosen)
    return begun


def _read(row: Any) -> Known | None:
    """Read a record; None for one whose arguments are no evaluator's, which somebody made by hand."""
    location = json.loads(row.arguments).get("location")
    if not str(location).isdigit():
        return None
    active = bool(row.executor) or row.requeue_at is not None or row.status in (*QUEUED, PREPARED, RUNNING)
    facts = (row.number, row.status, row.message, row.said, row.status_at, row.attempt)
    return Known(*facts, active, bool(row.stop_requested), int(location))


def _found_it_taken(connection: Connection, one: Known) -> bool:
    """Tell whether a task ended at once because its location had an evaluator."""
    last = connection.execute(_LAST_LINE, {"task_": one.number}).scalar() if one.status == FINISHED else None
    return last is not None and BUSY in last


def _is_taken(task: TaskContext, connection: Connection, one: Known, location: int) -> bool:
    has = holder(connection, subject_of({"location": location}), task.clock.seconds())
    return has not in (None, one.number)


def _pause(task: TaskContext, connection: Connection, one: Known, limits: dict[str, float]) -> str | None:
    """Say until when an evaluator that died too often is left alone; None for one that may begin."""
    window = limits["minutes"] * 60
    key = {"task_": one.number, "since": task.clock.seconds() - window}
    times = connection.execute(_RESTARTS, key).scalars().all()
    if len(times) < limits["restarts"]:
        return None
    free_at = datetime.fromtimestamp(times[-int(limits["restarts"])] + window)  # noqa: DTZ006  VistA's times carry no zone
    return mixed_case_date_time(to_fileman(free_at))


def _say_once(connection: Connection, one: Known, text: str) -> None:
    if one.said != text:
        say(connection, one.number, one.attempt, text)


def _note(task: TaskContext, connection: Connection, one: Known) -> None:
    """Write a restart down where the next look counts it, and where readers of the evaluator's log see it."""
    record_step(connection, one.number, f"{STEP}{one.attempt}", None, task.clock.seconds())
    append_log(connection, one.number, task.clock, [f"Begun again after: {one.message}"])
