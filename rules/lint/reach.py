"""Rules that can never fire, conditions that never or always hold, and conditions that add nothing to the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rules.language.ast import AnyOf, Condition, Expression, Place, Rule, leaves
from rules.lint.finding import Raised
from rules.lint.formula import all_clauses, all_imply, clauses, never, rule_clauses
from rules.lint.scope import Scope, written
from rules.lint.values import EQUAL, UNEQUAL, URGENCY, Literal, is_known, literal
from rules.lint.week import frames_of, is_empty


def place_of(expression: Expression) -> Place | None:
    """Find where an expression begins: at its first condition."""
    return next((leaf.place for leaf in leaves(expression)), None)


def unreachable(scope: Scope) -> Iterator[Raised]:
    """Find rules that no image can make fire, and say which condition is to blame."""
    for rule in scope.file.rules:
        dead = [condition for condition in rule.conditions if never(clauses(condition))]
        for condition in dead:
            if not _has_a_finding_of_its_own(condition):
                problem = f"{written(condition)} can never hold, so the rule can never fire."
                yield Raised("R102", problem, rule, place_of(condition))
        if not dead and rule.conditions and never(rule_clauses(rule)):
            yield _contradiction(rule)


def _has_a_finding_of_its_own(condition: Expression) -> bool:
    """Tell whether other checks say already why a condition never holds."""
    if not isinstance(condition, Condition):
        return False
    empty = bool(condition.frames) and all(map(is_empty, frames_of(condition)))
    no_urgency = condition.keyword == URGENCY and condition.operator in (EQUAL, UNEQUAL)
    return no_urgency or empty or not is_known(literal(condition, holds=True))


def _contradiction(rule: Rule) -> Raised:
    """Find the first condition that no longer goes with those before it, and one of them that is enough to exclude it."""
    for at in range(1, len(rule.conditions)):
        last, before = rule.conditions[at], rule.conditions[:at]
        if not never(all_clauses((*before, last))):
            continue
        other = next((one for one in before if never(all_clauses((one, last)))), None)
        rest = written(other) if other is not None else "what stands before it"
        return Raised("R101", f"{written(last)} and {rest} cannot both hold: the rule can never fire.", rule, place_of(last))
    problem = "Its conditions hold on none of the days on which it is valid: the rule can never fire."
    return Raised("R101", problem, rule, remedy="Change the validity or the frames so that they share a day.")


def certain(scope: Scope) -> Iterator[Raised]:
    """Find conditions that hold for every image that has their keywords."""
    for rule in scope.file.rules:
        for condition in rule.conditions:
            if is_certain(condition):
                keywords = ", ".join(dict.fromkeys(leaf.keyword for leaf in leaves(condition)))
                alone = len(rule.conditions) == 1
                problem = f"{written(condition)} holds for every image that has {keywords}" + (
                    ": the rule is for all of them." if alone else ", and the rule has other conditions."
                )
                yield Raised("R103", problem, rule, place_of(condition))


def is_certain(condition: Expression) -> bool:
    """Tell whether a condition is never false, and can be true."""
    if isinstance(condition, Condition) and condition.keyword == URGENCY:
        return False  # a value that URGENCY never has is a finding of its own
    return never(clauses(condition, holds=False)) and not never(clauses(condition))


def alternatives(scope: Scope) -> Iterator[Raised]:
    """Find parts of an `or` that cannot hold beside the rest of the rule; where none can, the rule can never fire."""
    for rule in scope.file.rules:
        if never(rule_clauses(rule)):
            continue
        for at, condition in enumerate(rule.conditions):
            if not isinstance(condition, AnyOf):
                continue
            rest = (*rule.conditions[:at], *rule.conditions[at + 1 :])
            dead = [part for part in condition.parts if never(all_clauses((*rest, part)))]
            if len(dead) == len(condition.parts):
                problem = f"None of {written(condition)} can hold beside the rest of the rule: the rule can never fire."
                yield Raised("R101", problem, rule, place_of(condition))
                break
            for part in dead:
                if not _has_a_finding_of_its_own(part):
                    problem = f"{written(part)} can never hold beside the rest of the rule."
                    yield Raised("R104", problem, rule, place_of(part))


def superfluous(scope: Scope) -> Iterator[Raised]:
    """Find conditions that the others imply, and alternatives that others contain."""
    for rule in scope.file.rules:
        if len(rule.conditions) > 1 and not never(rule_clauses(rule)):
            yield from _implied(rule)
        for condition in rule.conditions:
            if isinstance(condition, AnyOf):
                yield from _contained(rule, condition)


def _implied(rule: Rule) -> Iterator[Raised]:
    kept: list[Expression] = list(rule.conditions)
    for condition in reversed(rule.conditions):
        if is_certain(condition):
            continue
        rest = _without(kept, condition)
        fields = {_field(leaf) for other in rest for leaf in leaves(other)}
        related = all(_field(leaf) in fields for leaf in leaves(condition))
        if rest and related and all_imply(all_clauses(rest), clauses(condition)):
            kept = rest
            problem = f"{written(condition)} holds wherever the rest of the rule does: it adds nothing."
            yield Raised("R107", problem, rule, place_of(condition))


def _field(leaf: Condition) -> str:
    return Literal(leaf, holds=True).field


def _contained(rule: Rule, condition: AnyOf) -> Iterator[Raised]:
    kept: list[Expression] = list(condition.parts)
    for part in reversed(condition.parts):
        rest = _without(kept, part)
        own = clauses(part)
        if rest and not never(own) and any(all_imply(own, clauses(other)) for other in rest):
            kept = rest
            problem = f"{written(part)} is contained in another alternative: it adds nothing."
            yield Raised("R107", problem, rule, place_of(part))


def _without(parts: Sequence[Expression], one: Expression) -> list[Expression]:
    """Leave one part out, the object itself: an equal one may stand elsewhere."""
    return [part for part in parts if part is not one]


def unconditional(scope: Scope) -> Iterator[Raised]:
    """Find rules without any condition."""
    for rule in scope.file.rules:
        if not rule.conditions:
            yield Raised("R108", "The rule has no conditions: it fires for every image.", rule)
