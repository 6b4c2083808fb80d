"""OPTION SCHEDULING (#19.2): options that are run again and again, and what becomes of runs that were missed."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update
from tzlocal import get_localzone

from fileman import OptionScheduleRow, SiteFile, from_fileman, is_fileman, lock_for_transaction, next_ien, next_iens
from fileman.files import OptionSchedule, Task
from taskman import api
from taskman.errors import BadFrequency, BadSchedule, TaskManError
from taskman.record import PREPARED, QUEUED, RUNNING
from taskman.recurrence import Run, parse_frequency, run_after, runs_after, seconds_of
from taskman.routines import find_option, options
from taskman.variables import BadVariables, read_variables

log = logging.getLogger(__name__)

#: What field 9 may say: run at TaskMan's start, keep running, both.
SPECIAL = ("", "S", "SP", "P")
#: Schedules that one look takes up, and missed runs that are counted at most.
DUE_LIMIT, MISSED_LIMIT = 100, 1000

_COLUMNS = (
    OptionSchedule.ien,
    OptionSchedule.option,
    OptionSchedule.next_at,
    OptionSchedule.wall,
    OptionSchedule.frequency,
    OptionSchedule.special,
    OptionSchedule.device,
    OptionSchedule.volume,
    OptionSchedule.variables,
    OptionSchedule.parameter,
    OptionSchedule.duz,
    OptionSchedule.task,
    OptionSchedule.paused,
    OptionSchedule.catch_up,
    OptionSchedule.last_at,
    OptionSchedule.skipped,
)
_ALL = select(*_COLUMNS).order_by(OptionSchedule.option, OptionSchedule.ien)
_ONE = select(*_COLUMNS).where(OptionSchedule.ien == bindparam("ien_"))
_DUE = (
    select(*_COLUMNS)
    .where(OptionSchedule.next_at <= bindparam("now"), OptionSchedule.paused.is_(False))
    .order_by(OptionSchedule.next_at, OptionSchedule.ien)
    .limit(DUE_LIMIT)
)
_STARTUP = select(*_COLUMNS).where(OptionSchedule.special != "", OptionSchedule.paused.is_(False)).order_by(OptionSchedule.ien)
_INSERT = insert(OptionSchedule)
_CHANGE = update(OptionSchedule).where(OptionSchedule.ien == bindparam("ien_"))
_DELETE = delete(OptionSchedule).where(OptionSchedule.ien == bindparam("ien_"))
_ACTIVE = select(Task.number).where(Task.number == bindparam("number_"), Task.status.in_([*QUEUED, PREPARED, RUNNING]))


@dataclass(frozen=True, slots=True)
class Schedule:
    """One entry of #19.2. Times are seconds since the epoch; `wall` is the wall time that the frequency names for the next run.

    The two part where clocks jump over the named time (see `recurrence.Run`). `skipped` counts the runs that were left out.
    """

    ien: int
    option: str
    next_at: float | None
    wall: str
    frequency: str
    special: str
    device: str
    volume: str
    variables: Mapping[str, Any]
    parameter: str
    duz: int
    task: int | None
    paused: bool
    catch_up: bool
    last_at: float | None
    skipped: int

    @property
    def next_run(self) -> Run | None:
        """Give the next run with its wall time."""
        return None if self.next_at is None else Run(self.next_at, datetime.fromisoformat(self.wall))

    def preview(self, count: int) -> list[float]:
        """Give the next runs, in seconds since the epoch."""
        run = self.next_run
        if run is None:
            return []
        later = runs_after(parse_frequency(self.frequency), run, count - 1, get_localzone()) if self.frequency else []
        return [run.seconds, *later][:count]


def schedule_problems(site: SiteFile) -> Iterator[tuple[tuple[int | str, ...], str]]:
    """Find what TaskMan cannot take of a site file's [[option_schedule]] tables: where, and what."""
    unknown = unknown_options(site)
    for number, row in enumerate(site.option_schedule):
        where = ("option_schedule", number)
        try:
            if row.frequency:
                parse_frequency(row.frequency)
        except BadFrequency as error:
            yield (*where, "frequency"), f"option_schedule.frequency: {error}"
        if row.next and not is_fileman(row.next):
            yield (*where, "next"), f'option_schedule.next: "{row.next}" is no date'
        if not (row.frequency or row.next or row.special):
            yield (*where, "option"), f"option_schedule: {row.option} would never run: give it a frequency, or a time in next"
        try:
            if row.option not in unknown:
                read_variables(find_option(row.option).variables, row.variables)
        except BadVariables as error:
            yield (*where, "variables"), f"option_schedule.variables: {row.option}: {error}"


def unknown_options(site: SiteFile) -> list[str]:
    """Name the options that a site file schedules and that run nothing here; they are paused when they are due."""
    there = {one.option for one in options()}
    return sorted({row.option for row in site.option_schedule} - there)


def put_schedules(connection: Connection, rows: Sequence[OptionScheduleRow], now: float) -> None:
    """Schedule what a site file says, beside what is scheduled. Each row is one that `schedule_problems` passes."""
    if not rows:
        return
    zone = get_localzone()
    entries = []
    for ien, row in zip(next_iens(connection, "option_schedule", len(rows)), rows, strict=True):
        run = None
        if row.next:
            wall = from_fileman(row.next)
            run = Run(seconds_of(wall, zone), wall)
        elif row.frequency:
            run = run_after(parse_frequency(row.frequency), Run.at(now, zone), zone)
        when = {"next_at": None if run is None else run.seconds, "wall": "" if run is None else run.wall.isoformat()}
        entries.append({**row.model_dump(exclude={"next"}), **when, "ien": ien, "variables": json.dumps(row.variables)})
    connection.execute(_INSERT, entries)


def add_schedule(
    connection: Connection,
    option: str,
    frequency: str = "",
    next_at: float | None = None,
    *,
    special: str = "",
    variables: Mapping[str, Any] | None = None,
    parameter: str = "",
    duz: int = 0,
    catch_up: bool = False,
    device: str = "",
    volume: str = "",
) -> int:
    """Schedule an option; give the entry's number.

    Without `frequency` it runs once, at `next_at`. Raises UnknownRoutine for an option that runs nothing, BadVariables,
    BadFrequency, and BadSchedule for an entry that would never run.
    """
    read_variables(find_option(option).variables, variables or {})
    _check_special(special)
    if next_at is None and not special:
        raise BadSchedule(f"{option} would never run: give it a time, or let it run at TaskMan's start (S).")
    ien = next_ien(connection, "option_schedule")
    row = {"ien": ien, "option": option, **_times(frequency, next_at), "special": special, "device": device}
    row |= {"volume": volume, "variables": json.dumps(dict(variables or {})), "parameter": parameter, "duz": duz}
    connection.execute(_INSERT, {**row, "catch_up": catch_up})
    return ien


def _check_special(special: str) -> None:
    if special not in SPECIAL:
        raise BadSchedule(f"{special!r} is no special queueing: it is S, SP, P or nothing.")


def _times(frequency: str, next_at: float | None) -> dict[str, Any]:
    if frequency:
        parse_frequency(frequency)
    if next_at is None:
        return {"frequency": frequency, "next_at": None, "wall": ""}
    run = Run.at(next_at, get_localzone())
    return {"frequency": frequency, "next_at": run.seconds, "wall": run.wall.isoformat()}


def read_schedule(connection: Connection, ien: int) -> Schedule:
    """Read an entry. Raises BadSchedule when there is none."""
    row = connection.execute(_ONE, {"ien_": ien}).first()
    if row is None:
        raise BadSchedule(f"OPTION SCHEDULING has no entry {ien}; 'magbroker tasks schedule' lists them.")
    return _schedule(row)


def list_schedules(connection: Connection) -> list[Schedule]:
    """List every entry, by option."""
    return [_schedule(row) for row in connection.execute(_ALL)]


def _schedule(row: Row[*tuple[Any, ...]]) -> Schedule:
    facts = dict(row._mapping)
    return Schedule(**{**facts, "variables": json.loads(row.variables)})


def change_schedule(
    connection: Connection,
    ien: int,
    *,
    frequency: str | None = None,
    next_at: float | None = None,
    paused: bool | None = None,
    catch_up: bool | None = None,
    special: str | None = None,
    variables: Mapping[str, Any] | None = None,
    parameter: str | None = None,
) -> None:
    """Change an entry; what is None stays. Raises BadSchedule, BadFrequency."""
    entry = read_schedule(connection, ien)
    values: dict[str, Any] = {}
    if frequency is not None or next_at is not None:
        code = entry.frequency if frequency is None else frequency
        values |= _times(code, entry.next_at if next_at is None else next_at)
    if paused is not None:
        values["paused"] = paused
    if catch_up is not None:
        values["catch_up"] = catch_up
    if special is not None:
        _check_special(special)
        values["special"] = special
    if variables is not None:
        read_variables(find_option(entry.option).variables, variables)
        values["variables"] = json.dumps(dict(variables))
    if parameter is not None:
        values["parameter"] = parameter
    if values:
        connection.execute(_CHANGE.values(values), {"ien_": ien})


def delete_schedule(connection: Connection, ien: int) -> None:
    """Take an entry away. Raises BadSchedule when there is none."""
    read_schedule(connection, ien)
    connection.execute(_DELETE, {"ien_": ien})


def run_now(connection: Connection, ien: int, now: float, duz: int | None = None) -> int:
    """Queue a run at once besides the scheduled ones; give the task. Raises BadSchedule, UnknownRoutine."""
    entry = read_schedule(connection, ien)
    return _queue(connection, entry, now, entry.duz if duz is None else duz)


def queue_option(connection: Connection, option: str, now: float, duz: int, variables: Mapping[str, Any] | None = None) -> int:
    """Queue a run of an option that need not be scheduled; give the task. Raises UnknownRoutine."""
    found = find_option(option)
    arguments = dict(variables or {})
    return api.load(connection, api.OPTION_ENTRY_POINT, arguments, found.label or option, duz, now, option=option)


def queue_due(connection: Connection, now: float) -> list[int]:
    """Queue the runs that are due, and set when the next ones are; give the tasks.

    Of runs that were missed one is made up for, late, as VistA's manager does; with `catch_up` each of them. While the last
    run of an option is at work the next one is left out; it waits with `catch_up`, and when no other follows. An entry that
    cannot run is paused.
    """
    queued = []
    for row in connection.execute(_DUE, {"now": now}).all():
        entry = _schedule(row)
        busy = _is_active(connection, entry.task)
        if busy and (entry.catch_up or not entry.frequency):
            continue
        try:
            if not _move_on(connection, entry, now, left_out=busy):
                continue  # another worker was there first
            if not busy:
                queued.append(_queue(connection, entry, now, entry.duz))
        except TaskManError as error:
            log.error("OPTION SCHEDULING %d (%s) is paused: %s", entry.ien, entry.option, error)
            connection.execute(_CHANGE.values(paused=True), {"ien_": entry.ien})
    return queued


def hold_startup(connection: Connection) -> None:
    """Let workers that start at the same moment look one after the other, until the transaction ends."""
    lock_for_transaction(connection, "TASKMAN STARTUP")


def queue_startup(connection: Connection, now: float, *, first: bool = True) -> list[int]:
    """Queue what is to run at TaskMan's start, and the persistent options that do not run; give the tasks.

    A worker that is not the `first` of those that live starts no TaskMan: it queues persistent options only.
    """
    queued = []
    for row in connection.execute(_STARTUP).all():
        entry = _schedule(row)
        if _is_active(connection, entry.task) or not (first or "P" in entry.special):
            continue
        try:
            queued.append(_queue(connection, entry, now, entry.duz))
        except TaskManError as error:
            log.error("OPTION SCHEDULING %d (%s) does not run: %s", entry.ien, entry.option, error)
    return queued


def _is_active(connection: Connection, task: int | None) -> bool:
    return task is not None and connection.execute(_ACTIVE, {"number_": task}).first() is not None


def _move_on(connection: Connection, entry: Schedule, now: float, *, left_out: bool) -> bool:
    """Set the next time of an entry that is due; false when another worker did."""
    run, following, skipped = entry.next_run, None, 1 if left_out else 0
    if run is not None and entry.frequency:
        frequency = parse_frequency(entry.frequency)
        zone = get_localzone()
        following = run_after(frequency, run, zone, -math.inf if entry.catch_up else now)
        if not entry.catch_up:
            wall = Run.at(now, zone).wall
            skipped += (
                int((now - run.seconds) // frequency.elapsed)
                if frequency.elapsed
                else frequency.missed(run.wall, wall, MISSED_LIMIT)
            )
    values: dict[str, Any] = {"next_at": None, "wall": "", "skipped": OptionSchedule.skipped + skipped}
    if following is not None:
        values |= {"next_at": following.seconds, "wall": following.wall.isoformat()}
    changed = connection.execute(_CHANGE.where(OptionSchedule.next_at == entry.next_at).values(values), {"ien_": entry.ien})
    return changed.rowcount == 1


def _queue(connection: Connection, entry: Schedule, now: float, duz: int) -> int:
    """Make the task of a run."""
    arguments = {**entry.variables, **({"ZTQPARAM": entry.parameter} if entry.parameter else {})}
    number = api.load(
        connection,
        api.OPTION_ENTRY_POINT,
        arguments,
        find_option(entry.option).label or entry.option,
        duz,
        now,
        option=entry.option,
        device=entry.device,
        volume=entry.volume,
        persistent="P" in entry.special,
    )
    connection.execute(_CHANGE.values(task=number, last_at=now), {"ien_": entry.ien})
    return number
