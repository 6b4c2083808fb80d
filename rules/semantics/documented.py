"""Rules as manuals and file 8994 promise them, with three-valued logic: our default.

All six operators work; a star may stand for nothing; times compare as times; DICOM elements are looked up in the header; a
condition on an undefined field is undefined, and a rule fires only when every condition is true.
"""

from __future__ import annotations

import operator as compare
from collections.abc import Callable
from typing import Any

from rules.ast import Condition, Frame
from rules.facts import ImageFacts
from rules.keywords import DATE_TYPES
from rules.moment import Moment, full_of_fileman
from rules.semantics.base import BASE_PRIORITY, DEFAULT_PRIORITY, URGENCY_BONUS, HolidayTest, Test, Verdict, within
from rules.wildcard import documented_match

name = "documented"
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": compare.lt,
    ">": compare.gt,
    "<=": compare.le,
    ">=": compare.ge,
}


def priority(level: str, facts: ImageFacts) -> int:
    """Give the priority; the order's urgency always counts."""
    return BASE_PRIORITY.get(level.upper(), DEFAULT_PRIORITY) + URGENCY_BONUS.get(facts.urgency, 0)


def passes(verdict: Verdict) -> bool:
    """Let a rule go on only while every condition is true."""
    return verdict is True


def test(condition: Condition) -> Test:
    """Compile a condition."""
    if condition.data_type in DATE_TYPES and (condition.frames or not condition.value):
        return _frames_test(condition)
    return _text_test(condition)


def _text_test(condition: Condition) -> Test:
    keyword, operator, wanted = condition.keyword, condition.operator, condition.value
    matches = documented_match(wanted)
    order = _ORDER.get(operator)

    def text_test(facts: ImageFacts, now: Moment, _holiday: HolidayTest) -> Verdict:
        values = (now.vista,) if keyword == "NOW" else _values(keyword, facts)
        if not values:
            return None
        if order is not None:
            return any(_ordered(order, value, wanted) for value in values)
        found = any(matches(value) for value in values)
        return not found if operator == "!=" else found if operator == "=" else None

    return text_test


def _ordered(order: Callable[[Any, Any], bool], value: str, wanted: str) -> bool:
    try:
        return order(float(value), float(wanted))
    except ValueError:
        return order(value, wanted)


def _frames_test(condition: Condition) -> Test:
    keyword, negated = condition.keyword, condition.operator == "!="

    def frames_test(facts: ImageFacts, now: Moment, holiday: HolidayTest) -> Verdict:
        if keyword == "NOW":
            value: str | None = now.full
        else:
            stored = facts.single(keyword)
            value = full_of_fileman(stored) if stored is not None else None
        if value is None or condition.operator not in ("=", "!="):
            return None
        return any(_inside(frame, value, holiday) for frame in condition.frames) is not negated

    return frames_test


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
