"""Carrying out a rule that fired: what is to be queued, and what the log says of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from rules.judging.desk import Desk, PriorStudy
from rules.judging.facts import ImageFacts
from rules.judging.moment import Moment
from rules.judging.semantics import Semantics
from rules.language.ast import BALANCE, DICOM, SEND, Rule


@dataclass(frozen=True, slots=True)
class Action:
    """Something to queue: copies of an image to a router's location (SEND), or a DICOM object to a service (DICOM).

    BALANCE makes SEND actions. `prior` is the prior study whose image goes along; None for the image that was judged, with which
    prior studies are to go where `with_priors` is set.
    """

    verb: str
    rule: int
    name: str
    destination: int
    priority: int
    image: int
    prior: PriorStudy | None = None
    with_priors: bool = False


@dataclass(slots=True)
class CarryingOut:
    """What the rules that fired for an image come to, one after the other.

    `lines` stand in the log before all else; `also` was done, and `not_done` was not, besides what the rules say themselves.
    """

    semantics: Semantics
    desk: Desk
    facts: ImageFacts
    now: Moment
    actions: list[Action] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    also: set[str] = field(default_factory=set)
    not_done: list[str] = field(default_factory=list)

    def carry_out(self, rule: Rule, deck_key: str, *, decided_before: bool) -> None:
        """Add what a rule comes to; a verb that is unknown comes to nothing."""
        name = self._name_of(rule, deck_key)
        if not name:
            return
        destination = self.desk.service(name) if rule.verb == DICOM else self.desk.router(name)
        if destination is None and (rule.verb != BALANCE or not self.semantics.balances_blindly):
            self.not_done.append(f'Cannot find location "{name}".')
            return
        with_priors = self.semantics.takes_priors(rule, decided_before=decided_before)
        self._queue(rule, name, destination, None, self.facts.image, with_priors=with_priors)
        if with_priors:
            for prior in self.desk.priors(self.facts):
                for image in prior.images:
                    self._queue(rule, name, destination, prior, image)
                    self.also.add(f"SEND also image #{image} from prior study")

    def _name_of(self, rule: Rule, deck_key: str) -> str:
        """Give the destination's name, or "" where nothing is to be sent."""
        if rule.verb == BALANCE:
            dealt = self.semantics.balance(rule, deck_key, self.facts, self.now.day, self.desk.balances)
            self.lines += dealt.log
            self.not_done += dealt.not_done
            return dealt.destination
        if rule.verb not in (SEND, DICOM):
            return ""
        if not rule.location:
            self.not_done.append(f"No location for rule {rule.number}")
        return rule.location

    def _queue(
        self,
        rule: Rule,
        name: str,
        destination: int | None,
        prior: PriorStudy | None,
        image: int,
        *,
        with_priors: bool = False,
    ) -> None:
        if destination is not None:
            verb = DICOM if rule.verb == DICOM else SEND
            priority = self.semantics.priority(rule.priority, self.facts)
            self.actions.append(Action(verb, rule.number, name, destination, priority, image, prior, with_priors))
