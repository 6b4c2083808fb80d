"""FileMan dates: YYYMMDD.HHMMSS with the year counted from 1700 and trailing zeros dropped.

Text both ways, because VistA compares and prints them as such. $HOROLOG is here too: days since 31 Dec 1840, and
seconds since midnight.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta

_HOROLOG_ZERO = date(1840, 12, 31)
_SHAPE = re.compile(r"(\d{3})(\d\d)(\d\d)(?:\.(\d{1,6}))?")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def to_fileman(moment: datetime | date) -> str:
    """Write a moment as FileMan does: 2024-06-10 09:30 is 3240610.093.

    Raises ValueError outside 1700 to 2699, which FileMan's three digits of a year cannot name.
    """
    if not 0 <= moment.year - 1700 <= 999:
        raise ValueError(f"FileMan has no year {moment.year}")
    day = f"{moment.year - 1700:03d}{moment.month:02d}{moment.day:02d}"
    if not isinstance(moment, datetime):
        return day
    clock = f"{moment.hour:02d}{moment.minute:02d}{moment.second:02d}".rstrip("0")
    return f"{day}.{clock}" if clock else day


def from_fileman(text: str) -> datetime:
    """Read a FileMan date with an exact day; raise ValueError for anything else (an imprecise 3240000 too).

    `.24` is midnight at the end of its day (NOW^%DTC), so the day after at 00:00.
    """
    shape = _SHAPE.fullmatch(text)
    if shape is None:
        raise ValueError(f"not a FileMan date: {text!r}")
    year, month, day, clock = shape.groups()
    clock = (clock or "").ljust(6, "0")
    midnight = datetime(int(year) + 1700, int(month), int(day))  # noqa: DTZ001  FileMan dates carry no zone
    if clock == "240000":
        return midnight + timedelta(days=1)
    return midnight.replace(hour=int(clock[:2]), minute=int(clock[2:4]), second=int(clock[4:]))


def is_fileman(text: str) -> bool:
    """Tell whether FileMan's input transform would take the text as a date in its internal form."""
    try:
        from_fileman(text)
    except ValueError:
        return False
    return True


def to_horolog(moment: datetime) -> str:
    """Write a moment as $HOROLOG: days,seconds."""
    seconds = moment.hour * 3600 + moment.minute * 60 + moment.second
    return f"{(moment.date() - _HOROLOG_ZERO).days},{seconds}"


def from_horolog(text: str) -> datetime:
    """Read $HOROLOG text; raise ValueError for anything else."""
    days, _, seconds = text.partition(",")
    midnight = datetime.combine(_HOROLOG_ZERO, datetime.min.time()) + timedelta(days=int(days))
    return midnight + timedelta(seconds=int(seconds or 0))


def external_date(text: str) -> str:
    """Show the day of a FileMan date as FileMan prints it: JAN 15,1950. An impossible day stays as it is written."""
    shape = _SHAPE.fullmatch(text)
    if shape is None or not 1 <= int(shape[2]) <= 12:
        return text
    return f"{_MONTHS[int(shape[2]) - 1]} {int(shape[3])},{int(shape[1]) + 1700}"


def mixed_case_date_time(text: str) -> str:
    """Show a FileMan moment as $$FMTE^XLFDT(x,1) does: Nov 21, 2026@03:37:33."""
    moment = from_fileman(text)
    day = f"{_MONTHS[moment.month - 1].capitalize()} {moment.day:02d}, {moment.year}"
    if "." not in text:
        return day
    clock = f"{moment:%H:%M:%S}" if moment.second else f"{moment:%H:%M}"
    return f"{day}@{clock}"


def age_in_years(birth: str, today: date) -> str:
    """Count whole years from a FileMan birth date to a day, by year and day digits as VADPT does."""
    if _SHAPE.fullmatch(birth) is None:
        return ""
    now = int(to_fileman(today)[:7])
    return str((now - int(birth[:7])) // 10000)
