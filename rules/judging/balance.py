"""What BALANCE remembers: each rule's deck of cards, and which study was dealt which card (^MAGRT(2006.5906))."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from xwb import collation_key, is_canonical


@dataclass(frozen=True, slots=True)
class Deck:
    """Where a rule's deck stands: the place dealt last (from 1), cards dealt in this round, and how many of each place.

    `studies` and `highest` are VistA's counters over the studies of a rule, which nothing but a dump of its nodes shows.
    """

    last: int = 0
    total: int = 0
    counts: tuple[int, ...] = ()
    studies: int = 0
    highest: int = 0


@dataclass(frozen=True, slots=True)
class Deal:
    """What a study was dealt: on which day (a FileMan date), the number of the action's parameter, the destination's name."""

    day: str
    slot: str
    destination: str


@dataclass(frozen=True, slots=True)
class Mark:
    """An entry of VistA's cross reference "D": on that day an image of a study was sent to a parameter's destination."""

    day: str
    slot: str
    deck: str
    study: str


@dataclass(frozen=True, slots=True)
class Changes:
    """What has to be written down since the last time; None and False tell that it is gone."""

    decks: dict[str, Deck] = field(default_factory=dict)
    deals: dict[tuple[str, str], Deal | None] = field(default_factory=dict)
    marks: dict[Mark, bool] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Tell whether anything changed."""
        return bool(self.decks or self.deals or self.marks)


class Balances:
    """The state of all decks of a location, in memory; a study is known by deck and group.

    Whoever keeps it in a database fills it with rows, takes `changes()` after each image, and makes a new one of what the
    database holds when a transaction was refused.
    """

    def __init__(
        self,
        decks: Iterable[tuple[str, Deck]] = (),
        deals: Iterable[tuple[str, str, Deal]] = (),
        marks: Iterable[Mark] = (),
    ) -> None:
        self._decks: dict[str, Deck] = {}
        self._deals: dict[tuple[str, str], Deal] = {}
        self._changes = Changes()
        #: Day, destination, study, deck: what caps count, and what is forgotten day by day.
        self._given: dict[str, dict[str, dict[str, set[str]]]] = {}
        #: Day, slot, deck, study: VistA's cross reference.
        self._marks: dict[str, dict[str, dict[str, set[str]]]] = {}
        for key, deck in decks:
            self.keep(key, deck)
        for key, study, deal in deals:
            self.deal(key, study, deal)
        for mark in marks:
            self.mark(mark)
        self._changes = Changes()

    def deck(self, key: str) -> Deck | None:
        """Give a deck; None when nothing was ever dealt of it."""
        return self._decks.get(key)

    def keep(self, key: str, deck: Deck) -> None:
        """Keep a deck as it is now."""
        self._decks[key] = self._changes.decks[key] = deck

    def dealt(self, key: str, study: str) -> Deal | None:
        """Give what a study was dealt; None when it is new."""
        return self._deals.get((key, study))

    def deal(self, key: str, study: str, deal: Deal) -> None:
        """Note what a study is dealt."""
        self._drop(key, study)
        self._deals[key, study] = self._changes.deals[key, study] = deal
        self._given.setdefault(deal.day, {}).setdefault(deal.destination, {}).setdefault(study, set()).add(key)

    def forget(self, key: str, study: str) -> None:
        """Forget what a study was dealt, if anything."""
        if self._drop(key, study):
            self._changes.deals[key, study] = None

    def forget_before(self, day: str) -> None:
        """Forget what was dealt on earlier days."""
        for past in [each for each in self._given if each < day]:
            gone = [(key, study) for given in self._given[past].values() for study, keys in given.items() for key in keys]
            for key, study in gone:
                self.forget(key, study)

    def _drop(self, key: str, study: str) -> bool:
        deal = self._deals.pop((key, study), None)
        if deal is None:
            return False
        day = self._given[deal.day]
        day[deal.destination][study].discard(key)
        if not day[deal.destination][study]:
            del day[deal.destination][study]
        if not any(day.values()):
            del self._given[deal.day]
        return True

    def given(self, day: str, destination: str) -> int:
        """Count the studies that a destination was dealt on a day, by whichever rule."""
        return len(self._given.get(day, {}).get(destination, ()))

    def mark(self, mark: Mark) -> None:
        """Enter a mark into the cross reference; once is enough."""
        studies = self._marks.setdefault(mark.day, {}).setdefault(mark.slot, {}).setdefault(mark.deck, set())
        if mark.study not in studies:
            studies.add(mark.study)
            self._changes.marks[mark] = True

    def unmark(self, mark: Mark) -> None:
        """Take a mark out of the cross reference."""
        day = self._marks[mark.day]
        day[mark.slot][mark.deck].discard(mark.study)
        if not day[mark.slot][mark.deck]:
            del day[mark.slot][mark.deck]
        if not any(day.values()):
            del self._marks[mark.day]
        self._changes.marks[mark] = False

    def marks(self, days: Callable[[str], bool] = lambda _day: True) -> list[Mark]:
        """Give the marks of some days, or all."""
        return [
            Mark(day, slot, deck, study)
            for day, slots in self._marks.items()
            if days(day)
            for slot, decks in slots.items()
            for deck, studies in decks.items()
            for study in studies
        ]

    def decks_marked(self, day: str, slot: str) -> int:
        """Count the decks, not the studies, that have marks for a parameter's number on a day."""
        return len(self._marks.get(day, {}).get(slot, ()))

    def deals(self) -> list[tuple[str, str, Deal]]:
        """Give all deals with their decks and studies."""
        return [(key, study, deal) for (key, study), deal in self._deals.items()]

    def decks(self) -> list[tuple[str, Deck]]:
        """Give all decks with their keys."""
        return list(self._decks.items())

    def changes(self) -> Changes:
        """Give what changed since the last call, and begin anew."""
        changes, self._changes = self._changes, Changes()
        return changes


def balance_nodes(balances: Balances) -> list[str]:
    """Write the state as VistA's nodes of ^MAGRT(2006.5906), in M's order."""
    decks = sorted(balances.decks(), key=lambda pair: _order(pair[0]))
    if not decks:
        return []
    root = "^MAGRT(2006.5906"
    nodes = [f"{root},0)=ROUTE LOAD BALANCE^2006.5906^{decks[-1][0]}^{len(decks)}"]
    deals = balances.deals()
    for key, deck in decks:
        rule = f"{root},{_subscript(key)}"
        studies = sorted(((study, deal) for each, study, deal in deals if each == key), key=lambda it: _order(it[0]))
        lines = [f"{rule},1,{_subscript(study)},0)={study}^{deal.day}^{deal.slot}" for study, deal in studies]
        header = f"{rule},1,0)=^2006.59061^{deck.highest or ''}^{deck.studies}"
        lines.insert(1 if studies and not studies[0][0] else 0, header)
        place = "^".join(str(number) for number in (deck.last, deck.total, *deck.counts))
        nodes += [f"{rule},0)={key}", *lines, f"{rule},2)={place}"]
    marks = sorted(balances.marks(), key=lambda it: tuple(map(_order, (it.day, it.slot, it.deck, it.study))))
    nodes += [
        f'{root},"D",{mark.day},{_subscript(mark.slot)},{_subscript(mark.deck)},{_subscript(mark.study)})=' for mark in marks
    ]
    return nodes


def _order(text: str) -> tuple[bool, tuple[object, ...]]:
    """Sort as M does; the empty subscript stands first."""
    return (text != "", collation_key(text))


def _subscript(text: str) -> str:
    return text if is_canonical(text) else '"' + text.replace('"', '""') + '"'
