"""Rules as MAGBRTE4 evaluates them, defects included.

An undefined or multi-valued field passes; texts know = and != only, with the matching of WLDMATCH; dates know = only; the
first three places of a date are compared for weekdays only, so that the year of an exam's date never counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rules.judging.facts import ImageFacts
from rules.judging.moment import Moment
from rules.judging.reading import Reading, Special, Verdict
from rules.judging.semantics.base import DEFAULT_PRIORITY, URGENCY_BONUS, Test, inside
from rules.judging.semantics.vista_balance import balance as balance
from rules.judging.wildcard import vista_matcher
from rules.language.ast import Condition, Rule
from rules.language.errors import RuleError
from rules.language.keywords import BASE_PRIORITY, KEYWORDS

name = "vista"
needs_study = True  # patch 156 of Imaging 3.0
balances_blindly = True
blocking: frozenset[Verdict] = frozenset([False])
_TEXT_TYPES = " S CS DS IS LO LT OB OW PN SH ST "
_DATE_TYPES = " DT DA TM "
_URGENCIES = {500: "ROUTINE", 510: "URGENT", 520: "STAT"}


class NotForThisSemantics(RuleError):
    """A rule says what VistA's rules cannot."""


def check(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """Take every rule; one that VistA's elements cannot carry is refused (`for_vista` makes others of it, where it can)."""
    for rule in rules:
        if not rule.enabled or rule.valid is not None or not all(isinstance(it, Condition) for it in rule.conditions):
            raise NotForThisSemantics(f"rule {rule.number} is not one that VistA's elements carry as it stands")
    return tuple(rules)


def is_valid(rule: Rule, day: str) -> bool:
    """Hold every rule at any time."""
    return True


def priority(level: str, facts: ImageFacts) -> int:
    """Give the priority (PRI^MAGBRTE4): MEDIUM is no level of its own, urgency counts only where the look-up finds it."""
    base = BASE_PRIORITY.get(level, DEFAULT_PRIORITY) if level != "MEDIUM" else DEFAULT_PRIORITY
    return base + (URGENCY_BONUS.get(facts.urgency, 0) if facts.urgency_found else 0)


def takes_priors(rule: Rule, *, decided_before: bool) -> bool:
    """Take prior studies along with every image, one that comes late too (SEND^MAGBRTE5)."""
    return rule.prior_study == "YES"


def deck_key(rule: Rule) -> str:
    """Know a deck by the rule's number."""
    return str(rule.number)


def _urgency(facts: ImageFacts, _now: Moment) -> tuple[str, ...]:
    return (_URGENCIES[priority("NORMAL", facts)],)


special: Mapping[str, Special] = {"NOW": lambda _facts, now: (now.vista,), "URGENCY": _urgency}


def test(condition: Condition) -> Test:
    """Compile a condition (RULES^MAGBRTE4)."""
    return _TESTS[_kind(condition)](condition)


def _kind(condition: Condition) -> str:
    """Tell how VistA compares: TEXT, DATE or not at all.

    It looks for the type between blanks in a list, and so finds two types that stand side by side there as well. Nothing
    fills the array in which it looks DICOM elements up.
    """
    kind = f" {condition.data_type or 'S'} "
    if condition.keyword not in KEYWORDS:
        return "NEVER"
    return "TEXT" if kind in _TEXT_TYPES else "DATE" if kind in _DATE_TYPES else "NEVER"


def _never(_condition: Condition) -> Test:
    return lambda _reading: None


def _text(condition: Condition) -> Test:
    keyword, operator = condition.keyword, condition.operator
    matches = vista_matcher(condition.value)

    def equals(reading: Reading) -> Verdict:
        values = reading.values(keyword)
        return matches(values[0]) if len(values) == 1 else None

    def differs(reading: Reading) -> Verdict:
        values = reading.values(keyword)
        return not matches(values[0]) if len(values) == 1 else None

    def passes(reading: Reading) -> Verdict:
        return True if len(reading.values(keyword)) == 1 else None

    return {"=": equals, "!=": differs}.get(operator, passes)


def _date(condition: Condition) -> Test:
    keyword, compared = condition.keyword, condition.operator == "="
    contains = inside(condition.frames)

    def date_test(reading: Reading) -> Verdict:
        values = reading.values(keyword)
        if len(values) != 1:
            return None
        return not compared or contains(values[0], reading.holiday)

    return date_test


_TESTS = {"TEXT": _text, "DATE": _date, "NEVER": _never}


def is_equality(condition: Condition) -> bool:
    """Index texts that are compared with = and no wildcard."""
    return condition.operator == "=" and _kind(condition) == "TEXT" and "*" not in condition.value and "?" not in condition.value


def equals(reading: Reading, keyword: str) -> Sequence[str] | None:
    """Let the one value of a keyword make its equality hold; an undefined or multi-valued one passes every one."""
    values = reading.values(keyword)
    return values if len(values) == 1 else None


def why(condition: Condition, reading: Reading, verdict: Verdict) -> str:
    """Say why a condition has this verdict."""
    keyword, values = condition.keyword, reading.values(condition.keyword)
    if condition.keyword not in KEYWORDS:
        return f"VistA's evaluator never finds {keyword}, which passes"
    if not values:
        return f"{keyword} is undefined, which passes"
    seen = f"{keyword} is {', '.join(values)}"
    if len(values) > 1:
        return f"{seen}: several values, which pass"
    if verdict is None:
        return f"{seen}; VistA does not compare the type {condition.data_type}, which passes"
    compared = ("=", "!=") if _kind(condition) == "TEXT" else ("=",)
    return seen if condition.operator in compared else f"{seen}; VistA does not compare with {condition.operator}, which passes"
