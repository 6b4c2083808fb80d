"""What a semantics decides: whether a condition holds, how urgent an action is, who gets a study that is balanced."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from rules.judging.balance import Balances
from rules.judging.facts import ImageFacts
from rules.judging.reading import HolidayTest, Reading, Special, Verdict
from rules.language.ast import Condition, Frame, Rule
from xwb import m_number

Test = Callable[[Reading], Verdict]

DEFAULT_PRIORITY = 500
URGENCY_BONUS = {"STAT": 20, "URGENT": 10}


@dataclass(frozen=True, slots=True)
class Dealt:
    """What BALANCE decided for an image: the destination to send to, "" for none; what the log says, and says is not done."""

    destination: str = ""
    log: tuple[str, ...] = ()
    not_done: tuple[str, ...] = ()


class Semantics(Protocol):
    """One reading of the rules, chosen once when rules are compiled."""

    name: str
    #: Whether rules leave an image without a study UID alone.
    needs_study: bool
    #: The verdicts of a condition that keep its rule from firing.
    blocking: frozenset[Verdict]
    #: Keywords whose values are not simply those of the facts.
    special: Mapping[str, Special]

    #: Whether BALANCE deals a study to a name that is no destination, and says nothing of it.
    balances_blindly: bool

    def check(self, rules: Sequence[Rule]) -> tuple[Rule, ...]:
        """Give the rules that take part; raises RuleError for one that has no meaning here."""

    def test(self, condition: Condition) -> Test:
        """Compile a condition."""

    def is_equality(self, condition: Condition) -> bool:
        """Tell whether a condition says no more than that its keyword has its value, so that it can be indexed."""

    def equals(self, reading: Reading, keyword: str) -> Sequence[str] | None:
        """Give the values that make equalities on a keyword hold; None when every one passes."""

    def why(self, condition: Condition, reading: Reading, verdict: Verdict) -> str:
        """Say why a condition has this verdict."""

    def is_valid(self, rule: Rule, day: str) -> bool:
        """Tell whether a rule holds on a day."""

    def priority(self, level: str, facts: ImageFacts) -> int:
        """Give the priority of an action: 750, 500 or 250, and more for urgent orders."""

    def takes_priors(self, rule: Rule, *, decided_before: bool) -> bool:
        """Tell whether images of prior studies go along with this image."""

    def deck_key(self, rule: Rule) -> str:
        """Name a balance's deck, so that its counters survive; rules that share a name get an occurrence number besides."""

    def balance(self, rule: Rule, key: str, facts: ImageFacts, day: str, balances: Balances) -> Dealt:
        """Deal a study to one of the shares, or follow what it was dealt before."""


def inside(frames: Sequence[Frame]) -> Callable[[str, HolidayTest], bool]:
    """Compile frames into a test of whether a date stands in one of them.

    Its answer of the last date is remembered, since thousands of images are judged at the same NOW; not so where it may
    depend on holidays, of which others may be told the next time.
    """
    tests = [_inside(frame) for frame in frames]

    def contains(value: str, holiday: HolidayTest) -> bool:
        return any(test(value, holiday) for test in tests)

    if any(frame.mask.startswith("HOL") for frame in frames):
        return contains
    last: tuple[str, bool] = ("", contains("", bool))

    def contains_again(value: str, holiday: HolidayTest) -> bool:
        nonlocal last
        known, verdict = last
        if known != value:
            verdict = contains(value, holiday)
            last = (value, verdict)
        return verdict

    return contains_again


def _inside(frame: Frame) -> Callable[[str, HolidayTest], bool]:
    """Compile a frame: the places of an upper-case mask, from the fourth on, are compared as one number each."""
    places = tuple(place for place in range(3, len(frame.mask)) if "A" <= frame.mask[place] <= "Z")
    kind, weekday = frame.mask[:3], frame.begin[:3]

    def pick(text: str) -> str:
        return "".join([text[place] for place in places if place < len(text)])

    begin, end = pick(frame.begin), pick(frame.end)
    first, last = m_number(begin), m_number(end)
    plain = len(begin) == len(end) == len(places) and _is_digits(begin + end)

    def contains(value: str, holiday: HolidayTest) -> bool:
        if kind == "HOL" and not holiday(value[4:11]):
            return False
        if kind == "DDD" and weekday != value[:3]:
            return False
        actual = pick(value)
        if plain and len(actual) == len(places) and _is_digits(actual):
            return begin <= actual <= end  # as long as each other, so that they sort as the numbers do
        return first <= m_number(actual) <= last

    return contains


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()
