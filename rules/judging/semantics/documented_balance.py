"""BALANCE as manuals promise it: a deck of cards of which each destination has its percentage.

A study is known by its group, or by its image where it has none. A cap is a number of studies a day of that destination,
whichever rules send them there. The share of a destination that has its cap is divided evenly among the others that have a
share, the remainder goes to the last of them. When all have their cap, or no share is above 0, the study stays here, as under
<LOCAL>, and the log says so. Studies are remembered for today and yesterday; their further images follow the first one while
its destination is among the rule's.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from fileman.dates import from_fileman, to_fileman
from rules.judging.balance import Balances, Deal, Deck
from rules.judging.facts import ImageFacts
from rules.judging.semantics.base import Dealt
from rules.language.ast import LOCAL, Rule, Share
from xwb import m_number

#: What a study is dealt when every destination has its cap: no parameter's number.
NOBODY = "0"


def balance(rule: Rule, key: str, facts: ImageFacts, day: str, balances: Balances) -> Dealt:
    """Give what the study was dealt, or deal it now."""
    study = str(facts.group or facts.image)
    deal = balances.dealt(key, study)
    if deal is None or (deal.slot != NOBODY and all(share.destination != deal.destination for share in rule.parameters)):
        balances.forget_before(to_fileman(from_fileman(day) - timedelta(days=1))[:7])
        deal = _deal(rule.parameters, key, study, day, balances)
        if deal.slot == NOBODY:
            return Dealt(log=(f"No destination of rule {rule.name or rule.number} takes a study now: it stays here",))
    if deal.destination == LOCAL:
        return Dealt()
    return Dealt(deal.destination, (f"Load-Balance Destination is {deal.destination}",))


def _deal(shares: tuple[Share, ...], key: str, study: str, day: str, balances: Balances) -> Deal:
    weights = _weights(shares, day, balances)
    deck = balances.deck(key) or Deck()
    counts = [*deck.counts, *[0] * len(shares)][: len(shares)]
    start = deck.last if deck.last < len(shares) else 0
    order = [*range(start, len(shares)), *range(start)]
    place = next((place for place in order if counts[place] < weights[place]), None)
    if place is None and any(weight > 0 for weight in weights):  # percentages were changed in the middle of a round
        counts, dealt = [0] * len(shares), 0
        place = next(place for place in order if weights[place] > 0)
    else:
        dealt = deck.total
    if place is None:
        deal = Deal(day, NOBODY, LOCAL)
    else:
        counts[place] += 1
        dealt += 1
        if dealt >= sum(_percent(share) for share in shares):
            counts, dealt = [0] * len(shares), 0
        balances.keep(key, Deck(place + 1, dealt, tuple(counts)))
        deal = Deal(day, shares[place].slot or str(place + 1), shares[place].destination)
    balances.deal(key, study, deal)
    return deal


def _weights(shares: tuple[Share, ...], day: str, balances: Balances) -> list[Decimal]:
    weights = [_percent(share) for share in shares]
    full = [place for place, share in enumerate(shares) if _has_its_cap(share, day, balances)]
    remaining = [place for place, weight in enumerate(weights) if weight > 0 and place not in full]
    freed = sum((weights[place] for place in full), Decimal(0))
    for place in full:
        weights[place] = Decimal(0)
    if remaining:
        each = freed // len(remaining)
        for place in remaining:
            weights[place] += each
        weights[remaining[-1]] += freed - each * len(remaining)
    return weights


def _has_its_cap(share: Share, day: str, balances: Balances) -> bool:
    return 0 < m_number(share.cap) <= balances.given(day, share.destination)


def _percent(share: Share) -> Decimal:
    return m_number(share.percent)
