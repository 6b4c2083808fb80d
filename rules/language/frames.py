"""Time frames of the rule file, compiled to masks and read back."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache

from rules.language.ast import Frame, Validity

CLOCK_MASK = "yyyymmdd.HHMM"
CLOCK_MASK_SECONDS = "yyyymmdd.HHMMSS"
_TIME = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d))?\s*([AP]M)?", re.IGNORECASE)
_BLANK_DATE = " " * 8
#: Masks of a frame of dates, by the day and by the second.
DAY_MASK = "    YYYMMDD"
SECOND_MASK = "    YYYMMDD.HHMMSS"
#: FileMan counts years from here.
FIRST_YEAR = 1700
#: What stands for a bound that a validity does not have.
EARLIEST, LATEST = "0000101", "9991231"
_DAYS = ("", "SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", "HOL")
_DAY = re.compile(r"[0-9]{7}")
_DATE = re.compile(r"[0-9]{7}(\.[0-9]{1,6})?")


#: A frame of times as the rule file has it.
CLOCKS = re.compile(
    r"(?:(?P<day>sun|mon|tue|wed|thu|fri|sat|hol)\s*)?(?P<begin>\d+:[\d:]+\s*(?:[ap]m)?)\s*to\s*(?P<end>\d+:[\d:]+\s*(?:[ap]m)?)",
    re.IGNORECASE | re.ASCII,
)
_WEEKDAY = re.compile(r"(?:(?:sun|mon|tue|wed|thu|fri|sat|hol)\b\s*)?", re.IGNORECASE)
_AFTER_WEEKDAY = (
    ("TIME", re.compile(r"\d{1,2}:\d\d(?::\d\d)?\s*(?:[ap]m\b)?\s*", re.IGNORECASE | re.ASCII)),
    ("_TO", re.compile(r"to\b\s*", re.IGNORECASE)),
    ("TIME", re.compile(r"\d{1,2}:\d\d", re.ASCII)),
)


@dataclass(frozen=True, slots=True)
class FrameFault:
    """Where a text is no frame, and what could stand there, in terms of the grammar."""

    position: int
    terminals: frozenset[str]


def frame_fault(text: str, position: int) -> FrameFault:
    """Find where what begins at a position stops being a frame."""
    day = _WEEKDAY.match(text, position)
    at = day.end() if day else position
    for terminal, pattern in _AFTER_WEEKDAY:
        part = pattern.match(text, at)
        if part is None:
            return FrameFault(at, frozenset(["DAY", "TIME", "DATE"] if at == position else [terminal]))
        at = part.end()
    return FrameFault(position, frozenset(["DAY", "TIME", "DATE"]))


def read_time(text: str) -> str:
    """Read a clock time into HHMM or HHMMSS; AM and PM are tolerated after a 24-hour time. Raises ValueError."""
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise ValueError(text)
    hour, minute, second, half = int(match[1]), int(match[2]), match[3], (match[4] or "").upper()
    if half == "AM" and hour == 12:
        hour = 0
    elif half == "PM" and hour < 12:
        hour += 12
    if hour > 23 or minute > 59 or int(second or 0) > 59:
        raise ValueError(text)
    return f"{hour:02d}{minute:02d}{second or ''}"


def clock_frame(day: str, begin: str, end: str) -> Frame:
    """Compile a frame of one weekday, of holidays (HOL), or of every day (no day); times are HHMM or HHMMSS."""
    seconds = len(begin) > 4 or len(end) > 4
    prefix = {"": "   ", "HOL": "HOL"}.get(day, "DDD")
    mask = prefix + (CLOCK_MASK_SECONDS if seconds else CLOCK_MASK)
    width = 6 if seconds else 4
    start = f"{day:3}{_BLANK_DATE}.{begin.ljust(width, '0')}"
    finish = f"{day:3}{_BLANK_DATE}.{end + ('59' if seconds and len(end) == 4 else '')}"
    return Frame(mask, start, finish)


def date_frame(begin: str, end: str) -> Frame:
    """Compile a frame from one FileMan date to another; with a clock in either, to the second."""
    if "." not in begin and "." not in end:
        return Frame(DAY_MASK, f"    {begin}", f"    {end}")
    first, last = _full(begin, "000000"), _full(end, "235959")
    return Frame(SECOND_MASK, f"    {first}", f"    {last}")


def _full(text: str, default: str) -> str:
    day, _, clock = text.partition(".")
    return f"{day}.{clock.ljust(6, '0') if clock else default}"


@lru_cache(maxsize=1024)
def read_frame(text: str) -> Frame:
    """Read a frame as the rule file has it. Raises ValueError for a time or date that there is not."""
    if clocks := CLOCKS.fullmatch(text):
        return clock_frame((clocks["day"] or "").upper(), read_time(clocks["begin"]), read_time(clocks["end"]))
    begin, _, end = text.lower().partition("to")
    return date_frame(read_date(begin.strip()), read_date(end.strip()))


def validity_frame(valid: Validity) -> Frame:
    """Compile the days on which a rule holds into a frame of NOW."""
    return date_frame(valid.begin or EARLIEST, valid.end or LATEST)


def holiday_frame(frame: Frame, day: str) -> Frame:
    """Turn a frame of holidays into one of a single day, given as FileMan date."""
    begin, end = frame.begin[12:].ljust(6, "0"), frame.end[12:]
    return date_frame(f"{day}.{begin}", f"{day}.{end + '59' if len(end) == 4 else end}")


def read_date(text: str) -> str:
    """Read a date, ISO or FileMan, into FileMan's form. Raises ValueError for what is neither, or a day that there is not."""
    if "-" not in text:
        if not _DATE.fullmatch(text):
            raise ValueError(text)
        return text
    moment = datetime.fromisoformat(text.upper())
    if moment.year < FIRST_YEAR or moment.year > FIRST_YEAR + 999:
        raise ValueError(text)
    digits = "".join(text.upper().partition("T")[2].split(":"))
    return fileman_day(moment) + (f".{digits}" if digits else "")


def read_day(text: str) -> str:
    """Read a day that there is, ISO or FileMan, into a FileMan date. Raises ValueError, also for a day with a time."""
    day = read_date(text)
    if iso_day(day) is None:
        raise ValueError(text)
    return day


def fileman_day(day: date) -> str:
    """Write a day as FileMan does: years since 1700, month, day."""
    return f"{day.year - FIRST_YEAR:03d}{day.month:02d}{day.day:02d}"


def iso_day(text: str) -> str | None:
    """Write a FileMan date as ISO date; None when there is no such day."""
    if not _DAY.fullmatch(text):
        return None
    try:
        return date(int(text[:3]) + FIRST_YEAR, int(text[3:5]), int(text[5:])).isoformat()
    except ValueError:
        return None


def frame_text(frame: Frame) -> str | None:
    """Write a frame as the rule file does; None for one that the file has no words for."""
    mask, begin, end = frame.mask, frame.begin, frame.end
    if mask in (DAY_MASK, SECOND_MASK):
        known = _DATE.fullmatch(begin[4:]) and _DATE.fullmatch(end[4:]) and date_frame(begin[4:], end[4:]) == frame
        return f"{_date(begin[4:])} to {_date(end[4:])}" if known else None
    if mask[3:] not in (CLOCK_MASK, CLOCK_MASK_SECONDS):
        return None
    day, clocks = begin[:3].strip(), (_clock(begin[12:]), _clock(end[12:]))
    try:
        told = (day in _DAYS) and clock_frame(day, *(read_time(clock) for clock in clocks)) == frame
    except ValueError:
        return None
    return f"{day + ' ' if day else ''}{clocks[0]} to {clocks[1]}" if told else None


def _date(text: str) -> str:
    """Write a FileMan date as ISO date with its time, or as it is when there is no such day or time."""
    day, _, clock = text.partition(".")
    iso = iso_day(day)
    if iso is None or (clock and not _is_time(clock)):
        return text
    return f"{iso}T{_clock(clock if clock[4:] != '00' else clock[:4])}" if clock else iso


def _is_time(clock: str) -> bool:
    return len(clock) in (4, 6) and int(clock[:2]) < 24 and int(clock[2:4]) < 60 and int(clock[4:] or 0) < 60


def _clock(digits: str) -> str:
    return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))


def as_of_now(frame: Frame, keyword: str) -> Frame:
    """Lay a frame out as NOW is written, weekday first: elements on other keywords may begin with the year (`YYYMMDD`).

    Of a mask that names neither weekday nor holiday, a letter in one of the first four places or on the point tells that.
    """
    dated = keyword == "NOW" or frame.mask[:3] in ("DDD", "HOL")
    if dated or not any(letter.isascii() and letter.isupper() for letter in frame.mask[:4] + frame.mask[11:12]):
        return frame
    return Frame(f"    {frame.mask}", f"    {frame.begin}", f"    {frame.end}")
