"""Time frames of the rule file, compiled to masks and read back."""

from __future__ import annotations

import re

from rules.language.ast import Frame

CLOCK_MASK = "yyyymmdd.HHMM"
CLOCK_MASK_SECONDS = "yyyymmdd.HHMMSS"
_TIME = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d))?\s*([AP]M)?", re.IGNORECASE)
_BLANK_DATE = " " * 8


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
        return Frame("    YYYMMDD", f"    {begin}", f"    {end}")
    first, last = _full(begin, "000000"), _full(end, "235959")
    return Frame("    YYYMMDD.HHMMSS", f"    {first}", f"    {last}")


def _full(text: str, default: str) -> str:
    day, _, clock = text.partition(".")
    return f"{day}.{clock.ljust(6, '0') if clock else default}"


def frame_text(frame: Frame) -> str | None:
    """Write a frame as the rule file does; None for a mask that the file has no words for."""
    mask, begin, end = frame.mask, frame.begin, frame.end
    if mask in ("    YYYMMDD", "    YYYMMDD.HHMMSS"):
        return f"{begin[4:]} to {end[4:]}"
    if mask[3:] in (CLOCK_MASK, CLOCK_MASK_SECONDS) and mask[:3] in ("DDD", "HOL", "   ") and begin[:3] == end[:3]:
        day = begin[:3].strip()
        return f"{day + ' ' if day else ''}{_clock(begin[12:])} to {_clock(end[12:])}"
    return None


def _clock(digits: str) -> str:
    return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))


def as_of_now(frame: Frame, keyword: str) -> Frame:
    """Lay a frame out as NOW is written, weekday first: elements on other keywords may begin with the year (`YYYMMDD`).

    Of a mask that names neither weekday nor holiday, a letter in one of the first four places or on the point tells that.
    """
    dated = keyword == "NOW" or frame.mask[:3] in ("DDD", "HOL")
    if dated or not any(letter.isascii() and letter.isupper() for letter in frame.mask[:4] + frame.mask[11:12]):
        return frame
    return Frame(*(f"    {text}" for text in (frame.mask, frame.begin, frame.end)))
