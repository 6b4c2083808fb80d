"""Reading an image's facts while rules judge it: each fact at most once, each shared condition at most once."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rules.judging.facts import ImageFacts
from rules.judging.moment import Moment, full_of_date

HolidayTest = Callable[[str], bool]
#: True, False, or None for undefined.
Verdict = bool | None
#: What a keyword means that is not looked up in the facts as it stands: NOW, URGENCY.
Special = Callable[[ImageFacts, Moment], tuple[str, ...]]


class Reading:
    """The facts of one image at one moment, read through by the rules of one version."""

    __slots__ = ("_dates", "_special", "_values", "facts", "holiday", "now", "verdicts")

    def __init__(self, facts: ImageFacts, now: Moment, holiday: HolidayTest, special: Mapping[str, Special]) -> None:
        self.facts = facts
        self.now = now
        self.holiday = holiday
        #: Verdicts of conditions that several rules share, by their number in the program.
        self.verdicts: dict[int, Verdict] = {}
        self._special = special
        self._values: dict[str, tuple[str, ...]] = {}
        self._dates: dict[str, tuple[str | None, ...]] = {}

    def values(self, keyword: str) -> tuple[str, ...]:
        """Give the values of a keyword; none when it is undefined."""
        found = self._values.get(keyword)
        if found is None:
            special = self._special.get(keyword)
            found = self.facts.values.get(keyword, ()) if special is None else special(self.facts, self.now)
            self._values[keyword] = found
        return found

    def dates(self, keyword: str) -> tuple[str | None, ...]:
        """Give the values of a keyword as dates in full (`MON 3240115.153045`); None for a value that is no date."""
        found = self._dates.get(keyword)
        if found is None:
            found = tuple(_in_full(value) for value in self.values(keyword))
            self._dates[keyword] = found
        return found


def _in_full(value: str) -> str | None:
    """Write a date in full, which it may be already; None for what is no date."""
    return value if len(value) == FULL and value[3] == " " else full_of_date(value)


FULL = len("MON 3240115.153045")
