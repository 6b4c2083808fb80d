"""Rules as MAGBRTE4 evaluates them, defects included.

An undefined or multi-valued field passes; texts know = and != only, with the matching of WLDMATCH; dates know = only; the
first three places of a date are compared for weekdays only, so that the year of an exam's date never counts.
"""

from __future__ import annotations

from rules.judging.facts import ImageFacts
from rules.judging.moment import Moment
from rules.judging.semantics.base import DEFAULT_PRIORITY, URGENCY_BONUS, HolidayTest, Test, Verdict, within
from rules.judging.wildcard import vista_match
from rules.language.ast import Condition, Frame
from rules.language.keywords import BASE_PRIORITY, KEYWORDS

name = "vista"
needs_study = True  # patch 156 of Imaging 3.0
_TEXT_TYPES = " S CS DS IS LO LT OB OW PN SH ST "
_DATE_TYPES = " DT DA TM "
_URGENCIES = {500: "ROUTINE", 510: "URGENT", 520: "STAT"}


def priority(level: str, facts: ImageFacts) -> int:
    """Give the priority (PRI^MAGBRTE4): MEDIUM is no level of its own, urgency counts only where the look-up finds it."""
    base = BASE_PRIORITY.get(level, DEFAULT_PRIORITY) if level != "MEDIUM" else DEFAULT_PRIORITY
    return base + (URGENCY_BONUS.get(facts.urgency, 0) if facts.urgency_found else 0)


def passes(verdict: Verdict) -> bool:
    """Let a rule go on unless a condition fails: what is undefined passes."""
    return verdict is not False


def test(condition: Condition) -> Test:
    """Compile a condition (RULES^MAGBRTE4)."""
    keyword = condition.keyword
    kind = condition.data_type or "S"

    def undefined(_facts: ImageFacts, _now: Moment, _holiday: HolidayTest) -> Verdict:
        return None

    if keyword not in KEYWORDS:  # a DICOM element: nothing fills the array that VistA looks into
        return undefined

    def text_test(facts: ImageFacts, now: Moment, _holiday: HolidayTest) -> Verdict:
        value = _value(keyword, facts, now)
        if value is None:
            return None
        matches = vista_match(value, condition.value)
        return {"=": matches, "!=": not matches}.get(condition.operator, True)

    def date_test(facts: ImageFacts, now: Moment, holiday: HolidayTest) -> Verdict:
        value = _value(keyword, facts, now)
        if value is None:
            return None
        return condition.operator != "=" or any(_inside(frame, value, holiday) for frame in condition.frames)

    # VistA looks for the type between blanks in a list, and so finds two types that stand side by side there as well
    if f" {kind} " in _TEXT_TYPES:
        return text_test
    return date_test if f" {kind} " in _DATE_TYPES else undefined


def _value(keyword: str, facts: ImageFacts, now: Moment) -> str | None:
    if keyword == "NOW":
        return now.vista
    if keyword == "URGENCY":
        return _URGENCIES[priority("NORMAL", facts)]
    return facts.single(keyword)


def _inside(frame: Frame, value: str, holiday: HolidayTest) -> bool:
    if frame.mask[:3] == "HOL" and not holiday(value[4:11]):
        return False
    if frame.mask[:3] == "DDD" and frame.begin[:3] != value[:3]:
        return False
    return within(frame.mask, frame.begin, frame.end, value)
