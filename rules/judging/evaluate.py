"""Judging an image by compiled rules: pure, the same for the evaluator, for tests and for explanations."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from rules.judging.facts import ImageFacts
from rules.judging.moment import Moment
from rules.judging.semantics import SEMANTICS, Semantics, Test
from rules.language.ast import DICOM, SEND, Condition, Rule
from rules.language.elements import to_elements


@dataclass(frozen=True, slots=True)
class Destinations:
    """How an action's destination is looked up: router locations for SEND, DICOM services for DICOM."""

    router: Callable[[str], int | None]
    service: Callable[[str], int | None]


@dataclass(frozen=True, slots=True)
class Action:
    """Something to queue: a copy to a router location (SEND) or a DICOM object to a service (DICOM)."""

    verb: str
    rule: int
    name: str
    destination: int
    priority: int
    prior_study: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What one rule decided, and why."""

    rule: int
    fired: bool
    cached: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What came of one image: decisions, actions, the evaluator's log lines, what to remember of the study."""

    decisions: tuple[Decision, ...]
    actions: tuple[Action, ...]
    log: tuple[str, ...]
    remember: Mapping[int, bool]


@dataclass(frozen=True, slots=True)
class CompiledRules:
    """Rules under one semantics; `version` identifies both."""

    rules: tuple[Rule, ...]
    semantics: Semantics
    version: str
    tests: tuple[tuple[tuple[Condition, Test], ...], ...] = field(repr=False)

    def evaluate(
        self,
        facts: ImageFacts,
        now: Moment,
        destinations: Destinations,
        remembered: Mapping[int, bool],
        holiday: Callable[[str], bool],
    ) -> Evaluation:
        """Judge an image. A study is decided once per rule: `remembered` holds what the study's earlier images decided."""
        if self.semantics.needs_study and not facts.study_uid:
            return Evaluation((), (), (), {})
        decisions: list[Decision] = []
        actions: list[Action] = []
        met: set[str] = set()
        unmet: set[str] = set()
        remember: dict[int, bool] = {}
        for rule, tests in zip(self.rules, self.tests, strict=True):
            decision = self._decide(rule, tests, facts, now, remembered, holiday)
            decisions.append(decision)
            remember[rule.number] = decision.fired
            (met if decision.fired else unmet).add(rule.action)
            if decision.fired:
                outcome = self._act(rule, facts, destinations)
                if isinstance(outcome, Action):
                    actions.append(outcome)
                elif outcome:
                    unmet.add(outcome)
        image = facts.image
        log = [f"Image {image}: {text}" for text in sorted(met)]
        log.extend(f"Image {image}: Do not {text}" for text in sorted(unmet - met))
        return Evaluation(tuple(decisions), tuple(actions), tuple(log), remember)

    def _decide(
        self,
        rule: Rule,
        tests: tuple[tuple[Condition, Test], ...],
        facts: ImageFacts,
        now: Moment,
        remembered: Mapping[int, bool],
        holiday: Callable[[str], bool],
    ) -> Decision:
        if rule.number in remembered:
            fired = remembered[rule.number]
            return Decision(rule.number, fired, cached=True, reason="" if fired else "decided by an earlier image of the study")
        for condition, test in tests:
            verdict = test(facts, now, holiday)
            if not self.semantics.passes(verdict):
                return Decision(rule.number, fired=False, cached=False, reason=_reason(condition, verdict, facts))
        return Decision(rule.number, fired=True, cached=False)

    def _act(self, rule: Rule, facts: ImageFacts, destinations: Destinations) -> Action | str:
        """Give the action to queue, or what the log says instead; only SEND and DICOM queue anything here."""
        look_up = {SEND: destinations.router, DICOM: destinations.service}.get(rule.verb)
        if look_up is None:
            return ""
        name = rule.location
        if not name:
            return f"No location for rule {rule.number}"
        destination = look_up(name)
        if destination is None:
            return f'Cannot find location "{name}".'
        priority = self.semantics.priority(rule.priority, facts)
        return Action(rule.verb, rule.number, name, destination, priority, rule.prior_study == "YES")


def _reason(condition: Condition, verdict: bool | None, facts: ImageFacts) -> str:
    if verdict is None:
        return f"{condition.keyword} is undefined"
    values = facts.values.get(condition.keyword) or ((facts.urgency,) if condition.keyword == "URGENCY" else ())
    return f"{condition} does not hold" + (f": {condition.keyword} is {', '.join(values)}" if values else "")


def compile_rules(rules: Sequence[Rule], semantics: str) -> CompiledRules:
    """Compile rules under the semantics of that name, `documented` or `vista`."""
    chosen = SEMANTICS[semantics]
    text = "\n".join([semantics, *to_elements(rules)])
    version = hashlib.sha256(text.encode()).hexdigest()[:12]
    tests = tuple(tuple((condition, chosen.test(condition)) for condition in rule.conditions) for rule in rules)
    return CompiledRules(tuple(rules), chosen, version, tests)
