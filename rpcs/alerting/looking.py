"""One look at everything that there are alerts of: a table of what looks for what, and how often."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from fileman import FileManError
from rpcs.alerting import queues, site
from rpcs.alerting.finding import Finding, Look

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that is looked for: which kinds it may find, and at least how many seconds lie between two looks."""

    name: str
    kinds: frozenset[str]
    find: Callable[[Look], Iterable[Finding]]
    every: float = 0.0


CONDITIONS: Sequence[Condition] = (
    Condition("received", frozenset(["received"]), site.received),
    Condition("evaluation", frozenset(["evaluation", "evaluator"]), site.evaluation, every=15.0),
    Condition("unsent", frozenset(["sending", "destination"]), queues.unsent),
    Condition("uncopied", frozenset(["destination"]), queues.uncopied),
    Condition("gateways", frozenset(["gateway"]), site.gateways),
    Condition("taskman", frozenset(["taskman"]), site.taskman),
    Condition("correct", frozenset(["correct"]), site.correct, every=15.0),
    Condition("media", frozenset(["media"]), site.media, every=15.0),
    Condition("disks", frozenset(["disk"]), site.disks),
)


@dataclass(slots=True)
class Looking:
    """What was found last by each condition; one that cannot be looked for leaves its kinds unknown."""

    conditions: Sequence[Condition] = CONDITIONS
    _found: dict[str, list[Finding]] = field(default_factory=dict)
    _looked: dict[str, float] = field(default_factory=dict)

    def again(self) -> None:
        """Let the next look look for everything."""
        self._looked.clear()

    def look(self, look: Look) -> tuple[list[Finding], frozenset[str]]:
        """Give what there is now, and the kinds of which that is not known. Raises FileManError without a database."""
        unknown: set[str] = set()
        for condition in self.conditions:
            if look.now - self._looked.get(condition.name, float("-inf")) < condition.every:
                continue
            try:
                self._found[condition.name] = list(condition.find(look))
                self._looked[condition.name] = look.now
            except FileManError:
                raise
            except Exception:
                log.exception("alerts: %s could not be looked for", condition.name)
                unknown |= condition.kinds
        return [finding for found in self._found.values() for finding in found], frozenset(unknown)
