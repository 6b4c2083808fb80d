"""Rules that do not work today: their validity is over or has not begun, or they are switched off."""

from __future__ import annotations

from collections.abc import Iterator

from rules.lint.finding import Raised
from rules.lint.scope import Scope
from rules.lint.times import is_day


def validity(scope: Scope) -> Iterator[Raised]:
    """Check validity against its own order, and against today when that is known."""
    today = scope.options.today
    for rule in scope.file.rules:
        if not rule.enabled:
            yield Raised("R504", "The rule is switched off.", rule)
        if rule.valid is None:
            continue
        begin, end = rule.valid.begin, rule.valid.end
        impossible = [day for day in (begin, end) if day and not is_day(day)]
        if impossible:
            yield Raised("R203", f"{impossible[0]} is no day of the calendar.", rule)
        elif begin and end and begin > end:
            yield Raised("R503", "The rule's validity begins after its end: there is no day on which it fires.", rule)
        elif today and end and end < today:
            yield Raised("R501", f"The rule's validity ended on {_iso(end)}.", rule)
        elif today and begin > today:
            yield Raised("R502", f"The rule's validity begins on {_iso(begin)}.", rule)


def _iso(day: str) -> str:
    return f"{int(day[:3]) + 1700}-{day[3:5]}-{day[5:7]}"
