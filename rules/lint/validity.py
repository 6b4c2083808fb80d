"""Rules that do not work today: their validity is over or has not begun, or they are switched off."""

from __future__ import annotations

from collections.abc import Iterator

from rules.language.frames import iso_day
from rules.lint.finding import Raised
from rules.lint.scope import Scope


def validity(scope: Scope) -> Iterator[Raised]:
    """Check validity against today when that is known."""
    today = scope.options.today
    for rule in scope.file.rules:
        if not rule.enabled:
            yield Raised("R503", "The rule is switched off.", rule)
        if rule.valid is None:
            continue
        begin, end = rule.valid.begin, rule.valid.end
        if today and end and end < today:
            yield Raised("R501", f"The rule's validity ended on {iso_day(end) or end}.", rule)
        elif today and begin > today:
            yield Raised("R502", f"The rule's validity begins on {iso_day(begin) or begin}.", rule)
