"""Explaining what rules make of an image: each condition with what it saw, evaluated again from the facts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rules.judging.evaluate import CompiledRules
from rules.judging.facts import ImageFacts
from rules.judging.moment import Moment
from rules.judging.program import verdict_of
from rules.judging.reading import HolidayTest, Reading, Verdict
from rules.judging.semantics import Semantics
from rules.language.ast import AllOf, AnyOf, Condition, Expression, Frame, Not, Rule, leaves
from rules.language.frames import frame_text


@dataclass(frozen=True, slots=True)
class ConditionExplanation:
    """One condition of a rule, with the values that it saw and its own verdict: None for undefined.

    `within` says how it stands in the rule: "" where it must hold, else `not`, `any 1` for the first of several parts of
    which one suffices, `all 2` for the second of several that belong together inside of those; outermost first, parted by a
    blank and a greater-than sign.
    """

    keyword: str
    operator: str
    value: str
    actual: tuple[str, ...]
    result: Verdict
    why: str
    within: str = ""


@dataclass(frozen=True, slots=True)
class RuleExplanation:
    """One rule: whether the image meets it, and why. `why` is of the rule as a whole: its validity, an image without a study."""

    number: int
    name: str
    action: str
    destinations: tuple[str, ...]
    priority: int
    matched: bool
    conditions: tuple[ConditionExplanation, ...]
    why: str = ""


def explain(compiled: CompiledRules, facts: ImageFacts, now: Moment, holiday: HolidayTest) -> tuple[RuleExplanation, ...]:
    """Explain each rule that takes part, whatever the study's earlier images decided. The same facts give the same answer."""
    semantics = compiled.semantics
    reading = Reading(facts, now, holiday, semantics.special)
    return tuple(_explain(rule, semantics, reading) for rule in compiled.rules)


def _explain(rule: Rule, semantics: Semantics, reading: Reading) -> RuleExplanation:
    verdicts = {leaf: semantics.test(leaf)(reading) for part in rule.conditions for leaf in leaves(part)}
    held = [verdict_of(part, verdicts) not in semantics.blocking for part in rule.conditions]
    why = _obstacle(rule, semantics, reading)
    conditions = tuple(
        ConditionExplanation(
            leaf.keyword,
            leaf.operator,
            value_text(leaf),
            reading.values(leaf.keyword),
            verdicts[leaf],
            semantics.why(leaf, reading, verdicts[leaf]),
            " > ".join(within),
        )
        for part in rule.conditions
        for leaf, within in _standing(part, ())
    )
    return RuleExplanation(
        rule.number,
        rule.name,
        rule.action,
        tuple(share.destination for share in rule.parameters),
        semantics.priority(rule.priority, reading.facts),
        all(held) and not why,
        conditions,
        why,
    )


def _obstacle(rule: Rule, semantics: Semantics, reading: Reading) -> str:
    if semantics.needs_study and not reading.facts.study_uid:
        return "the image has no study UID"
    if rule.valid is not None and not semantics.is_valid(rule, reading.now.day):
        bounds = [f"{word} {day}" for word, day in (("from", rule.valid.begin), ("until", rule.valid.end)) if day]
        return f"valid {' '.join(bounds)}, and it is {reading.now.day}"
    return ""


def _standing(expression: Expression, within: tuple[str, ...]) -> Iterator[tuple[Condition, tuple[str, ...]]]:
    match expression:
        case Condition():
            yield expression, within
        case Not(part):
            yield from _standing(part, (*within, "not"))
        case AllOf(parts):
            for place, part in enumerate(parts, start=1):
                yield from _standing(part, (*within, f"all {place}"))
        case AnyOf(parts):
            for place, part in enumerate(parts, start=1):
                yield from _standing(part, (*within, f"any {place}"))


def value_text(condition: Condition) -> str:
    """Write what a condition compares with: its value, or its time frames as the rule file writes them."""
    if not condition.frames:
        return condition.value
    return "{" + "; ".join(_frame_text(frame) for frame in condition.frames) + "}"


def _frame_text(frame: Frame) -> str:
    return frame_text(frame) or f"{frame.begin} to {frame.end} by {frame.mask}"
