"""Matching in SQL (PS3.4 C.2.2.2): the values of a key as a condition on entries of the worklist."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, func, literal, or_, select, true

from fileman import folded
from fileman.files import ScheduledStep, ScheduledValue
from fileman.text_ranges import behind
from fileman.worklist_attributes import NUMBERS, Attribute, Matching

#: Values of a key that are not compared all at once; each is a look-up of its own.
MOST_VALUES = 100
#: Groups of a person name (PS3.5 6.2.1).
GROUPS = 3
#: Runs of `*` in a pattern; each more makes the engines look at every rest of a value.
MOST_RUNS = 12
_RUNS = re.compile(r"\*+")
_RANGE = re.compile(r"([^-]*)-([^-]*)")
_NUMBER_RANGE = re.compile(r"(\d+(?:\.\d*)?|\.\d+|)-(\d+(?:\.\d*)?|\.\d+|)")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)")
_DAY = re.compile(r"\d{8}")
_CLOCK = re.compile(r"\d{2}(?:\d{2}(?:\d{2}(?:\.\d{1,6})?)?)?")
#: Behind every time of day.
_END_OF_DAY = "235960.999999"

Condition = ColumnElement[bool]


class Unmatchable(Exception):
    """The value is none that its key can have; the argument says why."""


def is_universal(values: Sequence[str]) -> bool:
    """Tell whether a key matches whatever there is, nothing included (PS3.4 C.2.2.2.3)."""
    return not values or any(not value.strip("*") for value in values)


def condition_of(engine: str, attribute: Attribute, values: Sequence[str], *, fold_names: bool = False) -> Condition:
    """Make the condition of a key that is not universal; any of its values may match. Raises Unmatchable.

    `engine` names SQLAlchemy's dialect.
    """
    if attribute.matching is Matching.SINGLE:
        if attribute.multiple:
            return _has_value(attribute, _any_of(ScheduledValue.text, values))
        return _any_of(getattr(ScheduledStep, attribute.column), values)
    if len(values) > MOST_VALUES:
        raise Unmatchable(f"{attribute.tag}: more than {MOST_VALUES} values")
    if attribute.matching is Matching.NAME:
        return or_(*(_named(engine, attribute, value, fold_names) for value in values))
    if attribute.multiple:
        ones = [_MATCHERS[attribute.matching](engine, attribute, ScheduledValue.text, value) for value in values]
        return _has_value(attribute, or_(*ones))
    column = getattr(ScheduledStep, attribute.column)
    return or_(*(_MATCHERS[attribute.matching](engine, attribute, column, value) for value in values))


def _any_of(column: Any, values: Sequence[str]) -> Condition:
    condition: Condition = column.in_(values)
    return condition


def _has_value(attribute: Attribute, condition: Condition) -> Condition:
    return ScheduledStep.ien.in_(select(ScheduledValue.step).where(ScheduledValue.tag == attribute.tag, condition))


def _named(engine: str, attribute: Attribute, value: str, fold_names: bool) -> Condition:
    """Match a name: one group with any group of the name, several each with its own (PS3.5 6.2.1)."""
    column = ScheduledValue.folded if fold_names else ScheduledValue.text
    groups = [group.rstrip("^ ") for group in (folded(value) if fold_names else value).split("=")]
    if len(groups) > GROUPS:
        raise Unmatchable(f"{attribute.tag}: more than {GROUPS} groups in a name")
    wanted = [(position, group) for position, group in enumerate(groups) if group.strip("*")]
    if len(groups) == 1:
        return _has_value(attribute, _wild(engine, attribute, column, groups[0]))
    return and_(
        true(),
        *(
            _has_value(attribute, and_(ScheduledValue.position == position, _wild(engine, attribute, column, group)))
            for position, group in wanted
        ),
    )


def _wild(engine: str, attribute: Attribute, column: Any, value: str) -> Condition:
    """Match a value with `*` for any characters and `?` for one; what it begins with is a range of the column's index."""
    if "*" not in value and "?" not in value:
        return and_(column == value)
    pattern = _RUNS.sub("*", value)
    if pattern.count("*") > MOST_RUNS:
        raise Unmatchable(f"{attribute.tag}: more than {MOST_RUNS} wild cards in one value")
    matches = _PATTERNS[engine](column, pattern)
    start = re.split(r"[*?]", pattern, maxsplit=1)[0]
    return and_(column >= start, column < behind(start), matches) if start else and_(column != "", matches)


def _glob(column: Any, pattern: str) -> Condition:
    condition: Condition = column.op("GLOB", is_comparison=True)(literal(pattern.replace("[", "[[]")))
    return condition


def _like(column: Any, pattern: str) -> Condition:
    escaped = re.sub(r"([\\%_])", r"\\\1", pattern).replace("*", "%").replace("?", "_")
    condition: Condition = column.like(literal(escaped), escape="\\")
    return condition


_PATTERNS: dict[str, Callable[[Any, str], Condition]] = {"sqlite": _glob, "postgresql": _like}


def _dated(_engine: str, attribute: Attribute, column: Any, value: str) -> Condition:
    first, last = day_range(attribute.tag, value)
    if attribute.column == "start_date":  # which the moment begins with that an index has
        moment = ScheduledStep.start_at
        return and_(column != "", *([moment >= first] if first else []), *([moment < behind(last)] if last else []))
    return and_(column != "", *_within(column, first, last))


def _timed(_engine: str, attribute: Attribute, _column: Any, value: str) -> Condition:
    first, last = time_range(attribute.tag, value)
    return and_(ScheduledStep.start_time != "", *_within(func.substr(ScheduledStep.start_at, 9), first, last))


def _within(column: Any, first: str, last: str) -> list[Condition]:
    if first and first == last:
        return [column == first]
    return [*([column >= first] if first else []), *([column <= last] if last else [])]


def _numbered(engine: str, attribute: Attribute, column: Any, value: str) -> Condition:
    number = getattr(ScheduledStep, NUMBERS[attribute.column])
    if ends := _NUMBER_RANGE.fullmatch(value):
        first, last = ends.groups()
        if first or last:
            return and_(*([number >= float(first)] if first else []), *([number <= float(last)] if last else []))
    if _NUMBER.fullmatch(value):
        return and_(number == float(value))
    if "*" in value or "?" in value:
        return _wild(engine, attribute, column, value)
    raise Unmatchable(f"{attribute.tag}: {value[:20]!r} is neither a number nor a range of numbers")


_MATCHERS: dict[Matching, Callable[[str, Attribute, Any, str], Condition]] = {
    Matching.WILD: _wild,
    Matching.DATE: _dated,
    Matching.TIME: _timed,
    Matching.NUMBER: _numbered,
}


def day_range(tag: str, value: str) -> tuple[str, str]:
    """Give the first and the last day of a date or a range of dates, "" for no end (PS3.4 C.2.2.2.5). Raises Unmatchable.

    Dates may have dots, as those of ACR-NEMA 2.0 have (PS3.5 6.2).
    """
    first, last = _ends(value)
    days = [day.replace(".", "") for day in (first, last)]
    if not (first or last) or any(day and not _DAY.fullmatch(day) for day in days):
        raise Unmatchable(f"{tag}: {value[:40]!r} is neither a date nor a range of dates")
    return days[0], days[1]


def time_range(tag: str, value: str) -> tuple[str, str]:
    """Give the first and the last moment of a time or a range of times. Raises Unmatchable.

    A time that leaves out minutes or seconds is all that it may be: 10 is 10:00:00 to 10:59:59.999999.
    """
    first, last = (end.replace(":", "") for end in _ends(value))
    if not (first or last) or any(end and not _CLOCK.fullmatch(end) for end in (first, last)):
        raise Unmatchable(f"{tag}: {value[:40]!r} is neither a time nor a range of times")
    return (first[:6].ljust(6, "0") + first[6:] if first else ""), (_latest(last) if last else "")


def _latest(clock: str) -> str:
    if len(clock) < 6:
        clock += "5959"[len(clock) - 2 :]
    return clock if "." in clock else f"{clock}.999999"


def _ends(value: str) -> tuple[str, str]:
    if ends := _RANGE.fullmatch(value):
        first, last = ends.groups()
        return first.strip(), last.strip()
    return value, value


def combined(days: str, times: str) -> Condition:
    """Match a range of dates and a range of times as one range of moments (PS3.4 table K.6-1). Raises Unmatchable.

    From the first time of the first day to the last time of the last one; a time counts only where its day is told.
    """
    first_day, last_day = day_range("00400002", days)
    first_time, last_time = time_range("00400003", times)
    conditions = []
    if first_day:
        conditions.append(ScheduledStep.start_at >= f"{first_day}{first_time or '000000'}")
    if last_day:
        conditions.append(ScheduledStep.start_at <= f"{last_day}{last_time or _END_OF_DAY}")
    return and_(ScheduledStep.start_date != "", *conditions)


def is_range(value: str) -> bool:
    """Tell a range from a single value."""
    return _RANGE.fullmatch(value) is not None
