"""Reading RESCHEDULING FREQUENCY, field 6 of OPTION SCHEDULING (#19.2), as SCH^XLFDT reads it.

What VistA passes over in silence is an error here, with its place: a letter that is no day, a day that no month has, a time
that cannot be read (VistA keeps the last run's), and a number of 0, on which it would never end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from fileman import from_fileman, from_horolog
from taskman.cycles import (
    DAYS_OF_LETTER,
    END_OF_DAY,
    WEEKDAYS,
    Cycle,
    Interval,
    Moments,
    MonthDay,
    MonthDays,
    Months,
    Week,
    WeekDay,
)
from taskman.errors import BadFrequency

#: The longest code that is read.
LONGEST = 80

#: Digits before each unit, as many as SCH^XLFDT's patterns take.
_WIDTHS: Final = {"S": 4, "H": 4, "D": 3, "M": 2}

_DIGITS = re.compile("[0-9]+")
_FILEMAN = re.compile(r"[0-9]{7}(\.[0-9]{1,6})?")
_HOROLOG = re.compile("[0-9]{5}(,[0-9]{1,5})?")
_DAY_OF_MONTH = re.compile(
    f"(?P<day>[0-9]{{1,2}})|(?P<nth>[1-5])(?P<weekday>[{''.join(WEEKDAYS)}])|L(?P<last>[{''.join(WEEKDAYS)}]?)"
)
_TIME = re.compile(r"(?P<digits>[0-9]{1,6}|[0-9]{1,2}:[0-9]{2}(:[0-9]{2})?) *(?:(?P<half>[AP])(\.?M)?\.?)?")
_TIMES_OF_WORDS = {"NOON": END_OF_DAY // 2, "MID": END_OF_DAY, "MIDNIGHT": END_OF_DAY}

_LETTERS = f"{' '.join(WEEKDAYS)}, D (weekdays) or E (weekends)"
_UNITS = "S, H, D or M"
_START = f"a number and {_UNITS}, or a day: {_LETTERS}"
_MOMENT = "a FileMan date (3240610.0930) or $H (66995,34200)"
_MONTH_DAY = "a day from 1 to 31, L (the last), or a weekday's number and letter: 1M to 5U, LM to LU"
_TIME_EXPECTED = "a time such as 08:30, 0830, 8:30PM, 083015, NOON or MID (2400: midnight, the end of the day)"

#: What people write in place of a letter, the longer ones first.
_WORDS = {
    "WEEKDAYS?": "D",
    "WEEKENDS?": "E",
    "THURSDAYS?|THURS?|THU|TH": "R",
    "SUNDAYS?|SUN|SU": "U",
    "SATURDAYS?|SAT|SA": "S",
    "TUESDAYS?|TUES?|TU": "T",
    "WEDNESDAYS?|WED|WE": "W",
    "FRIDAYS?|FRI": "F",
    "MONTHS?": "M",
    "MONDAYS?|MON": "M",
    "SECONDS?|SECS?": "S",
    "HOURS?|HRS?": "H",
    "DAYS?": "D",
    "LAST": "L",
}
_WORD = re.compile("|".join(f"(?P<_{number}>{words})" for number, words in enumerate(_WORDS)))
_LETTERS_OF_WORDS = tuple(_WORDS.values())


class _Unread(Exception):
    """Reading ends at a place, counted from 0."""

    def __init__(self, place: int, expected: str) -> None:
        self.place = place
        self.expected = expected


def read_code(code: str) -> Cycle:
    """Read a code. Raises BadFrequency, with the code that was probably meant if it differs in case, spaces or whole words."""
    try:
        return _cycle(code)
    except _Unread as error:
        raise BadFrequency(code[:LONGEST], error.place + 1, error.expected, _suggestion(code)) from None


def _suggestion(code: str) -> str:
    if len(code) > LONGEST:
        return ""
    tidy = "".join(code.upper().split())
    for candidate in (tidy, _WORD.sub(lambda word: _LETTERS_OF_WORDS[int(str(word.lastgroup)[1:])], tidy)):
        try:
            _cycle(candidate)
        except _Unread:
            continue
        return candidate
    return ""


def _cycle(code: str) -> Cycle:
    if len(code) > LONGEST:
        raise _Unread(LONGEST, f"the end: a frequency has at most {LONGEST} characters")
    digits = _DIGITS.match(code)
    if digits is None:
        return _week(code)
    end = digits.end()
    unit = code[end : end + 1]
    if 5 <= end <= 7 and unit not in _WIDTHS:
        return _moments(code)
    if unit not in _WIDTHS:
        raise _Unread(end, f"{_UNITS} after the number")
    if end > _WIDTHS[unit] or not int(digits[0]):
        raise _Unread(0, f"a number from 1 to {'9' * _WIDTHS[unit]} before {unit}")
    count = int(digits[0])
    if unit == "M" and code[end + 1 : end + 2] == "(":
        return _month_days(code, count, end + 2)
    if code[end + 1 :]:
        raise _Unread(end + 1, "( and a list of days, or the end" if unit == "M" else "the end")
    return Months(count) if unit == "M" else Interval(count, unit)


def _week(code: str) -> Week:
    days = []
    for item, place in _items(code, 0, len(code), ","):
        letter, name = item[:1], _START if place == 0 else f"a day: {_LETTERS}"
        if letter not in DAYS_OF_LETTER:
            raise _Unread(place, name)
        if item[1:2] not in ("", "@"):
            raise _Unread(place + 1, "@ and a time, a comma, or the end")
        days.append(WeekDay(letter, _time_of_day(item, place)))
    return Week(tuple(days))


def _month_days(code: str, count: int, start: int) -> MonthDays:
    end = code.find(")", start)
    if end < 0:
        raise _Unread(len(code), ") after the list of days")
    days = [_month_day(item, place) for item, place in _items(code, start, end, ",")]
    if code[end + 1 :]:
        raise _Unread(end + 1, "the end")
    return MonthDays(count, tuple(days))


def _month_day(item: str, place: int) -> MonthDay:
    found = _DAY_OF_MONTH.fullmatch(item.partition("@")[0])
    if found is None or (found["day"] and not 1 <= int(found["day"]) <= 31):
        raise _Unread(place, _MONTH_DAY)
    number = int(found["day"] or found["nth"] or 0)
    return MonthDay(number, found["weekday"] or found["last"] or "", _time_of_day(item, place))


def _moments(code: str) -> Moments:
    """Read a list; VistA knows it by the first moment, whose date has a time, or a semicolon after it."""
    items = list(_items(code, 0, len(code), ";"))
    if not items[-1][0]:
        items.pop()
    elif len(items) == 1 and code.isdigit():
        raise _Unread(len(code), "a time after the date (3240610.0930), or a semicolon")
    return Moments(tuple(sorted({_read_moment(item, place) for item, place in items})))


def _read_moment(item: str, place: int) -> datetime:
    try:
        if _FILEMAN.fullmatch(item):
            return from_fileman(item)
        if _HOROLOG.fullmatch(item) and int(item[6:] or 0) <= END_OF_DAY:
            return from_horolog(item)
    except ValueError:
        pass
    raise _Unread(place, _MOMENT)


def _items(code: str, start: int, end: int, separator: str) -> Iterator[tuple[str, int]]:
    """Give the pieces of a list with their places."""
    for item in code[start:end].split(separator):
        yield item, start
        start += len(item) + 1


def _time_of_day(item: str, place: int) -> int | None:
    """Read what follows @, in seconds after midnight; None if the item has none."""
    _, at, text = item.partition("@")
    if not at:
        return None
    seconds = read_time(text)
    if seconds is None:
        raise _Unread(place + item.index("@") + 1, _TIME_EXPECTED)
    return seconds


def read_time(text: str) -> int | None:
    """Read a time as %DT does with its flags R and S, in seconds after midnight; None where it is none.

    FileMan's habits: what comes before 6 without a leading zero, AM or PM is in the afternoon (5:30 is 17:30, 2 is 14:00,
    but 05:30 and 0530 are early); 12AM is the day's end; 0000 is no time. Not taken, though FileMan takes them: 08PM, which
    is 8 in the morning there, and hours over 12 with AM or PM.
    """
    upper = text.upper()
    if upper in _TIMES_OF_WORDS:
        return _TIMES_OF_WORDS[upper]
    found = _TIME.fullmatch(upper)
    if found is None:
        return None
    digits, half = found["digits"].replace(":", ""), found["half"]
    hour_only = len(digits) <= 2
    padded = digits.zfill(2) + "00" if hour_only else digits.zfill(len(digits) + len(digits) % 2)
    hour, minute, second = int(padded[:2]), int(padded[2:4]), int(padded[4:] or 0)
    leading_zero = digits[0] == "0"
    if minute > 59 or second > 59 or hour > (12 if half or hour_only else 24):
        return None
    if half == "P" and (not hour or (hour_only and leading_zero)):
        return None
    afternoon = half == "P" or (not half and len(digits) not in (4, 6) and not leading_zero and hour < 6)
    if half == "A" and hour == 12:
        hour = 0 if minute or second else 24
    elif afternoon and hour < 12:
        hour += 12
    seconds = hour * 3600 + minute * 60 + second
    return seconds if 0 < seconds <= END_OF_DAY else None
