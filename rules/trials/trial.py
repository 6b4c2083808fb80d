"""What rules would do with an image: judged as the evaluator judges, queued where nothing is sent from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from rules.evaluator.decisions import Queued
from rules.judging.balance import balance_nodes
from rules.judging.desk import MemoryDesk
from rules.judging.evaluate import CompiledRules, StudyMemory, compile_rules
from rules.judging.explain import RuleExplanation, explain
from rules.judging.moment import Moment
from rules.language import for_elements, from_elements, parse_rule_file, resolve, unheeded_by_vista
from rules.language.ast import Rule
from rules.trials import nodes
from rules.trials.given import Given
from rules.trials.places import Places, destinations_of, listed_places, named_places
from rules.trials.queues import TrialQueues, origin_at

DOCUMENTED, VISTA = "documented", "vista"
#: Compiled rules that stay in memory: the lines of a batch often have the same ones.
_KEPT = 64


@dataclass(frozen=True, slots=True)
class TrialRules:
    """Rules to be tried, compiled; `log` is what VistA logs of elements that it drops.

    `warnings` say what of a rule file VistA would take and not heed.
    """

    compiled: CompiledRules
    log: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules in their order."""
        return self.compiled.rules


@lru_cache(maxsize=_KEPT)
def rules_of_elements(elements: tuple[str, ...], semantics: str) -> TrialRules:
    """Compile caret elements, as MAG DICOM ROUTE EVAL START takes them."""
    parsed = from_elements([(str(number), text) for number, text in enumerate(elements, start=2)])
    return TrialRules(compile_rules(parsed.rules, semantics), parsed.log)


@lru_cache(maxsize=_KEPT)
def rules_of_text(text: str, semantics: str) -> TrialRules:
    """Compile a rule file; for VistA's semantics as VistA would get it and carry it out, with what it would not heed as warnings.

    Raises RuleFileErrors, and NotInElements for what VistA cannot be told.
    """
    rules = resolve(parse_rule_file(text))
    if semantics != VISTA:
        return TrialRules(compile_rules(rules, semantics))
    return TrialRules(compile_rules(for_elements(rules), semantics), warnings=tuple(map(str, unheeded_by_vista(rules))))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an image: each rule with its conditions, log lines, and the state of all queues and decisions after it.

    `status` is why no rule was asked, empty when they were; `cached` tells that an earlier image of the study had decided. The
    lines of `send`, `export`, `balance` and `study_cache` are nodes as VistA keeps them.
    """

    rules: tuple[dict[str, Any], ...] = ()
    log: tuple[str, ...] = ()
    send: tuple[str, ...] = ()
    export: tuple[str, ...] = ()
    balance: tuple[str, ...] = ()
    study_cache: tuple[str, ...] = ()
    status: str = ""
    cached: bool = False
    explained: tuple[RuleExplanation, ...] = ()
    queued: tuple[Queued, ...] = ()

    def answer(self) -> dict[str, Any]:
        """Give the answer of a batch's line."""
        names = ("rules", "log", "send", "export", "balance", "study_cache")
        return {name: list(getattr(self, name)) for name in names} | ({"status": self.status} if self.status else {})


def rule_answers(explained: Iterable[RuleExplanation], rules: Sequence[Rule], fired: Iterable[int]) -> tuple[dict[str, Any], ...]:
    """Write explanations as the answer of a trial; `fired` are the rules that did, which for a late image its study decided."""
    met, by_number = set(fired), {rule.number: rule for rule in rules}
    return tuple(
        {
            "number": it.number,
            "matched": it.number in met,
            "action": by_number[it.number].verb,
            "destinations": list(destinations_of(by_number[it.number])),
            "priority": it.priority,
            "conditions": [
                {
                    "keyword": condition.keyword,
                    "operator": condition.operator,
                    "value": condition.value,
                    "actual": _actual(condition.actual),
                    "result": condition.result,
                }
                for condition in it.conditions
            ],
        }
        for it in explained
    )


def _actual(values: Sequence[str]) -> str | list[str] | None:
    """Write what was seen: a text, a list when there were several, None for nothing."""
    return None if not values else values[0] if len(values) == 1 else list(values)


@dataclass(slots=True)
class Trials:
    """Images tried one after the other: what is queued, dealt and decided stays until it is cleared."""

    queues: TrialQueues
    site: Places | None = None
    _desk: MemoryDesk = field(default_factory=MemoryDesk)
    _decided: dict[tuple[int, str], dict[int, bool]] = field(default_factory=dict)

    def clear(self) -> None:
        """Forget everything: queues, balances, decisions."""
        self.queues.clear()
        self._desk = MemoryDesk()
        self._decided.clear()

    def clear_decisions(self) -> None:
        """Forget what was decided of studies; queues and balances stay."""
        self._decided.clear()

    def run(self, rules: TrialRules, given: Given, now: Moment) -> Outcome:
        """Try rules on an image."""
        if given.missing:
            return self._state(status=given.missing)
        places = self._places(rules.rules, given)
        holidays = places.holidays | given.holidays
        facts, key = given.facts, (given.task, given.facts.study_uid)
        known = self._decided.get(key, {})
        fired = frozenset(number for number, did in known.items() if did)
        remembered = StudyMemory(fired, frozenset(known)) if known else None
        self._desk.routers, self._desk.services = places.routers, places.services
        self._desk.prior_studies = given.priors
        evaluation = rules.compiled.evaluate(facts, now, self._desk, remembered, holidays.__contains__)
        origin = origin_at(given.location, now.at)
        made = self.queues.add(evaluation.actions, given.known, origin, places.file_types)
        queued = tuple(map(Queued, evaluation.actions, made))
        if facts.study_uid:
            decided = evaluation.memory.decided
            numbers = {rule.number for rule in rules.rules} if decided is None else decided
            self._decided[key] = known | {number: number in evaluation.memory.fired for number in sorted(numbers)}
        stamp = now.at.strftime("%a %H:%M ")
        explained = explain(rules.compiled, facts, now, holidays.__contains__)
        return self._state(
            rules=rule_answers(explained, rules.rules, evaluation.fired),
            log=tuple(stamp + line for line in (*rules.log, *evaluation.log)),
            cached=evaluation.cached,
            explained=explained,
            queued=queued,
        )

    def _places(self, rules: Sequence[Rule], given: Given) -> Places:
        if given.destinations is not None:
            return listed_places(given.destinations)
        return named_places(rules) if self.site is None else self.site

    def _state(self, **told: Any) -> Outcome:
        return Outcome(
            **told,
            send=tuple(self.queues.sends()),
            export=tuple(self.queues.exports()),
            balance=tuple(balance_nodes(self._desk.balances)),
            study_cache=tuple(nodes.study_cache(self._decided)),
        )
