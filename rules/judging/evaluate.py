"""Judging an image by compiled rules: pure, the same for the evaluator, for trials, for tests and for explanations."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rules.judging.carrying_out import Action, CarryingOut
from rules.judging.desk import Desk
from rules.judging.facts import ImageFacts
from rules.judging.moment import Moment
from rules.judging.program import Program
from rules.judging.reading import HolidayTest, Reading
from rules.judging.semantics import SEMANTICS, Semantics
from rules.language.ast import AllOf, AnyOf, Condition, Expression, Not, Rule
from xwb import collation_key


@dataclass(frozen=True, slots=True)
class StudyMemory:
    """What the earlier images of a study decided: the numbers of the rules that fired, and of those that were decided.

    `decided` None says that every rule of the version was.
    """

    fired: frozenset[int] = frozenset()
    decided: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What came of one image: the rules that fired, what is to be queued, the log's lines, what to remember of the study.

    `log` is without the weekday and time that the evaluator's log has before each line. `cached` says that earlier images of
    the study had decided every rule. Of an image without a study UID nothing is to be remembered.
    """

    fired: tuple[int, ...]
    actions: tuple[Action, ...]
    log: tuple[str, ...]
    memory: StudyMemory
    cached: bool = False


@dataclass(frozen=True, slots=True)
class CompiledRules:
    """Rules under one semantics; `version` identifies both."""

    rules: tuple[Rule, ...]
    semantics: Semantics
    version: str
    program: Program = field(repr=False)
    deck_keys: tuple[str, ...] = field(repr=False)
    #: What the log says of each rule, and the distinct ones of these in the log's order.
    rule_texts: tuple[str, ...] = field(repr=False)
    action_texts: tuple[str, ...] = field(repr=False)
    #: Where each rule stands, from 0, by its number.
    places: Mapping[int, int] = field(repr=False)

    def match(self, facts: ImageFacts, now: Moment, holiday: HolidayTest) -> list[int]:
        """Give the places, from 0, of the rules whose conditions an image meets, whatever its study decided before."""
        return self.program.met(Reading(facts, now, holiday, self.semantics.special))

    def evaluate(
        self, facts: ImageFacts, now: Moment, desk: Desk, remembered: StudyMemory | None, holiday: HolidayTest
    ) -> Evaluation:
        """Judge an image. A study is decided once per rule: `remembered` holds what its earlier images decided.

        The desk's balances are changed in place. `holiday` tells of a FileMan date whether it is one.
        """
        if self.semantics.needs_study and not facts.study_uid:
            return Evaluation((), (), (), StudyMemory(decided=frozenset()))
        kept = self._kept(remembered)
        settled = remembered is not None and self._settled(remembered)
        fired = sorted(kept if settled else [*kept, *self._newly_fired(facts, now, remembered, holiday)])
        outcome = CarryingOut(self.semantics, desk, facts, now)
        for place in fired:
            outcome.carry_out(self.rules[place], self.deck_keys[place], decided_before=place in kept)
        numbers = tuple(self.rules[place].number for place in fired)
        return Evaluation(
            numbers,
            tuple(outcome.actions),
            self._log(facts.image, fired, outcome),
            self._memory(remembered, numbers),
            bool(self.rules) and settled,
        )

    def _settled(self, remembered: StudyMemory) -> bool:
        """Tell whether earlier images decided every rule."""
        return remembered.decided is None or self.places.keys() <= remembered.decided

    def _kept(self, remembered: StudyMemory | None) -> frozenset[int]:
        """Give the places of the rules that earlier images decided to fire; looked up, since thousands may not have fired."""
        if remembered is None:
            return frozenset()
        decided = remembered.fired if remembered.decided is None else remembered.fired & remembered.decided
        return frozenset(self.places[number] for number in decided if number in self.places)

    def _newly_fired(self, facts: ImageFacts, now: Moment, remembered: StudyMemory | None, holiday: HolidayTest) -> Iterable[int]:
        met = self.match(facts, now, holiday)
        decided = remembered.decided if remembered is not None else None
        return [place for place in met if self.rules[place].number not in decided] if decided else met

    def _memory(self, remembered: StudyMemory | None, fired: tuple[int, ...]) -> StudyMemory:
        if remembered is None:
            return StudyMemory(frozenset(fired))
        if remembered.decided is None:
            return remembered
        return StudyMemory(remembered.fired.union(fired), remembered.decided.union(self.places))

    def _log(self, image: int, fired: Iterable[int], outcome: CarryingOut) -> tuple[str, ...]:
        """Write the log: what was met in M's order, then what was not, unless a rule of the same text was met."""
        met = {self.rule_texts[place] for place in fired}
        texts: Sequence[str] = self.action_texts
        if outcome.also or outcome.not_done:
            met |= outcome.also
            texts = sorted({*texts, *met, *outcome.not_done}, key=collation_key)
        done = [f"Image {image}: {text}" for text in texts if text in met]
        not_done = [f"Image {image}: Do not {text}" for text in texts if text not in met]
        return (*outcome.lines, *done, *not_done)


def compile_rules(rules: Sequence[Rule], semantics: str, version: str = "") -> CompiledRules:
    """Compile resolved rules under the semantics of that name, `documented` or `vista`.

    `version` is what they are stored under; without it one is made of their content. Raises RuleError for rules that the
    semantics has no meaning for: `vista` wants them as its elements carry them (`for_vista`).
    """
    chosen = SEMANTICS[semantics]
    taking_part = chosen.check(rules)
    digest = version or hashlib.sha256("\n".join([semantics, *map(_content, taking_part)]).encode()).hexdigest()[:12]
    texts = tuple(rule.action for rule in taking_part)
    in_order = tuple(sorted(set(texts), key=collation_key))
    keys = _distinct([chosen.deck_key(rule) for rule in taking_part])
    places = {rule.number: place for place, rule in enumerate(taking_part)}
    return CompiledRules(taking_part, chosen, digest, Program(taking_part, chosen), keys, texts, in_order, places)


def _distinct(keys: Sequence[str]) -> tuple[str, ...]:
    """Add an occurrence number to a key that came before: two rules share no deck."""
    seen: dict[str, int] = {}
    found = []
    for key in keys:
        seen[key] = seen.get(key, 0) + 1
        found.append(key if seen[key] == 1 else f"{key} #{seen[key]}")
    return tuple(found)


def _content(rule: Rule) -> str:
    """Write all of a rule that counts, and not where it stands in a file."""
    shares = [(share.destination, share.percent, share.cap, share.slot) for share in rule.parameters]
    valid = (rule.valid.begin, rule.valid.end) if rule.valid is not None else None
    parts = [_expression(part) for part in rule.conditions]
    return repr((rule.number, rule.verb, shares, parts, rule.priority, rule.prior_study, rule.name, valid))


def _expression(expression: Expression) -> object:
    match expression:
        case Condition():
            frames = [(frame.mask, frame.begin, frame.end) for frame in expression.frames]
            return (expression.keyword, expression.operator, expression.data_type, expression.value, frames)
        case Not(part):
            return ("not", _expression(part))
        case AllOf(parts) | AnyOf(parts):
            return (type(expression).__name__, [_expression(part) for part in parts])
