"""When a person wants a task to begin, in the forms that people type."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta, tzinfo

from taskman.errors import BadTime, Refused
from taskman.recurrence import seconds_of
from taskman.when import start_time

_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?")
_LATER = re.compile(r"\+(\d{1,6})(S|MIN|H|D)")
#: A day as FileMan takes it: today, so many days from it, at a time of it.
_DAY = re.compile(r"T(?:([+-])(\d{1,5}))?(?:@([01]?\d|2[0-3]):?([0-5]\d))?")
_SECONDS = {"S": 1, "MIN": 60, "H": 3600, "D": 86400}


def read_time(text: str, now: float, zone: tzinfo) -> float:
    """Read a time, in seconds since the epoch. Raises BadTime.

    Takes `now`, `HH:MM` (the next time that clocks show it), ISO with or without offset, a FileMan date or $HOROLOG, and
    `+90S`, `+30MIN`, `+2H`, `+1D` from now, and days as FileMan takes them: `T` is today, `T-7` a week ago, `T+1@10:30` a time of
    tomorrow. A time of day that clocks leave out is the moment at which they jump over it.
    """
    given = text.strip().upper()
    if given in ("", "NOW"):
        return now
    try:
        if (later := _LATER.fullmatch(given)) is not None:
            return now + int(later[1]) * _SECONDS[later[2]]
        if (day := _DAY.fullmatch(given)) is not None:
            days = int(day[2] or 0) * (-1 if day[1] == "-" else 1)
            today = datetime.fromtimestamp(now, zone).date()
            return _moment(today + timedelta(days=days), time(int(day[3] or 0), int(day[4] or 0)), zone)
        if (clock := _CLOCK.fullmatch(given)) is not None:
            hour, minute, second = (int(part or 0) for part in clock.groups())
            return _next_time_of_day(time(hour, minute, second), now, zone)
        return _iso(given, zone) if "-" in given else start_time(given, now) or _refuse(text)
    except (ValueError, OverflowError, Refused):
        raise BadTime(text) from None


def _next_time_of_day(wanted: time, now: float, zone: tzinfo) -> float:
    today = datetime.fromtimestamp(now, zone).date()
    moment = _moment(today, wanted, zone)
    return moment if moment > now else _moment(today + timedelta(days=1), wanted, zone)


def _moment(day: date, wanted: time, zone: tzinfo) -> float:
    return seconds_of(datetime.combine(day, wanted), zone)


def _iso(text: str, zone: tzinfo) -> float:
    moment = datetime.fromisoformat(text)
    return moment.timestamp() if moment.tzinfo is not None else seconds_of(moment, zone)


def _refuse(text: str) -> float:
    raise BadTime(text)
