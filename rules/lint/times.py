"""Frames: those that hold no moment, overlap or add nothing, or name a day that is in no calendar."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto
from functools import lru_cache
from itertools import combinations

from rules.language.ast import Condition, Frame, Rule
from rules.language.frames import frame_text
from rules.lint.finding import Raised
from rules.lint.scope import Scope
from rules.lint.week import DATE_PLACES, counted, day_of, ends, frames_of, is_backwards, is_empty, is_understood


class _Relation(Enum):
    """How two frames lie to each other."""

    APART = auto()
    OVERLAP = auto()
    FIRST_INSIDE = auto()
    SECOND_INSIDE = auto()


def frames(scope: Scope) -> Iterator[Raised]:
    """Check the frames of each condition, alone and with each other."""
    for rule, condition in scope.conditions:
        given = frames_of(condition)
        for frame in given:
            yield from _alone(rule, condition, frame)
        usable = [frame for frame in given if is_understood(frame) and not is_empty(frame)]
        for first, second in combinations(usable, 2):
            yield from _together(rule, condition, first, second)


def holidays(scope: Scope) -> Iterator[Raised]:
    """Find frames for holidays where there are none to come."""
    if scope.site is None:
        return
    named = (day for holiday in scope.file.holidays for day in holiday.dates)
    if any(day >= scope.options.today for day in (*scope.site.holidays, *named)):
        return
    for rule, condition in scope.conditions:
        for frame in condition.frames:
            if frame.mask[:3] == "HOL":
                yield Raised("R207", f"{_said(frame)}: no holiday is to come.", rule, frame.place or condition.place)


def _alone(rule: Rule, condition: Condition, frame: Frame) -> Iterator[Raised]:
    place = frame.place or condition.place
    if counted(frame) >= DATE_PLACES:
        for text in (frame.begin, frame.end):
            if day_of(text) is None:
                yield Raised("R203", f"{text[4:11].strip() or 'An empty date'} is no day of the calendar.", rule, place)
                return
    if is_backwards(frame):
        yield Raised("R201", f"{_said(frame)} begins after its end: no moment is inside.", rule, place)


def _said(frame: Frame) -> str:
    return frame_text(frame) or f"The frame {frame.begin.strip()} to {frame.end.strip()}"


def _together(rule: Rule, condition: Condition, first: Frame, second: Frame) -> Iterator[Raised]:
    relation = _relation(first, second)
    if relation is _Relation.APART:
        return
    one, other = (first, second) if relation is _Relation.FIRST_INSIDE else (second, first)
    place = one.place or condition.place
    if relation is _Relation.OVERLAP:
        yield Raised("R202", f"{_said(one)} overlaps {_said(other)}.", rule, place)
    else:
        yield Raised("R206", f"{_said(one)} lies inside {_said(other)}: it adds nothing.", rule, place)


@lru_cache(maxsize=16384)
def _relation(first: Frame, second: Frame) -> _Relation:
    """Compare two frames of one sort; where one ends in the minute in which the other begins they only touch."""
    if counted(first) != counted(second) or (first.mask[:3] == "HOL") is not (second.mask[:3] == "HOL"):
        return _Relation.APART
    days = [frame.begin[:3] if frame.mask[:3] == "DDD" else "" for frame in (first, second)]
    if all(days) and days[0] != days[1]:
        return _Relation.APART
    (begin, end), (other_begin, other_end) = ends(first), ends(second)
    if other_begin >= begin and other_end <= end and days[0] in ("", days[1]):
        return _Relation.SECOND_INSIDE
    if begin >= other_begin and end <= other_end and days[1] in ("", days[0]):
        return _Relation.FIRST_INSIDE
    return _Relation.OVERLAP if max(begin, other_begin) < min(end, other_end) else _Relation.APART
