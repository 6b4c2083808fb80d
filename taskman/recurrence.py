"""When a scheduled option runs again (field 6 of OPTION SCHEDULING, #19.2): by the wall clock, and in seconds with a zone.

Codes of days, weeks, months and lists go by the wall clock, as VistA's do. Where clocks leave the named time out, the run is
at the moment when they jump; where they go through it twice, it is once, at the first. `nS` and `nH` count seconds that pass,
so that `1H` runs 23 times on the day when clocks go forward and 25 times when they go back: VistA, whose every time is the
wall clock's, would leave an hour without a run there. Nothing runs twice for one moment, and every run is later than the last.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import islice, takewhile

from taskman.cycles import Cycle, Interval
from taskman.frequency_code import read_code

#: How many missed runs are counted unless more are asked for.
MISSED_LIMIT = 1000

#: No run is later: here every zone's clocks still show a year that datetime has.
_CALENDAR_END = datetime(9999, 12, 30, tzinfo=UTC).timestamp()


@dataclass(frozen=True, slots=True)
class Frequency:
    """A rescheduling frequency. Its moments are naive local times; a fraction of a second is dropped from what it is given."""

    code: str
    cycle: Cycle

    @property
    def text(self) -> str:
        """Describe the frequency in English: on weekdays at 02:00."""
        return self.cycle.text

    @property
    def elapsed(self) -> int | None:
        """Give the seconds that pass between two runs, for `nS` and `nH`; None for codes that go by the wall clock."""
        return self.cycle.seconds if isinstance(self.cycle, Interval) and self.cycle.unit != "D" else None

    def next_after(self, last: datetime) -> datetime | None:
        """Give the run after the last one; None when a list is used up, or the calendar (year 9999)."""
        try:
            return self.cycle.after(last.replace(microsecond=0))
        except OverflowError:
            return None

    def future(self, last: datetime, now: datetime) -> datetime | None:
        """Give the first run later than now, in the order that the last one begins (SCH^XLFDT with FF)."""
        try:
            start = self.cycle.skip(last.replace(microsecond=0), now)
        except OverflowError:
            return None
        return next((run for run in self._runs(start) if run > now), None)

    def preview(self, last: datetime, count: int) -> list[datetime]:
        """Give so many runs, or fewer when they come to an end."""
        return list(islice(self._runs(last), count))

    def missed(self, last: datetime, now: datetime, limit: int = MISSED_LIMIT) -> int:
        """Count the runs after the last one up to now; no further than the limit."""
        return sum(1 for _ in takewhile(lambda run: run <= now, islice(self._runs(last), limit)))

    def _runs(self, last: datetime) -> Iterator[datetime]:
        run = self.next_after(last)
        while run is not None:
            yield run
            run = self.next_after(run)


def parse_frequency(code: str) -> Frequency:
    """Read a code as it stands in #19.2. Raises BadFrequency."""
    return Frequency(code, read_code(code))


@dataclass(frozen=True, slots=True)
class Run:
    """A run: when it is due, in seconds since the epoch, and the wall time that its code names.

    The two part where clocks leave the named time out. `1D` from 02:30 is due at 03:00 on that day, and at 02:30 again on the
    next: who keeps the wall time with the seconds (VistA has nothing else, in field 2) loses no time of day in spring.
    """

    seconds: float
    wall: datetime

    @classmethod
    def at(cls, seconds: float, zone: tzinfo) -> Run:
        """Make the run of a moment of which nothing else is known."""
        return cls(seconds, datetime.fromtimestamp(math.floor(seconds), zone).replace(tzinfo=None, fold=0))


def seconds_of(wall: datetime, zone: tzinfo) -> float:
    """Give the first moment at which a zone's clocks show a time, or that at which they jump over it."""
    first, second = wall.replace(tzinfo=zone, fold=0), wall.replace(tzinfo=zone, fold=1)
    before, after = first.utcoffset(), second.utcoffset()
    if before is None or after is None or before >= after:  # PEP 495: only a time that is left out has the larger offset last
        return first.timestamp()
    around = range(math.floor(second.timestamp()), math.floor(first.timestamp()))
    return float(around.start + bisect_left(around, after, key=lambda seconds: _offset(seconds, zone)))


def _offset(seconds: int, zone: tzinfo) -> timedelta:
    return datetime.fromtimestamp(seconds, zone).utcoffset() or timedelta()


def run_after(frequency: Frequency, last: Run, zone: tzinfo, now: float = -math.inf) -> Run | None:
    """Give the first run later than both the last one and now, without a step for each that was missed in between.

    None when a list is used up, or the calendar. Runs that were missed do not count as last runs: a time of day that clocks
    left out meanwhile is not lost.
    """
    bound = max(last.seconds, now)
    if bound >= _CALENDAR_END:
        return None
    if frequency.elapsed is not None:
        start = math.floor(last.seconds)
        steps = (math.floor(bound) - start) // frequency.elapsed + 1
        seconds = float(start + steps * frequency.elapsed)
        return Run.at(seconds, zone) if seconds <= _CALENDAR_END else None
    wall = frequency.future(last.wall, Run.at(bound, zone).wall)
    while wall is not None and (seconds := seconds_of(wall, zone)) <= _CALENDAR_END:
        if seconds > bound:
            return Run(seconds, wall)
        wall = frequency.next_after(wall)  # an hour that comes twice had its runs the first time
    return None


def next_run(frequency: Frequency, last_seconds: float, zone: tzinfo) -> float | None:
    """Give the run after a moment; see `run_after`, and `Run` for what the wall time would add."""
    return future_run(frequency, last_seconds, last_seconds, zone)


def future_run(frequency: Frequency, last_seconds: float, now_seconds: float, zone: tzinfo) -> float | None:
    """Give the first run later than now, in the order that a moment begins; see `run_after`."""
    run = run_after(frequency, Run.at(last_seconds, zone), zone, now_seconds)
    return None if run is None else run.seconds


def preview_runs(frequency: Frequency, last_seconds: float, count: int, zone: tzinfo) -> list[float]:
    """Give so many runs after a moment, or fewer when they come to an end."""
    return runs_after(frequency, Run.at(last_seconds, zone), count, zone)


def runs_after(frequency: Frequency, last: Run, count: int, zone: tzinfo) -> list[float]:
    """Give the same after a run, whose wall time may be one that clocks jumped over."""
    runs: list[float] = []
    run: Run | None = last
    while run is not None and len(runs) < count:
        run = run_after(frequency, run, zone)
        if run is not None:
            runs.append(run.seconds)
    return runs
