"""The task that has one archive send priors: they are searched for, then moved, each again until it is done."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from gateway_client.backoff import Randomness, pause_after
from gateway_client.broker import Broker
from gateway_client.configuration import Configuration
from gateway_client.errors import GatewayError, JournalError
from gateway_client.priors.archive import ALREADY_THERE, PriorArchive
from gateway_client.priors.choosing import may_be_asked_for
from gateway_client.priors.searches import Move, PriorSearches, Search, Stage
from gateway_client.query_retrieve.peer import Peer
from gateway_client.story import Event
from gateway_client.transmission.consignment import Destination
from gateway_client.transmission.export_queue import read_destinations
from runtime import Clock, PriorSettings
from xwb import SecurityRefused

log = logging.getLogger(__name__)

#: Seconds between tries, from the first to the last pause, and after how many tries it is given up.
FIRST_PAUSE, LAST_PAUSE, MOST_TRIES = 60.0, 3600.0, 10
#: Studies about which the broker is asked at once.
ASKED_AT_ONCE = 100
#: Seconds for which it is remembered what was fetched: within them a study that goes to a destination again brings nothing.
REMEMBERED_FOR = 7 * 86400.0
_PURGE_EVERY = 3600.0

WhereAsked = Callable[[str, str, str, int], Peer | None]
"""Gives the peer that says what a destination has, by its name, AE title, host and port; None where none is asked."""


class Fetching:
    """Fetches from one archive, one study after the other, on a worker's thread."""

    def __init__(
        self,
        configuration: Configuration,
        searches: PriorSearches,
        archive: PriorArchive,
        asked: WhereAsked,
        clock: Clock,
        random: Randomness,
    ) -> None:
        self._configuration = configuration
        self._searches = searches
        self._archive = archive
        self._title = archive.peer.called
        self._asked = asked
        self._clock = clock
        self._random = random
        self._destinations: Mapping[str, Destination] = {}
        self._purged_at = 0.0

    def connected(self, broker: Broker) -> None:
        """Begin on a new session."""
        self.learn(broker)

    def learn(self, broker: Broker) -> None:
        """Ask where the destinations are."""
        lines = broker.call("MAGB TRANSMIT DESTINATIONS").lines
        self._destinations = read_destinations(lines, self._configuration.machine)

    def offline(self) -> None:
        """Forget what was over long ago."""
        now = self._clock.seconds()
        if now - self._purged_at > _PURGE_EVERY:
            self._purged_at = now
            self._searches.purge(now - REMEMBERED_FOR)

    def step(self, broker: Broker) -> bool:
        """Ask the broker of what is new, or search for one study, or have one moved."""
        now = self._clock.seconds()
        if new := self._searches.searches(Stage.NEW, self._title, now, ASKED_AT_ONCE):
            self._sort(broker, new)
            return True
        if moves := self._searches.moves(self._title, now, 1):
            self._move(moves[0])
            return True
        if due := self._searches.searches(Stage.WAITING, self._title, now, 1):
            self._search(broker, due[0])
            return True
        return False

    def _sort(self, broker: Broker, new: Sequence[Search]) -> None:
        """Find out with which studies priors are to go."""
        asked = [it for it in new if not self._settings_of(it).every_study]
        try:
            lines = broker.call("MAGB EXPORT PRIORS", [str(it.export) for it in asked], []).lines if asked else []
        except SecurityRefused as error:
            log.warning("With which studies priors are to go is not known, and none are fetched: %s", error)
            lines = []
        for it in new:
            wanted = (it not in asked or f"export^{it.export}" in lines) and may_be_asked_for(it.study)
            if wanted:
                self._end(it, Stage.WAITING)
            else:
                self._searches.forget(it)  # another rule may want them with the same study

    def _search(self, broker: Broker, search: Search) -> None:
        settings, now = self._settings_of(search), self._clock.seconds()
        try:
            found = self._archive.search(search.study, settings, datetime.fromtimestamp(now).astimezone().date())
        except JournalError:
            raise
        except GatewayError as error:
            if self._archive.closed:  # the gateway stops; it is searched for after the next start
                return
            log.warning("priors of %s for %s: %s", search.study.uid, search.destination, error)
            if search.tries + 1 < MOST_TRIES:
                self._searches.search_again(search, now + self._pause(search.tries), now)
            else:
                self._end(search, Stage.FAILED, outcome="failed", detail=f"not searched for: {error}")
            return
        ours = self._sent_from_here(broker, search.destination, [it.uid for it in found])
        moves = [Move(search.destination, it.uid, search.id, str(it)) for it in found if it.uid not in ours]
        self._end(search, Stage.OVER, moves, f"{len(found)} found", f"{len(moves)} to be moved")

    def _sent_from_here(self, broker: Broker, destination: str, studies: Sequence[str]) -> set[str]:
        """Give those of some studies that the rules had this site send to a destination itself."""
        try:
            lines = broker.call("MAGB EXPORT PRIORS", [], [f"{destination}^{uid}" for uid in studies]).lines
        except SecurityRefused:
            return set()
        return {line.split("^")[2] for line in lines if line.count("^") == 2}

    def _move(self, move: Move) -> None:
        destination = self._destinations.get(move.destination)
        try:
            if destination is None:
                raise GatewayError(f"{move.destination} is no transmit destination of this site.")
            title, host, port = destination.ae_title, destination.host, destination.port
            told = self._archive.move(move.study, title, self._asked(move.destination, title, host, port))
        except JournalError:
            raise
        except GatewayError as error:
            if self._archive.closed:
                return
            now, reason = self._clock.seconds(), str(error)
            log.warning("prior %s for %s: %s", move.told, move.destination, reason)
            if move.tries + 1 < MOST_TRIES:
                self._searches.move_again(move, reason, now + self._pause(move.tries), now)
            else:
                self._searches.move_ended(move, Stage.FAILED, self._title, "failed", reason, now)
            return
        there = told == ALREADY_THERE
        outcome, detail = (told, "") if there else ("moved", told)
        self._searches.move_ended(move, Stage.OVER, self._title, outcome, detail, self._clock.seconds())

    def _end(self, search: Search, stage: Stage, moves: Sequence[Move] = (), outcome: str = "", detail: str = "") -> None:
        """Write down what came of a search, in the story of the object that told of it too where there is an outcome."""
        now, told = self._clock.seconds(), f"{search.destination}: {detail}"
        event = Event(search.sop_instance_uid, "PRIOR", now, outcome, search.image or None, self._title, told)
        self._searches.search_ended(search, self._title, stage, moves, event if outcome else None, now)

    def _pause(self, tries: int) -> float:
        return pause_after(tries, FIRST_PAUSE, LAST_PAUSE, self._random)

    def _settings_of(self, search: Search) -> PriorSettings:
        """Give the settings of a destination; one that has none any more is given the defaults for what was begun."""
        return self._configuration.destination(search.destination).priors or PriorSettings(archive=self._title)
