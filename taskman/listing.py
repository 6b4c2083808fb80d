"""Tasks as people look for them (List Tasks of VistA's TaskMan User menu), and all that is known of one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, bindparam, or_, select

from fileman.files import RunningTask, Task, TaskSyncFlag
from taskman import api
from taskman.errors import BadNumbers
from taskman.record import FINISHED, MEANINGS, PREPARED, RUNNING, SCHEDULED, UNWILLING
from taskman.steps import done_steps
from taskman.tasks import HAS_EXECUTOR

#: What a list may be of. A scheduled task waits once its time has come; before that it is a future one.
GROUPS = {
    "running": RUNNING,
    "waiting": "1234AGM",
    "future": SCHEDULED,
    "unsuccessful": "BCDEFIL",
    "finished": FINISHED,
    "created": "0HJK",
}
#: Ranges of one selection, and tasks of one list, at most.
MOST_RANGES, MOST_TASKS = 100, 1000

_COLUMNS = (
    Task.number,
    Task.rank,
    Task.status,
    Task.scheduled_at,
    Task.status_at,
    Task.duz,
    Task.creator,
    Task.entry_point,
    Task.option,
    Task.description,
    Task.message,
    Task.said,
    Task.executor,
    Task.persistent,
)
_LINES = select(*_COLUMNS)
_NEWEST = (Task.number.desc(),)
#: What a scheduled task has to be for a group besides.
_WHEN: dict[str, ColumnElement[bool]] = {
    "waiting": Task.scheduled_at <= bindparam("now"),
    "future": Task.scheduled_at > bindparam("now"),
}
_ALL_COLUMNS = select(Task.__table__).where(Task.number == bindparam("number_"))
_SUBJECT = select(RunningTask.subject, RunningTask.expires_at).where(RunningTask.task == bindparam("number_"))
_FLAG = select(TaskSyncFlag.name, TaskSyncFlag.status).where(TaskSyncFlag.task == bindparam("number_"))
_OF_ENTRY_POINT = (
    select(Task.number, Task.arguments)
    .where(
        Task.entry_point == bindparam("entry_point_"),
        or_(
            Task.status.in_([SCHEDULED, PREPARED, RUNNING]),
            HAS_EXECUTOR,
            and_(Task.status.in_([*UNWILLING]), Task.stop_requested.is_(False)),
        ),
    )
    .order_by(Task.number)
)


@dataclass(frozen=True, slots=True)
class _Order:
    """An order in the database, and the same for rows of several look-ups."""

    columns: tuple[Any, ...]
    key: Callable[[Any], tuple[float, ...]]


#: What waits comes as it will be begun, what is for later by its time, all else with the last change first.
_ORDERS = {
    "waiting": _Order((Task.rank, Task.scheduled_at, Task.number), lambda row: (row.rank, row.scheduled_at or 0.0, row.number)),
    "future": _Order((Task.scheduled_at, Task.number), lambda row: (row.scheduled_at, row.number)),
}
_LATEST = _Order((Task.status_at.desc(), Task.number.desc()), lambda row: (-row.status_at, -row.number))


@dataclass(frozen=True, slots=True)
class Line:
    """A task in a list. Times are seconds since the epoch; `at` is the time that says most.

    That is when it is to begin, for what waits, and otherwise since when it has its status.
    """

    number: int
    status: str
    meaning: str
    at: float
    scheduled_at: float | None
    status_at: float
    duz: int
    creator: str
    entry_point: str
    option: str
    description: str
    message: str
    said: str
    executor: str
    persistent: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list is to hold; what is empty or None leaves nothing out.

    `duz` is whose tasks, `numbers` are ranges, `routine` is `TAG^ROUTINE` or any entry of `^ROUTINE`, `description` a part
    of one in any letter case.
    """

    group: str = ""
    duz: int | None = None
    numbers: Sequence[tuple[int, int]] = ()
    routine: str = ""
    option: str = ""
    description: str = ""
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Held:
    """A subject that a task has, and until when unless its lease is renewed."""

    subject: str
    expires_at: float


@dataclass(frozen=True, slots=True)
class Step:
    """A step that is done, with what it gave."""

    name: str
    at: float
    result: Any


@dataclass(frozen=True, slots=True)
class Flag:
    """A sync flag that a task has; `status` tells of a holder that failed."""

    name: str
    status: str


@dataclass(frozen=True, slots=True)
class Detail:
    """All that is known of a task: its record, what STAT^%ZTLOAD and ISQED^%ZTLOAD say, and what it has.

    Times are seconds since the epoch. `stat` and `queued` are ZTSK(2) and ZTSK(0) of the two calls.
    """

    number: int
    status: str
    meaning: str
    stat: str
    queued: str
    message: str
    said: str
    description: str
    entry_point: str
    option: str
    duz: int
    creator: str
    created_at: float
    first_created_at: float | None
    scheduled_at: float | None
    status_at: float
    requeue_at: float | None
    keep_until: float | None
    attempt: int
    executor: str
    job: str
    stop_requested: bool
    stopped_by: str
    persistent: bool
    priority: int
    device: str
    uci: str
    volume: str
    sync_flag: str
    error_count: int
    error_at: float | None
    error_text: str
    arguments: Any
    steps: list[Step]
    held: list[Held]
    flags: list[Flag]


def read_numbers(text: str) -> list[tuple[int, int]]:
    """Read `1001,1005-1010` as ranges. Raises BadNumbers."""
    ranges = []
    for part in text.replace(" ", "").split(","):
        first, dash, last = part.partition("-")
        if not (_is_number(first) and (_is_number(last) if dash else not last)):
            raise BadNumbers(text)
        ranges.append((int(first), int(last or first)))
    if len(ranges) > MOST_RANGES or any(first > last for first, last in ranges):
        raise BadNumbers(text)
    return ranges


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 9


def list_tasks(connection: Connection, wanted: Wanted, now: float) -> list[Line]:
    """List tasks: of all from the newest number down, of a group as `_ORDERS` says.

    Each status of a group is looked up by itself, in the order of an index: of what ended, nothing that is left out is read.
    """
    limit = min(wanted.limit, MOST_TASKS)
    statement: Select[*tuple[Any, ...]] = _LINES.where(*_conditions(wanted)).limit(limit)
    if not wanted.group:
        return [_line(row, now) for row in connection.execute(statement.order_by(*_NEWEST))]
    order = _ORDERS.get(wanted.group, _LATEST)
    ordered = statement.order_by(*order.columns)
    rows: list[Any] = []
    for code in GROUPS[wanted.group]:
        of_code = ordered.where(Task.status == code)
        if code == SCHEDULED:
            of_code = of_code.where(_WHEN[wanted.group])
        rows += connection.execute(of_code, {"now": now} if code == SCHEDULED else {})
    rows.sort(key=order.key)
    return [_line(row, now) for row in rows[:limit]]


def _conditions(wanted: Wanted) -> Iterable[ColumnElement[bool]]:
    if wanted.duz is not None:
        yield Task.duz == wanted.duz
    if wanted.numbers:
        yield or_(*(Task.number.between(first, last) for first, last in wanted.numbers))
    if wanted.option:
        yield Task.option == wanted.option
    if wanted.description:
        yield Task.description.icontains(wanted.description, autoescape=True)
    if wanted.routine.startswith("^"):
        yield Task.entry_point.endswith(wanted.routine, autoescape=True)
    elif wanted.routine:
        yield Task.entry_point == wanted.routine


def _line(row: Row[*tuple[Any, ...]], now: float) -> Line:
    facts = {name: value for name, value in row._mapping.items() if name != "rank"}
    waits = row.status in GROUPS["waiting"] and row.scheduled_at is not None
    meaning = meaning_of(row.status, row.scheduled_at, now)
    return Line(**facts, meaning=meaning, at=row.scheduled_at if waits else row.status_at)


def meaning_of(status: str, scheduled_at: float | None, now: float) -> str:
    """Say a status in words; one that is scheduled may be due already."""
    if status == SCHEDULED and scheduled_at is not None and scheduled_at <= now:
        return "waiting"
    return MEANINGS.get(status, status)


def read_detail(connection: Connection, number: int, now: float) -> Detail | None:
    """Read all that is known of a task."""
    row = connection.execute(_ALL_COLUMNS, {"number_": number}).first()
    if row is None:
        return None
    facts = {name: value for name, value in row._mapping.items() if name in Detail.__dataclass_fields__}
    facts["arguments"] = json.loads(row.arguments)
    return Detail(
        **facts,
        meaning=meaning_of(row.status, row.scheduled_at, now),
        stat=api.stat(connection, number).text,
        queued=api.isqed(connection, number).queued,
        steps=[Step(*step) for step in done_steps(connection, number)],
        held=[Held(*held) for held in connection.execute(_SUBJECT, {"number_": number})],
        flags=[Flag(*flag) for flag in connection.execute(_FLAG, {"number_": number})],
    )


def stoppable_with(connection: Connection, entry_point: str, argument: str, value: object) -> list[int]:
    """List the tasks of an entry point with a value of an argument that wait or run, or that died and were not stopped since."""
    rows = connection.execute(_OF_ENTRY_POINT, {"entry_point_": entry_point})
    return [row.number for row in rows if json.loads(row.arguments).get(argument) == value]
