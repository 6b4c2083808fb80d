"""Rules run over stored images: where these would go, and what that gains and loses. Nothing is queued."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from rules.judging.desk import MemoryDesk
from rules.judging.evaluate import CompiledRules, StudyMemory
from rules.language.ast import BALANCE
from rules.trials.ledger import IN_MEMORY, Ledger, StudySoFar
from rules.trials.places import Places, leads_to
from rules.trials.report import Report
from rules.trials.stored import StoredImage, Window

#: Sets of rules of which a side learns where they send an image.
LEARNED = 10_000
#: What the other side is.
HAPPENED, OTHER_RULES = "what happened", "other rules"


@dataclass(slots=True)
class Side:
    """One set of rules that images are run through, with fresh decks: the balances of running evaluators are not asked.

    Images of prior studies, which PRIORSTUDY takes along, are left out on every side.
    """

    compiled: CompiledRules
    places: Places
    number: int = 0
    _desk: MemoryDesk = field(init=False)
    _sent: dict[frozenset[int], frozenset[str]] = field(default_factory=dict)
    _balancing: frozenset[int] = field(init=False)

    def __post_init__(self) -> None:
        self._desk = MemoryDesk(self.places.routers, self.places.services)
        self._balancing = frozenset(rule.number for rule in self.compiled.rules if rule.verb == BALANCE)

    def would_send(self, image: StoredImage, study: StudySoFar) -> frozenset[str]:
        """Tell where an image would go; its study remembers what was decided.

        Of a study whose rules are all decided, and of which none balances, each image goes where others with the same rules went.
        """
        remembered = study.memories[self.number]
        if remembered is not None and remembered.decided is None and remembered.fired in self._sent:
            return self._sent[remembered.fired]
        facts = image.know()
        holidays = self.places.holidays if image.holidays is None else image.holidays
        evaluation = self.compiled.evaluate(facts, image.now, self._desk, remembered, holidays.__contains__)
        sent = frozenset(leads_to(it.verb, it.name) for it in evaluation.actions if self.places.takes(it.verb, it.destination))
        if image.study:
            study.memories[self.number] = evaluation.memory
            self._learn(evaluation.memory, sent)
        self._desk.balances.changes()  # nobody writes them down
        return sent

    def _learn(self, memory: StudyMemory, sent: frozenset[str]) -> None:
        if memory.decided is None and self._balancing.isdisjoint(memory.fired) and len(self._sent) < LEARNED:
            self._sent[memory.fired] = sent


def replay(
    images: Iterable[StoredImage], window: Window, side: Side, against: Side | None = None, *, in_memory: int = IN_MEMORY
) -> Report:
    """Run the images through the rules, and through others where these are given.

    A study is decided once per rule, by its first image: inside the window, as far as the replay knows. Of so many studies what
    is known stays in memory, of the others in a temporary file.
    """
    report = Report(window.since, window.until, HAPPENED if against is None else OTHER_RULES)
    ledger = Ledger(in_memory)
    try:
        for image in images:
            _count(report, ledger, image, side, against)
    finally:
        ledger.close()
    return report


def _count(report: Report, ledger: Ledger, image: StoredImage, side: Side, against: Side | None) -> None:
    report.images += 1
    study, new = ledger.study(image.study or f"image {image.ien}")
    report.studies += new
    report.begun_before += new and image.begun_before
    if image.fileless:
        report.fileless += 1
        return
    would = side.would_send(image, study)
    if against is not None:
        report.count(study, would, against.would_send(image, study))
        return
    report.undecided += image.sent is None
    report.count(study, would, side.places.taking(image.sent or ()))
