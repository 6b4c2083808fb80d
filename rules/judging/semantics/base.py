"""What a semantics decides: whether a condition holds, and how urgent a rule's action is."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Protocol

from rules.judging.facts import ImageFacts
from rules.judging.moment import Moment
from rules.language.ast import Condition
from xwb import m_number

HolidayTest = Callable[[str], bool]
#: True, False, or None for undefined.
Verdict = bool | None
Test = Callable[[ImageFacts, Moment, HolidayTest], Verdict]

DEFAULT_PRIORITY = 500
URGENCY_BONUS = {"STAT": 20, "URGENT": 10}


class Semantics(Protocol):
    """One reading of the rules, chosen once when rules are compiled."""

    name: str
    #: Whether rules leave an image without a study UID alone.
    needs_study: bool

    def test(self, condition: Condition) -> Test:
        """Compile a condition."""

    def passes(self, verdict: Verdict) -> bool:
        """Tell whether a rule may still fire after this verdict of one of its conditions."""

    def priority(self, level: str, facts: ImageFacts) -> int:
        """Give the priority of an action: 750, 500 or 250, and more for urgent orders."""


def within(mask: str, begin: str, end: str, value: str) -> bool:
    """Compare the places of an upper-case mask, from the fourth on, as one number each."""
    places = [place for place in range(3, len(mask)) if "A" <= mask[place] <= "Z"]

    def number(text: str) -> Decimal:
        return m_number("".join(text[place] for place in places if place < len(text)))

    actual = number(value)
    return number(begin) <= actual <= number(end)
