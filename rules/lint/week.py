"""Dates and times that tell conditions apart: for each range one moment inside, and one just outside at either end."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import product

from fileman.dates import from_fileman
from rules.judging.moment import DAYS, full_text
from rules.language.ast import Condition, Frame
from rules.language.frames import as_of_now
from xwb import m_number

#: Moments that one question may look at; a question that needs more is left open.
MOST_MOMENTS = 20_000
LAST_SECOND = 86_399
_CLOCKS = (frozenset(range(12, 16)), frozenset(range(12, 18)))
DATE_PLACES = frozenset(range(4, 11))
_CLOCK = re.compile(r"([01]\d|2[0-4])[0-5]\d([0-5]\d)?\Z", re.ASCII)
_TIME_OF_DAY = re.compile(r"\d{1,2}:\d\d(:\d\d)?", re.ASCII)
_FILEMAN = re.compile(r"\d{7}(\.\d{1,6})?", re.ASCII)
_BEFORE_CLOCK = " " * 12
#: The days that FileMan can write.
_EARLIEST, _LATEST = date(1700, 1, 1).toordinal(), date(2699, 12, 31).toordinal()
_ANY_WEEK = date(2026, 1, 5)


@dataclass(frozen=True, slots=True)
class Instant:
    """A moment, and whether it is on a holiday."""

    at: datetime
    holiday: bool = False

    @property
    def fileman(self) -> str:
        """Write the moment as a FileMan date, with all six digits of its clock."""
        return full_text(self.at)[4:]


def frames_of(condition: Condition) -> tuple[Frame, ...]:
    """Give a condition's frames, laid out as NOW is written."""
    return tuple(as_of_now(frame, condition.keyword) for frame in condition.frames)


@lru_cache(maxsize=4096)
def counted(frame: Frame) -> frozenset[int]:
    """Give the places of a frame that are compared as a number."""
    return frozenset(place for place in range(3, len(frame.mask)) if "A" <= frame.mask[place] <= "Z")


@lru_cache(maxsize=4096)
def ends(frame: Frame) -> tuple[str, str]:
    """Give what a frame compares with, at its begin and at its end."""
    places = sorted(counted(frame))
    begin, end = ("".join(text[at] for at in places if at < len(text)) for text in (frame.begin, frame.end))
    return begin, end


def is_backwards(frame: Frame) -> bool:
    """Tell whether a frame begins after its end, so that no moment is inside."""
    begin, end = ends(frame)
    return m_number(begin) > m_number(end)


@lru_cache(maxsize=4096)
def is_empty(frame: Frame) -> bool:
    """Tell whether no moment is inside a frame."""
    return is_backwards(frame) or (frame.mask[:3] == "DDD" and frame.begin[:3] not in DAYS)


@lru_cache(maxsize=4096)
def is_understood(frame: Frame) -> bool:
    """Tell whether a frame is one of clock times, of dates, or of both, so that its moments are known."""
    places = counted(frame)
    clock = places - DATE_PLACES
    dated = places >= DATE_PLACES
    if not places or (places & DATE_PLACES and not dated) or (clock and clock not in _CLOCKS):
        return False
    both = (frame.begin, frame.end)
    return all((not dated or day_of(text)) and (not clock or _CLOCK.match(text, 12)) for text in both)


def day_of(text: str) -> date | None:
    """Read the day of a date in full; None where there is none, or none in the calendar."""
    try:
        return from_fileman(text[4:11]).date()
    except ValueError:
        return None


def seconds_of(digits: str) -> tuple[int, int]:
    """Give the first and the last second that clock digits, HHMM or HHMMSS, speak of."""
    first = int(digits[:2]) * 3600 + int(digits[2:4]) * 60 + int(digits[4:6] or 0)
    return first, first + (0 if len(digits) >= 6 else 59)


def moments(frames: Iterable[Frame], limits: Iterable[str] = ()) -> Iterator[Instant] | None:
    """Give moments of which one is inside any choice of frames and outside the others, if there is such a moment at all.

    `limits` are further bounds, as dates in full cut where they end. None when that would take too many.
    """
    days, seconds, holidays = set(_days_around(_ANY_WEEK, 0)), {0, LAST_SECOND}, [False]
    for frame in frames:
        places = counted(frame)
        if frame.mask[:3] == "HOL":
            holidays = [False, True]
        for text in (frame.begin, frame.end):
            if places >= DATE_PLACES and (day := day_of(text)):
                days.update(_days_around(day, 7))
            if places - DATE_PLACES:
                seconds.update(_seconds_around(text[12 : max(places) + 1]))
    for text in limits:
        if len(text) > 4 and text[4:11].strip() and (day := day_of(text)):
            days.update(_days_around(day, 7))
        if len(text) > 12:
            seconds.update(_seconds_around(text[12:]))
    if len(days) * len(seconds) * len(holidays) > MOST_MOMENTS:
        return None
    return (
        Instant(datetime.combine(day, time()) + timedelta(seconds=second), holiday)
        for day, second, holiday in product(sorted(days), sorted(seconds), holidays)
    )


def _days_around(day: date, before: int) -> Iterator[date]:
    first = day.toordinal() - before
    return (date.fromordinal(at) for at in range(first, day.toordinal() + 8) if _EARLIEST <= at <= _LATEST)


def _seconds_around(digits: str) -> Iterator[int]:
    first, last = seconds_of(digits)
    return (at for at in (first - 1, first, last, last + 1) if 0 <= at <= LAST_SECOND)


def limit_of(value: str) -> str | None:
    """Write what a date's value says as a moment in full, cut where it ends; None for what is not understood.

    Weekdays, times of day, and dates as FileMan or ISO write them are.
    """
    text = value.strip().upper()
    if text in DAYS:
        return text
    digits = text.replace(":", "")
    if _TIME_OF_DAY.fullmatch(text):
        return f"{_BEFORE_CLOCK}{digits if len(text.split(':')[0]) == 2 else '0' + digits}"
    try:
        if _FILEMAN.fullmatch(text):
            return full_text(from_fileman(text))[: 18 if "." in text else 11]
        return full_text(datetime.fromisoformat(text))[: 18 if len(text) > 10 else 11]
    except ValueError:
        return None
