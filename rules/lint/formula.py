"""A rule's conditions as alternatives of which each is a list of literals: whether one can be met, and what it implies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import groupby

from rules.language.ast import AllOf, AnyOf, Condition, Expression, Not, Rule
from rules.lint.values import Literal, entails, impossible, literal, within_days

#: Alternatives that an expression may have; what has more is left open.
MOST_CLAUSES = 512

#: What holds together: one alternative.
Clause = frozenset[Literal]


@lru_cache(maxsize=16384)
def clauses(expression: Expression, *, holds: bool = True) -> tuple[Clause, ...] | None:
    """Write out when an expression is true, or false: one of these alternatives is met. None where there are too many.

    This is exact in three-valued logic: `not` of a true expression is false and the other way about, and `and` is false
    exactly when a part is. Conditions in the answer may be those of an equal expression: they have its places.
    """
    match expression:
        case Condition():
            return (frozenset([literal(expression, holds=holds)]),)
        case Not(part):
            return clauses(part, holds=not holds)
        case AllOf(parts) | AnyOf(parts):
            found = [clauses(part, holds=holds) for part in parts]
            known = [each for each in found if each is not None]
            if len(known) < len(found):
                return None
            return _all_of(known) if isinstance(expression, AllOf) is holds else _any_of(known)


def _any_of(parts: Sequence[tuple[Clause, ...]]) -> tuple[Clause, ...] | None:
    joined = tuple(dict.fromkeys(clause for part in parts for clause in part))
    return joined if len(joined) <= MOST_CLAUSES else None


def _all_of(parts: Sequence[tuple[Clause, ...]]) -> tuple[Clause, ...] | None:
    """Multiply alternatives out; those that nothing can meet are dropped on the way."""
    joined: tuple[Clause, ...] = (frozenset(),)
    for part in parts:
        if len(joined) * len(part) > MOST_CLAUSES:
            return None
        together = dict.fromkeys(left | right for left in joined for right in part)
        joined = tuple(clause for clause in together if not unmeetable(clause)) if len(parts) > 1 else tuple(together)
    return joined


def all_clauses(expressions: Iterable[Expression]) -> tuple[Clause, ...] | None:
    """Write out when all of some expressions are true; None where there are too many alternatives."""
    found = [clauses(expression) for expression in expressions]
    known = [each for each in found if each is not None]
    return _all_of(known) if len(known) == len(found) else None


def rule_clauses(rule: Rule) -> tuple[Clause, ...] | None:
    """Write out when a rule fires: its conditions hold, on a day on which it is valid."""
    found = all_clauses(rule.conditions)
    if found is None or rule.valid is None:
        return found
    valid = within_days(rule.valid)
    return tuple(clause | {valid} for clause in found)


def by_field(clause: Iterable[Literal]) -> dict[str, frozenset[Literal]]:
    """Sort literals by the field that they look at."""
    ordered = sorted(clause, key=lambda one: one.field)
    return {field: frozenset(group) for field, group in groupby(ordered, key=lambda one: one.field)}


@lru_cache(maxsize=65536)
def unmeetable(clause: Clause) -> bool:
    """Tell whether no image can meet an alternative: one of the fields that it looks at cannot."""
    return any(impossible(group) for group in by_field(clause).values())


def never(found: tuple[Clause, ...] | None) -> bool:
    """Tell whether no image can meet any alternative."""
    return found is not None and all(unmeetable(clause) for clause in found)


def implies(given: Clause, wanted: Clause) -> bool:
    """Tell whether an image that meets one alternative meets the other."""
    known = by_field(given)
    return all(one.field in known and entails(known[one.field], one) for one in wanted)


def all_imply(given: tuple[Clause, ...] | None, wanted: tuple[Clause, ...] | None) -> bool:
    """Tell whether an image that meets any alternative of one meets one of the other."""
    if given is None or wanted is None:
        return False
    return all(any(implies(clause, other) for other in wanted) or unmeetable(clause) for clause in given)
