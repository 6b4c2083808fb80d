"""The evaluator's desk: what judging asks of the site and its database, and the balances' state, kept there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from sqlalchemy import BindParameter, Connection, bindparam, delete, select

from fileman import Store, insert_into, upserts
from fileman.files import BalanceDeal, BalanceDeck, BalanceMark
from rules.evaluator.priors import prior_studies
from rules.evaluator.site_view import SiteView
from rules.judging.balance import Balances, Changes, Deal, Deck, Mark
from rules.judging.desk import PriorStudy
from rules.judging.facts import ImageFacts

_OF_LOCATION: BindParameter[int] = bindparam("location_")
_DECKS = select(BalanceDeck.deck, BalanceDeck.state).where(BalanceDeck.location == _OF_LOCATION)
_DEALS = select(BalanceDeal).where(BalanceDeal.location == _OF_LOCATION)
_MARKS = select(BalanceMark).where(BalanceMark.location == _OF_LOCATION)
_KEEP_DECK = upserts(
    BalanceDeck,
    lambda insert: insert.on_conflict_do_update(
        index_elements=[BalanceDeck.location, BalanceDeck.deck], set_={"state": insert.excluded.state}
    ),
)
_KEEP_DEAL = upserts(
    BalanceDeal,
    lambda insert: insert.on_conflict_do_update(
        index_elements=[BalanceDeal.location, BalanceDeal.deck, BalanceDeal.study],
        set_={name: insert.excluded[name] for name in ("day", "slot", "destination")},
    ),
)
_FORGET_DEAL = delete(BalanceDeal).where(
    BalanceDeal.location == _OF_LOCATION, BalanceDeal.deck == bindparam("deck_"), BalanceDeal.study == bindparam("study_")
)
_UNMARK = delete(BalanceMark).where(
    BalanceMark.location == _OF_LOCATION,
    BalanceMark.day == bindparam("day_"),
    BalanceMark.slot == bindparam("slot_"),
    BalanceMark.deck == bindparam("deck_"),
    BalanceMark.study == bindparam("study_"),
)


def read_balances(connection: Connection, location: int) -> Balances:
    """Read where the decks of a location stand."""
    key = {"location_": location}
    return Balances(
        [(row.deck, _deck(row.state)) for row in connection.execute(_DECKS, key)],
        [
            (row["deck"], row["study"], Deal(row["day"], row["slot"], row["destination"]))
            for row in connection.execute(_DEALS, key).mappings()
        ],
        [Mark(row["day"], row["slot"], row["deck"], row["study"]) for row in connection.execute(_MARKS, key).mappings()],
    )


def _deck(state: str) -> Deck:
    facts = json.loads(state)
    return Deck(**{**facts, "counts": tuple(facts["counts"])})


def write_balances(connection: Connection, location: int, changes: Changes) -> None:
    """Write down what changed, within the caller's transaction."""
    engine, where = connection.dialect.name, {"location": location}
    if changes.decks:
        decks = [{**where, "deck": key, "state": json.dumps(asdict(deck))} for key, deck in changes.decks.items()]
        connection.execute(_KEEP_DECK[engine], decks)
    if deals := [
        {**where, "deck": key, "study": study, **asdict(deal)} for (key, study), deal in changes.deals.items() if deal is not None
    ]:
        connection.execute(_KEEP_DEAL[engine], deals)
    if gone := [
        {"location_": location, "deck_": key, "study_": study} for (key, study), deal in changes.deals.items() if deal is None
    ]:
        connection.execute(_FORGET_DEAL, gone)
    if marks := [{**where, **asdict(mark)} for mark, there in changes.marks.items() if there]:
        connection.execute(insert_into(connection, BalanceMark).on_conflict_do_nothing(), marks)
    if unmarked := [
        {"location_": location, **{f"{name}_": value for name, value in asdict(mark).items()}}
        for mark, there in changes.marks.items()
        if not there
    ]:
        connection.execute(_UNMARK, unmarked)


@dataclass(slots=True)
class SiteDesk:
    """A desk over a site's database; balances are read when a rule first asks for them. One that is refused what it changed is
    not to be used any more.
    """

    store: Store
    location: int
    site: SiteView
    _balances: Balances | None = field(default=None)

    @property
    def balances(self) -> Balances:
        """Where each deck stands; changed in place."""
        if self._balances is None:
            self._balances = self.store.read(lambda connection: read_balances(connection, self.location))
        return self._balances

    def router(self, name: str) -> int | None:
        """Look up a router's network location (#2005.2)."""
        return self.site.routers.get(name)

    def service(self, name: str) -> int | None:
        """Look up a DICOM transmit destination (#2006.587)."""
        return self.site.services.get(name)

    def priors(self, facts: ImageFacts) -> Sequence[PriorStudy]:
        """Give the prior studies of a radiology image."""
        if facts.values.get("PARENT_DATA") != ("RADIOLOGY",):
            return ()
        return self.store.read(lambda connection: prior_studies(connection, facts.image))

    def changes(self) -> Changes:
        """Give what changed of the balances since the last call."""
        return Changes() if self._balances is None else self._balances.changes()
