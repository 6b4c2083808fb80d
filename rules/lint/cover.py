"""Which parts of the week no rule covers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, time, timedelta

from fileman.dates import from_fileman
from rules.judging.moment import DAYS
from rules.language.ast import Condition, Rule, leaves
from rules.lint.finding import Raised
from rules.lint.formula import Clause, rule_clauses
from rules.lint.scope import Scope
from rules.lint.values import NOW, Literal, meets_at
from rules.lint.week import Instant, counted, seconds_of

#: The week that is looked at where nobody said which day it is.
_ANY_MONDAY = from_fileman("3260105")
_DAY = 86_400


def gaps(scope: Scope) -> Iterator[Raised]:
    """Find the parts of the coming week, holidays left out, in which no rule with frames on NOW can fire."""
    if not scope.options.cover:
        return
    wanted = scope.options.destinations
    if not wanted:
        yield from _gaps(scope, scope.file.rules, "no rule with a time frame fires")
    for destination in wanted:
        theirs = [rule for rule in scope.file.rules if _goes_to(scope, rule, destination)]
        yield from _gaps(scope, theirs, f"no rule with a time frame sends to {destination}")


def _goes_to(scope: Scope, rule: Rule, destination: str) -> bool:
    wanted = scope.destination(destination)
    return any(scope.destination(share.destination) == wanted for share in rule.parameters)


def _gaps(scope: Scope, rules: Iterable[Rule], what: str) -> Iterator[Raised]:
    framed = [rule for rule in rules if rule.enabled and any(leaf.frames for leaf in _on_now(rule))]
    if not framed:
        return
    alternatives = {_now_only(clause) for rule in framed for clause in rule_clauses(rule) or ()}
    monday = _monday(scope.options.today)
    starts = sorted({at for rule in framed for leaf in _on_now(rule) for at in _bounds(leaf)})
    open_since: int | None = None
    for start in (*starts, 7 * _DAY):
        instant = Instant(monday + timedelta(seconds=start))
        covered = start >= 7 * _DAY or any(all(meets_at(one, instant) for one in each) for each in alternatives)
        if covered and open_since is not None:
            yield Raised("R204", f"From {_spoken(open_since)} to {_spoken(start - 1)} {what}.", framed[0])
            open_since = None
        elif not covered and open_since is None:
            open_since = start


def _on_now(rule: Rule) -> list[Condition]:
    return [leaf for condition in rule.conditions for leaf in leaves(condition) if leaf.keyword == NOW]


def _now_only(clause: Clause) -> frozenset[Literal]:
    return frozenset(one for one in clause if one.field == NOW and one.is_date)


def _monday(today: str) -> datetime:
    """Give the Monday of this week; days before today count as those of this week as well."""
    if not today:
        return _ANY_MONDAY
    day = from_fileman(today)
    return datetime.combine(day, time()) - timedelta(days=day.weekday())


def _bounds(condition: Condition) -> Iterator[int]:
    """Give the seconds of the week at which a condition may begin or end to hold."""
    clock = {0}
    for frame in condition.frames:
        last = max(counted(frame), default=0)
        for text in (frame.begin, frame.end):
            digits = text[12 : last + 1]
            if digits.isdecimal() and len(digits) in (4, 6):
                first, final = seconds_of(digits)
                clock |= {first, final + 1}
    return (day * _DAY + second for day in range(7) for second in clock if second < _DAY)


def _spoken(second: int) -> str:
    day, rest = divmod(second, _DAY)
    return f"{DAYS[day]} {rest // 3600:02d}:{rest % 3600 // 60:02d}"
