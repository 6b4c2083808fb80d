"""What a rescheduling frequency means: five kinds of cycle, each telling the first run after another (SCH^XLFDT).

The times here are a wall clock's, without a zone, and whole seconds, as VistA's are. Nothing is known but the last run, as in
VistA: a code that names no time of day keeps the last run's, and a month's end that cut a day short has cut it for good.
"""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import MAXYEAR, date, datetime, time, timedelta
from typing import Protocol

#: A time of day that is a day's end: 2400, as FileMan writes midnight. It is the first moment of the day after.
END_OF_DAY = 86_400

#: What may follow a number: its name, and its seconds where it has always as many.
UNITS = {"S": ("second", 1), "H": ("hour", 3600), "D": ("day", END_OF_DAY), "M": ("month", 0)}

#: The letters of days of the week, from Monday on as `date.weekday` counts, with their names.
WEEKDAYS = {"M": "Monday", "T": "Tuesday", "W": "Wednesday", "R": "Thursday", "F": "Friday", "S": "Saturday", "U": "Sunday"}

#: The days that a letter of a week's list stands for, and their name.
DAYS_OF_LETTER = {letter: ((number,), f"{name}s") for number, (letter, name) in enumerate(WEEKDAYS.items())} | {
    "D": ((0, 1, 2, 3, 4), "weekdays"),
    "E": ((5, 6), "weekends"),
}

_WEEK = timedelta(days=7)
_NUMBERS_OF_WEEKDAYS = {letter: number for number, letter in enumerate(WEEKDAYS)}


class Cycle(Protocol):
    """The rule by which one run follows another."""

    @property
    def text(self) -> str:
        """Describe the cycle in English."""

    def after(self, last: datetime) -> datetime | None:
        """Give the first run after one. Raises OverflowError past the calendar's end."""

    def skip(self, last: datetime, now: datetime) -> datetime:
        """Give a moment from which the runs later than now are those that follow the last run, but come sooner to them."""


@dataclass(frozen=True, slots=True)
class Interval:
    """`nS`, `nH`, `nD`: so many seconds, hours or days on."""

    count: int
    unit: str

    @property
    def seconds(self) -> int:
        """Give the length."""
        return self.count * UNITS[self.unit][1]

    @property
    def text(self) -> str:
        """Describe the cycle: every 2 hours."""
        return _every(self.count, self.unit)

    def after(self, last: datetime) -> datetime | None:
        """Give the moment a length later."""
        return last + timedelta(seconds=self.seconds)

    def skip(self, last: datetime, now: datetime) -> datetime:
        """Give the run at or before now, at once: a task of `1S` may have missed a year."""
        length = timedelta(seconds=self.seconds)
        return last + max(0, (now - last) // length) * length


@dataclass(frozen=True, slots=True)
class Months:
    """`nM`: so many months on, on the last run's day, or on the month's last one where it has no such day."""

    count: int

    @property
    def text(self) -> str:
        """Describe the cycle: every 3 months."""
        return _every(self.count, "M")

    def after(self, last: datetime) -> datetime | None:
        """Give the same time, months later. From the 31st, `1M` comes to the 28th within a common year, and stays there."""
        year, month = _months_on(last, self.count)
        return last.replace(year=year, month=month, day=min(last.day, calendar.monthrange(year, month)[1]))

    def skip(self, last: datetime, now: datetime) -> datetime:
        """Give the last run: there are twelve a year at most."""
        return last


@dataclass(frozen=True, slots=True)
class MonthDay:
    """A day in a month's list: `15`, `2W`, `L` or `LF`, with a time or without.

    `number` 0 is the last one; with a `weekday` (a letter of WEEKDAYS) it counts these alone. `at` is in seconds after
    midnight, None for the last run's time of day.
    """

    number: int
    weekday: str = ""
    at: int | None = None

    @property
    def text(self) -> str:
        """Describe the day: the last Friday."""
        if self.weekday:
            return f"the {_ordinal(self.number) if self.number else 'last'} {WEEKDAYS[self.weekday]}"
        return f"the {_ordinal(self.number)}" if self.number else "the last day"

    def day_in(self, first_weekday: int, length: int) -> int | None:
        """Give the day of a month that begins on a weekday (Monday is 0) and has a length; None if it has no such day."""
        if not self.weekday:
            day = self.number or length
        else:
            first = 1 + (_NUMBERS_OF_WEEKDAYS[self.weekday] - first_weekday) % 7
            day = first + 7 * (self.number - 1 if self.number else (length - first) // 7)
        return day if day <= length else None


@dataclass(frozen=True, slots=True)
class MonthDays:
    """`nM(list)`: the listed days of a month, then those of the one so many months on.

    A month in which no listed day exists has its last day instead (FLD^XLFDT3), at the time of the day that it lacks; where
    what it lacks is a weekday's fifth, at that day's first moment, whatever the time in the list. The `L@2400` of a month is
    the first moment of the next, and its days are what the cycle goes on with. Both are so in VistA.
    """

    count: int
    days: tuple[MonthDay, ...]

    @property
    def text(self) -> str:
        """Describe the cycle: on the last Friday of each month at 18:30."""
        months = "each month" if self.count == 1 else f"every {_ordinal(self.count)} month"
        return _by_time([(day.text, day.at) for day in self.days], f" of {months}")

    def after(self, last: datetime) -> datetime | None:
        """Give the first listed day that is later in the same month, or else the first one of the month to come."""
        later = [run for run in self._runs(last.year, last.month, last) if run > last]
        if later:
            return min(later)
        year, month = _months_on(last, self.count)
        return min(self._runs(year, month, last), default=None) or self._forced(year, month, last)

    def skip(self, last: datetime, now: datetime) -> datetime:
        """Give the last run: which days exist is for each month to say."""
        return last

    def _runs(self, year: int, month: int, last: datetime) -> list[datetime]:
        first_weekday, length = calendar.monthrange(year, month)
        days = ((day, day.day_in(first_weekday, length)) for day in self.days)
        return [_moment(date(year, month, number), day.at, last) for day, number in days if number]

    def _forced(self, year: int, month: int, last: datetime) -> datetime:
        length = calendar.monthrange(year, month)[1]
        lacking = [day for day in self.days if day.number > length]
        return _moment(date(year, month, length), lacking[-1].at if lacking else 0, last)


@dataclass(frozen=True, slots=True)
class WeekDay:
    """A day in a week's list: a letter of DAYS_OF_LETTER, and seconds after midnight or None for the last run's time."""

    letter: str
    at: int | None = None

    @property
    def text(self) -> str:
        """Describe the days: Mondays."""
        return DAYS_OF_LETTER[self.letter][1]

    def after(self, last: datetime) -> datetime:
        """Give the day's first moment after a run: today, if its time is still to come."""
        weekday, today = last.weekday(), last.date()
        coming = sorted((number - weekday) % 7 for number in DAYS_OF_LETTER[self.letter][0])
        on_today = _moment(today, self.at, last)
        if coming[0] == 0 and on_today > last:
            return on_today
        ahead = next((days for days in coming if days), 7)
        return on_today + timedelta(days=ahead)


@dataclass(frozen=True, slots=True)
class Week:
    """`M T W R F S U`, `D` (Monday to Friday), `E` (Saturday and Sunday): the days of a week's list."""

    days: tuple[WeekDay, ...]

    @property
    def text(self) -> str:
        """Describe the cycle: on weekdays at 02:00."""
        return _by_time([(day.text, day.at) for day in self.days])

    def after(self, last: datetime) -> datetime | None:
        """Give the first listed day to come."""
        return min(day.after(last) for day in self.days)

    def skip(self, last: datetime, now: datetime) -> datetime:
        """Give a run of the last week before now.

        After one week every week is like the one before: each time in the list has been the last run's by then, and where
        the list has none, the time of day never changes.
        """
        first_week = last + _WEEK
        run = last
        while run < first_week:
            following = min(day.after(run) for day in self.days)
            if following > now:
                return run
            run = following
        return run + (now - run) // _WEEK * _WEEK


@dataclass(frozen=True, slots=True)
class Moments:
    """A list of moments, in order. VistA gives the first that is later than now; with `skip` it is that one."""

    moments: tuple[datetime, ...]

    @property
    def text(self) -> str:
        """Describe the list: on 2024-06-10 at 09:30."""
        return _joined([f"on {moment:%Y-%m-%d} at {_clock(_seconds_of_day(moment))}" for moment in self.moments])

    def after(self, last: datetime) -> datetime | None:
        """Give the next moment in the list; None when it is used up."""
        return next((moment for moment in self.moments if moment > last), None)

    def skip(self, last: datetime, now: datetime) -> datetime:
        """Give now: the list is the same from wherever one looks."""
        return max(last, now)


def _seconds_of_day(moment: datetime) -> int:
    return moment.hour * 3600 + moment.minute * 60 + moment.second


def _moment(day: date, at: int | None, last: datetime) -> datetime:
    return datetime.combine(day, time.min) + timedelta(seconds=_seconds_of_day(last) if at is None else at)


def _months_on(last: datetime, count: int) -> tuple[int, int]:
    years, month = divmod(last.month - 1 + count, 12)
    if last.year + years > MAXYEAR:
        raise OverflowError("the calendar ends")
    return last.year + years, month + 1


def _every(count: int, unit: str) -> str:
    name = UNITS[unit][0]
    return f"every {name}" if count == 1 else f"every {count} {name}s"


def _ordinal(number: int) -> str:
    suffix = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"


def _clock(at: int) -> str:
    seconds = f":{at % 60:02d}" if at % 60 else ""
    return f"{at // 3600:02d}:{at // 60 % 60:02d}{seconds}"


def _at(at: int | None) -> str:
    if at is None:
        return "at the last run's time of day"
    return "at the end of the day" if at == END_OF_DAY else f"at {_clock(at)}"


def _by_time(days: Sequence[tuple[str, int | None]], of: str = "") -> str:
    """Describe days with their times, those of one time together."""
    by_time: dict[int | None, list[str]] = {}
    for name, at in days:
        names = by_time.setdefault(at, [])
        if name not in names:
            names.append(name)
    return _joined([f"on {_joined(names)}{of} {_at(at)}" for at, names in by_time.items()])


def _joined(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
