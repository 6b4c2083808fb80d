"""Quiet times: hours of a week, in the site's time, in which only what is critical is told."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

_DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_SHAPE = re.compile(r"(?:([A-Z]{3})(?:-([A-Z]{3}))? +)?(\d\d):(\d\d)-(\d\d):(\d\d)")
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class QuietTime:
    """Hours that begin on some days of the week, 0 for Monday; those that end before they begin end on the next day."""

    days: frozenset[int]
    begin: timedelta
    end: timedelta

    @classmethod
    def parse(cls, text: str) -> QuietTime:
        """Read `22:00-06:00`, `Mon-Fri 18:00-07:00`, `Sun 00:00-24:00`. Raises ValueError."""
        shape = _SHAPE.fullmatch(text.strip().upper())
        if shape is None:
            raise ValueError(f'"{text[:40]}" is no quiet time: write "22:00-06:00" or "Mon-Fri 18:00-07:00"')
        first, last, *clock = shape.groups()
        hours, minutes = (int(clock[0]), int(clock[2])), (int(clock[1]), int(clock[3]))
        begin, end = (timedelta(hours=h, minutes=m) for h, m in zip(hours, minutes, strict=True))
        if max(minutes) > 59 or begin >= _DAY or end > _DAY or begin == end:
            raise ValueError(f'"{text[:40]}" is no quiet time: hours go from 00:00 to 24:00, and differ')
        return cls(_days(first, last), begin, end if end > begin else end + _DAY)

    def ends_after(self, moment: datetime) -> datetime | None:
        """Tell when the quiet time that a moment lies in ends; None for a moment outside."""
        midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        for day in (midnight - _DAY, midnight):
            if day.weekday() in self.days and day + self.begin <= moment < day + self.end:
                return day + self.end
        return None


def _days(first: str | None, last: str | None) -> frozenset[int]:
    if first is None:
        return frozenset(range(7))
    for name in (first, last):
        if name is not None and name not in _DAYS:
            raise ValueError(f'"{name}" is no day: {", ".join(day.title() for day in _DAYS)}')
    begin, end = _DAYS.index(first), _DAYS.index(last or first)
    return frozenset((begin + step) % 7 for step in range((end - begin) % 7 + 1))


def quiet_until(times: Sequence[QuietTime], moment: datetime) -> datetime | None:
    """Tell when it is quiet no more, where one quiet time may go on in another; None for a moment that is not quiet.

    It is never quiet for longer than a week.
    """
    until = moment
    while until - moment <= 7 * _DAY:
        ends = [end for it in times if (end := it.ends_after(until)) is not None]
        if not ends:
            break
        until = max(ends)
    return until if until > moment else None
