"""BALANCE as VistA does it (BALANCE^MAGBRTE5), defects included.

A study is known by its group; all images without a group count as one study of the rule. A destination that has its cap of
studies is left out; but the cap is held against the number of rules, not of studies, that used a parameter of the same number
that day, and what it leaves is divided by the number of destinations left out, not of those that remain. Where VistA would
then look for a share for ever, or ends in an error because none remains, the rule is skipped and the log says so.
"""

from __future__ import annotations

from decimal import Decimal

from rules.judging.balance import Balances, Deal, Deck, Mark
from rules.judging.facts import ImageFacts
from rules.judging.semantics.base import Dealt
from rules.language.ast import LOCAL, Rule
from xwb import m_number


def balance(rule: Rule, key: str, facts: ImageFacts, day: str, balances: Balances) -> Dealt:
    """Give what the study was dealt, or deal it now."""
    study = str(facts.group or "")
    parameters = {share.slot or str(place): str(share) for place, share in enumerate(rule.parameters, start=1)}
    deal = balances.dealt(key, study)
    if deal is None:
        purge(balances, day)
        deal = _deal(parameters, key, study, day, balances)
        if deal is None:
            return Dealt(log=(f"Rule {rule.number} is skipped: no share is left to be dealt",))
    text = parameters.get(deal.slot, "")
    if not text:
        return Dealt(not_done=(f"No location for rule {rule.number}, alternative {deal.slot}",))
    name = _piece(text, 1)
    if name == LOCAL:
        return Dealt()
    slot = next(slot for slot, text in parameters.items() if _piece(text, 1) == name)
    balances.mark(Mark(day, slot, key, study))
    return Dealt(name, (f"Load-Balance Destination is {name}",))


def purge(balances: Balances, day: str) -> None:
    """Forget studies by their marks of days before yesterday; a study that stayed here has no mark and is never forgotten.

    Yesterday is the day's number less one, so that on the first of a month all other days are past.
    """
    for mark in balances.marks(lambda past: int(past) < int(day) - 1):
        if mark.study:  # the loop over studies begins behind the empty subscript
            balances.unmark(mark)
            balances.forget(mark.deck, mark.study)
            deck = balances.deck(mark.deck) or Deck()
            balances.keep(mark.deck, Deck(deck.last, deck.total, deck.counts, deck.studies - 1, deck.highest))


def _deal(parameters: dict[str, str], key: str, study: str, day: str, balances: Balances) -> Deal | None:
    slots = list(parameters)
    weights, total = _weights(parameters, day, balances)
    deck = balances.deck(key) or Deck()
    counts = [*deck.counts, *[0] * len(slots)][: len(slots)]
    order = [(deck.last + step) % len(slots) if deck.last < len(slots) else step for step in range(len(slots))]
    place = next((place for place in order if counts[place] < weights[place]), None)
    if place is None:
        return None
    counts[place] += 1
    dealt = deck.total + 1
    if dealt >= total:
        dealt, counts = 0, [0] * len(slots)
    highest = max(deck.highest, int(study or 0))
    balances.keep(key, Deck(place + 1, dealt, tuple(counts), deck.studies + 1, highest))
    deal = Deal(day, slots[place], _piece(parameters[slots[place]], 1))
    balances.deal(key, study, deal)
    return deal


def _weights(parameters: dict[str, str], day: str, balances: Balances) -> tuple[list[Decimal], Decimal]:
    """Give each parameter's share after caps, and the sum before them."""
    weights = [m_number(_piece(text, 2)) for text in parameters.values()]
    total = sum(weights, Decimal(0))
    freed, full = Decimal(0), 0
    for place, (slot, text) in enumerate(parameters.items()):
        cap = m_number(_piece(text, 3))
        if cap and balances.decks_marked(day, slot) >= cap:
            freed, full = freed + weights[place], full + 1
            weights[place] = Decimal(-1)
    remaining = [place for place, weight in enumerate(weights) if weight > 0]
    if full and remaining:
        for place in remaining:
            weights[place] += freed // full
        weights[remaining[-1]] += freed - freed // full * full
    return weights, total


def _piece(text: str, number: int) -> str:
    pieces = text.split("^")
    return pieces[number - 1] if number <= len(pieces) else ""
