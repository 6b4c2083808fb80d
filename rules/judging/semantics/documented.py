"""Rules as manuals and file 8994 promise them, with three-valued logic: our default.

All six operators work; a star may stand for nothing; times compare as times; DICOM elements are looked up in the header; a
condition on an undefined field is undefined, and a rule fires only when every condition is true.
"""

from __future__ import annotations

import operator as compare
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from rules.judging.facts import ImageFacts
from rules.judging.moment import DAYS, full_text
from rules.judging.reading import HolidayTest, Reading, Special, Verdict
from rules.judging.semantics.base import DEFAULT_PRIORITY, URGENCY_BONUS, Test, inside
from rules.judging.semantics.documented_balance import balance as balance
from rules.judging.wildcard import documented_match
from rules.language.ast import Condition, Rule
from rules.language.frames import as_of_now
from rules.language.keywords import BASE_PRIORITY, DATE_TYPES

name = "documented"
needs_study = False
balances_blindly = False
blocking: frozenset[Verdict] = frozenset([False, None])
special: Mapping[str, Special] = {
    "NOW": lambda _facts, now: (now.full,),
    "URGENCY": lambda facts, _now: (facts.urgency,) if facts.urgency else (),
}
_WILD = re.compile(r"[*?]")
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": compare.lt,
    ">": compare.gt,
    "<=": compare.le,
    ">=": compare.ge,
}
_EQUALITY = ("=", "!=")
_CLOCK = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d))?", re.ASCII)
_ISO = re.compile(r"(?:\d{4}-\d\d-\d\d|\d{8})([T ]\d\d:\d\d(:\d\d)?)?", re.ASCII)
_FILEMAN = re.compile(r"(\d{7})(?:\.(\d{1,6}))?", re.ASCII)

_Judge = Callable[[str, HolidayTest], bool]
"""Says of a date in full whether a condition's value or one of its frames has it, or stands to it as the operator wants."""


def check(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """Leave out the rules that are not enabled."""
    return tuple(rule for rule in rules if rule.enabled)


def is_valid(rule: Rule, day: str) -> bool:
    """Hold a rule on the days from `begin` to `end`, both included."""
    valid = rule.valid
    return valid is None or ((not valid.begin or valid.begin <= day) and (not valid.end or day <= valid.end))


def priority(level: str, facts: ImageFacts) -> int:
    """Give the priority; the order's urgency always counts."""
    return BASE_PRIORITY.get(level.upper(), DEFAULT_PRIORITY) + URGENCY_BONUS.get(facts.urgency, 0)


def takes_priors(rule: Rule, *, decided_before: bool) -> bool:
    """Take prior studies along once, with the image that decides the study."""
    return rule.prior_study.upper() == "YES" and not decided_before


def deck_key(rule: Rule) -> str:
    """Know a deck by the rule's name, or else by its action, so that it survives rules that are numbered anew."""
    return rule.name or rule.action


def test(condition: Condition) -> Test:
    """Compile a condition."""
    if condition.data_type in DATE_TYPES:
        return _date_test(condition)
    return _text_test(condition)


def is_equality(condition: Condition) -> bool:
    """Index texts that are compared with = and no wildcard."""
    return condition.operator == "=" and condition.data_type not in DATE_TYPES and not _WILD.search(condition.value)


def equals(reading: Reading, keyword: str) -> Sequence[str]:
    """Let each value of a keyword make its equality hold; an undefined one has none."""
    return reading.values(keyword)


def why(condition: Condition, reading: Reading, verdict: Verdict) -> str:
    """Say why a condition has this verdict."""
    keyword, values = condition.keyword, reading.values(condition.keyword)
    if not values:
        return f"{keyword} is undefined"
    seen = f"{keyword} is {', '.join(values)}"
    if verdict is not None:
        return seen
    if condition.data_type in DATE_TYPES and None in reading.dates(keyword):
        return f"{seen}, which is no date"
    return f"{seen}, which cannot be compared with {condition.operator} {condition.value or 'time frames'}"


def _text_test(condition: Condition) -> Test:
    keyword, operator, wanted = condition.keyword, condition.operator, condition.value
    matches = documented_match(wanted)
    order = _ORDER.get(operator)

    def text_equals(reading: Reading) -> Verdict:
        values = reading.values(keyword)
        if len(values) == 1:
            return matches(values[0])
        return any(map(matches, values)) if values else None

    def text_differs(reading: Reading) -> Verdict:
        values = reading.values(keyword)
        return not any(map(matches, values)) if values else None

    def text_ordered(reading: Reading) -> Verdict:
        values = reading.values(keyword)
        if not values or order is None:
            return None
        return any(_ordered(order, value, wanted) for value in values)

    return {"=": text_equals, "!=": text_differs}.get(operator, text_ordered)


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
    if judge is None:
        return lambda _reading: None

    def date_test(reading: Reading) -> Verdict:
        dates = reading.dates(keyword)
        if len(dates) == 1 and dates[0] is not None:
            return judge(dates[0], reading.holiday) is not negated
        known = [date for date in dates if date is not None]
        if not known or len(known) < len(dates):
            return None
        return any(judge(date, reading.holiday) for date in known) is not negated

    return date_test


def _judge_frames(condition: Condition) -> _Judge | None:
    if condition.operator not in _EQUALITY:
        return None
    return inside([as_of_now(frame, condition.keyword) for frame in condition.frames])


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
    if (iso := _ISO.fullmatch(text)) is None:
        return None
    try:
        full = full_text(datetime.fromisoformat(text))
    except ValueError:
        return None
    end = 18 if iso[2] else 16 if iso[1] else 11
    return slice(4, end), full[4:end]
