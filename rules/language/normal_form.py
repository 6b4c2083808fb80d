"""Saying rules in flat ones, as the caret elements carry them: conditions side by side, each a comparison.

A rule with alternatives becomes several, of which at least one fires exactly when the rule does. That holds where a field is
undefined too: in three-valued logic `and`, `or` and `not` are moved past each other as in two-valued.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import product
from math import prod
from typing import NoReturn

from rules.language.ast import BALANCE, AllOf, AnyOf, Condition, Expression, Not, Rule, leaves
from rules.language.errors import NotForVista, NotInElements, Reason
from rules.language.frames import validity_frame
from rules.language.keywords import DATE_TYPES, KEYWORDS

#: How many flat rules one rule may become.
MOST_RULES = 64
_OPPOSITE = {"=": "!=", "!=": "="}

_Flat = tuple[Condition, ...]


def for_elements(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Say resolved rules in flat ones, numbered anew, for an evaluator that heeds all that elements say: ours.

    Validity becomes a frame of NOW; disabled rules are left out; rule names are lost. Raises NotInElements with every reason.
    """
    flat, reasons = _flattened(rules)
    if reasons:
        raise NotInElements(reasons)
    return flat


def for_vista(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Say resolved rules in flat ones, numbered anew, which a real VistA carries out as they are meant (RULES^MAGBRTE4).

    Raises NotForVista with every reason: what elements cannot carry, and what VistA would take and let every image pass.
    """
    given = tuple(rules)
    flat, reasons = _flattened(given)
    reasons += unheeded_by_vista(given)
    if reasons:
        raise NotForVista(sorted(reasons, key=lambda reason: reason.rule))
    return flat


def unheeded_by_vista(rules: Iterable[Rule]) -> list[Reason]:
    """Give the reasons for which VistA would take resolved rules and not do what they say: what it lets every image pass."""
    return [reason for rule in rules if rule.enabled for part in rule.conditions for reason in _unheeded(rule, part)]


def is_flat(rule: Rule) -> bool:
    """Tell whether elements carry a rule as it stands."""
    return rule.enabled and rule.valid is None and all(isinstance(part, Condition) for part in rule.conditions)


def _flattened(rules: Iterable[Rule]) -> tuple[tuple[Rule, ...], list[Reason]]:
    flat: list[Rule] = []
    reasons: list[Reason] = []
    for rule in rules:
        if not rule.enabled:
            continue
        found = list(_obstacles(rule))
        reasons += found
        if not found:
            flat += (_rule(rule, conditions) for conditions in _alternatives(rule))
    return tuple(replace(rule, number=number) for number, rule in enumerate(flat, start=1)), reasons


def _rule(rule: Rule, conditions: _Flat) -> Rule:
    if rule.valid is not None:
        conditions += (Condition("NOW", "=", "DT", "", (validity_frame(rule.valid),), rule.place),)
    return replace(rule, conditions=conditions, name="", valid=None)


def _obstacles(rule: Rule) -> Iterator[Reason]:
    """Give the reasons for which elements cannot carry a rule."""
    plain = [_plain(part, negated=False) for part in rule.conditions]
    for part in plain:
        for leaf in leaves(part):
            if leaf.operator not in _OPPOSITE and leaf.operator.startswith("not "):
                text = f"`not` before {leaf.operator[4:]} differs from the opposite where a field has several values"
                yield Reason.of(rule, text, leaf.place)
    count = prod(_count(part) for part in plain)
    if count > 1 and rule.verb == BALANCE:
        yield Reason.of(rule, "a balance with alternatives would become several, each with a deck of its own")
    elif count > MOST_RULES:
        yield Reason.of(
            rule, f"it would become {count if count < 10**6 else 'more than a million'} rules; {MOST_RULES} is the most"
        )


def _plain(expression: Expression, *, negated: bool) -> Expression:
    """Move `not` down to the comparisons."""
    match expression:
        case Not(part):
            return _plain(part, negated=not negated)
        case Condition(operator=operator):
            return replace(expression, operator=_OPPOSITE.get(operator, f"not {operator}")) if negated else expression
        case AllOf(parts) | AnyOf(parts):
            kind = AllOf if isinstance(expression, AllOf) is not negated else AnyOf
            return kind(tuple(_plain(part, negated=negated) for part in parts))


def _count(expression: Expression) -> int:
    """Count the alternatives of an expression, without making them."""
    match expression:
        case AllOf(parts):
            return prod(_count(part) for part in parts)
        case AnyOf(parts):
            return sum(_count(part) for part in parts)
    return 1


def _alternatives(rule: Rule) -> list[_Flat]:
    whole = AllOf(tuple(_plain(part, negated=False) for part in rule.conditions))
    return list(dict.fromkeys(_disjuncts(whole)))


def _disjuncts(expression: Expression) -> Iterator[_Flat]:
    match expression:
        case Condition():
            yield (expression,)
        case AnyOf(parts):
            for part in parts:
                yield from _disjuncts(part)
        case AllOf(parts):
            for combination in product(*(list(_disjuncts(part)) for part in parts)):
                yield tuple(dict.fromkeys(condition for flat in combination for condition in flat))
        case Not():
            _unreachable(expression)


def _unreachable(expression: Expression) -> NoReturn:
    raise AssertionError(f"`not` was left in {expression}")


def _unheeded(rule: Rule, expression: Expression) -> Iterator[Reason]:
    """Give the reasons for which VistA would not do what a rule says."""
    for leaf in leaves(_plain(expression, negated=False)):
        text = _why_unheeded(leaf)
        if text:
            yield Reason.of(rule, text, leaf.place)


def _why_unheeded(condition: Condition) -> str:
    keyword, operator = condition.keyword, condition.operator.removeprefix("not ")
    if keyword not in KEYWORDS:
        return f"VistA's evaluator looks up no DICOM elements: {keyword} would be true of every image"
    if condition.data_type not in DATE_TYPES:
        return (
            "" if operator in _OPPOSITE else f"VistA compares texts with = and != only: {keyword}{operator} would always be true"
        )
    if KEYWORDS[keyword] not in DATE_TYPES:
        return f"{keyword} is no date"
    if operator != "=":
        return f"VistA compares dates with = only: {keyword}{operator} would always be true"
    if not condition.frames:
        return f"VistA compares dates with frames only: {keyword}={condition.value} would never be true"
    if keyword != "NOW":
        return f"VistA compares other places of {keyword} than those that its frames name"
    return ""
