"""What a semantics decides: whether a condition holds, and how urgent a rule's action is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from rules.ast import Condition
from rules.facts import ImageFacts
from rules.moment import Moment

HolidayTest = Callable[[str], bool]
#: True, False, or None for undefined.
Verdict = bool | None
Test = Callable[[ImageFacts, Moment, HolidayTest], Verdict]

BASE_PRIORITY = {"HIGH": 750, "NORMAL": 500, "MEDIUM": 500, "LOW": 250}
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


def leading_number(text: str) -> float:
    """Read the number that a text begins with, as M does; 0 when it begins with none."""
    digits = ""
    for character in text:
        if not (character in "0123456789" or (character == "." and "." not in digits) or (character in "+-" and not digits)):
            break
        digits += character
    try:
        return float(digits)
    except ValueError:
        return 0.0


def within(mask: str, begin: str, end: str, value: str) -> bool:
    """Compare the places of an upper-case mask, from the fourth on, as one number each."""
    places = [place for place in range(3, len(mask)) if "A" <= mask[place] <= "Z"]

    def number(text: str) -> float:
        return leading_number("".join(text[place] for place in places if place < len(text)))

    actual = number(value)
    return number(begin) <= actual <= number(end)
