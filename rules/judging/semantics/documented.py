"""Rules as manuals and file 8994 promise them, with three-valued logic: our default.

All six operators work; a star may stand for nothing; times compare as times; DICOM elements are looked up in the header; a
condition on an undefined field is undefined, and a rule fires only when every condition is true.
"""

from __future__ import annotations

import operator as compare
import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from rules.judging.facts import ImageFacts
from rules.judging.moment import DAYS, Moment, full_of_fileman, full_text
from rules.judging.semantics.base import DEFAULT_PRIORITY, URGENCY_BONUS, HolidayTest, Test, Verdict, within
from rules.judging.wildcard import documented_match
from rules.language.ast import Condition, Frame
from rules.language.frames import as_of_now
from rules.language.keywords import BASE_PRIORITY, DATE_TYPES

name = "documented"
needs_study = False
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": compare.lt,
    ">": compare.gt,
    "<=": compare.le,
    ">=": compare.ge,
}
_EQUALITY = ("=", "!=")
_CLOCK = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d))?", re.ASCII)
_FILEMAN = re.compile(r"(\d{7})(?:\.(\d{1,6}))?", re.ASCII)

_Judge = Callable[[str, HolidayTest], bool]
"""Says of a date in full whether a condition's value or one of its frames has it, or stands to it as the operator wants."""


def priority(level: str, facts: ImageFacts) -> int:
    """Give the priority; the order's urgency always counts."""
    return BASE_PRIORITY.get(level.upper(), DEFAULT_PRIORITY) + URGENCY_BONUS.get(facts.urgency, 0)


def passes(verdict: Verdict) -> bool:
    """Let a rule go on only while every condition is true."""
    return verdict is True


def test(condition: Condition) -> Test:
    """Compile a condition."""
    if condition.data_type in DATE_TYPES:
        return _date_test(condition)
    return _text_test(condition)


def _text_test(condition: Condition) -> Test:
    keyword, operator, wanted = condition.keyword, condition.operator, condition.value
    matches = documented_match(wanted)
    order = _ORDER.get(operator)

    def text_test(facts: ImageFacts, now: Moment, _holiday: HolidayTest) -> Verdict:
        values = (now.full,) if keyword == "NOW" else _values(keyword, facts)
        if not values:
            return None
        if order is not None:
            return any(_ordered(order, value, wanted) for value in values)
        found = any(matches(value) for value in values)
        return not found if operator == "!=" else found if operator == "=" else None

    return text_test


def _ordered(order: Callable[[Any, Any], bool], value: str, wanted: str) -> bool:
    """Compare as numbers where both are numbers, else as text."""
    try:
        numbers = Decimal(value.strip()), Decimal(wanted.strip())
    except InvalidOperation:
        return order(value, wanted)
    return order(*numbers) if all(number.is_finite() for number in numbers) else order(value, wanted)


def _date_test(condition: Condition) -> Test:
    """Compare dates written in full, each with its weekday; a value that is no date makes the condition undefined."""
    keyword, negated = condition.keyword, condition.operator == "!="
    judge = _judge_frames(condition) if condition.frames or not condition.value else _judge_value(condition)

    def date_test(facts: ImageFacts, now: Moment, holiday: HolidayTest) -> Verdict:
        if judge is None:
            return None
        dates = [now.full] if keyword == "NOW" else [full_of_fileman(value) for value in _values(keyword, facts)]
        known = [date for date in dates if date is not None]
        if not known or len(known) < len(dates):
            return None
        return any(judge(date, holiday) for date in known) is not negated

    return date_test


def _judge_frames(condition: Condition) -> _Judge | None:
    if condition.operator not in _EQUALITY:
        return None
    frames = [as_of_now(frame, condition.keyword) for frame in condition.frames]
    return lambda date, holiday: any(_inside(frame, date, holiday) for frame in frames)


def _judge_value(condition: Condition) -> _Judge | None:
    """Compare with a weekday, a time of day, or an ISO or FileMan date, no more exactly than it is written."""
    read = _reading(condition.value)
    if read is None:
        return None
    places, limit = read
    if condition.operator in _EQUALITY:
        return lambda date, _holiday: date[places] == limit
    order = _ORDER.get(condition.operator)
    if order is None or limit in DAYS:
        return None
    return lambda date, _holiday: order(date[places], limit)


def _reading(value: str) -> tuple[slice, str] | None:
    """Find the places of a date in full that a value speaks of, and what it says of them."""
    text = value.strip().upper()
    if text in DAYS:
        return slice(0, 3), text
    if clock := _CLOCK.fullmatch(text):
        digits = clock[1].zfill(2) + clock[2] + (clock[3] or "")
        return slice(12, 12 + len(digits)), digits
    if fileman := _FILEMAN.fullmatch(text):
        clock_digits = fileman[2] or ""
        digits = clock_digits.ljust(4 if len(clock_digits) <= 4 else 6, "0") if clock_digits else ""
        full = f"{fileman[1]}.{digits}" if digits else fileman[1]
        return slice(4, 4 + len(full)), full
    try:
        full = full_text(datetime.fromisoformat(text))
    except ValueError:
        return None
    end = {10: 11, 16: 16}.get(len(text), 18)
    return slice(4, end), full[4:end]


def _values(keyword: str, facts: ImageFacts) -> tuple[str, ...]:
    if keyword == "URGENCY":
        return (facts.urgency,) if facts.urgency else ()
    return facts.values.get(keyword, ())


def _inside(frame: Frame, value: str, holiday: HolidayTest) -> bool:
    if frame.mask[:3] == "HOL" and not holiday(value[4:11]):
        return False
    if frame.mask[:3] == "DDD" and frame.begin[:3] != value[:3]:
        return False
    return within(frame.mask, frame.begin, frame.end, value)
