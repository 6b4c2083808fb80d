"""An archive that is asked for priors: it is searched by C-FIND, and sends by C-MOVE."""

from __future__ import annotations

import logging
from collections.abc import Coroutine, Sequence
from datetime import date
from typing import Any, TypeVar

from pydicom.dataset import Dataset
from twisted.internet.defer import Deferred

from dul import Exchange
from gateway_client.configuration import Configuration
from gateway_client.errors import GatewayError, PeerFailed
from gateway_client.priors.choosing import Candidate, NewStudy, Series, fits, in_order, period
from gateway_client.query_retrieve.peer import Peer
from gateway_client.query_retrieve.presence import contents
from gateway_client.query_retrieve.query import MOVE, find_matches, question, wanted_objects
from gateway_client.query_retrieve.retrieval import move_objects
from runtime import PriorSettings, ReactorThread

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds that an archive may take to answer: some say nothing before a study is moved.
MOVES_WITHIN = 600.0
#: Seconds that the answers to one query may take together.
FOUND_WITHIN = 120.0
#: Studies of a patient, and series of one, that are looked at.
MOST_CANDIDATES, MOST_SERIES = 200, 1_000
#: What is said of a study that a destination has whole.
ALREADY_THERE = "already there"


def archives_of(configuration: Configuration, reactor: ReactorThread) -> list[PriorArchive]:
    """Give the archives that destinations get priors from."""
    titles = {it.priors.archive for it in configuration.destinations.values() if it.priors is not None}
    ours, seconds = configuration.calling_ae_title, max(MOVES_WITHIN, configuration.dimse_timeout)
    return [
        PriorArchive(reactor, Peer(peer.host, peer.port, title, ours, timeout=seconds))
        for title, peer in sorted(configuration.peers.items())
        if title in titles
    ]


class PriorArchive:
    """One archive. Its methods wait for it, and raise GatewayError; `close` ends what is under way, for another thread."""

    def __init__(self, reactor: ReactorThread, peer: Peer) -> None:
        self.peer = peer
        self._reactor = reactor
        self._open: set[Exchange] = set()
        self.closed = False

    def close(self) -> None:
        """Abort what is open."""
        self.closed = True
        self._reactor.call(self._abort)

    def _abort(self) -> None:
        for exchange in [*self._open]:
            exchange.abort()

    def search(self, study: NewStudy, settings: PriorSettings, today: date) -> list[Candidate]:
        """Give the priors of a study, the latest first."""
        return self._wait(self._search(study, settings, today))

    def move(self, study: str, ae_title: str, destination: Peer | None) -> str:
        """Have a study sent to an AE title, without the series that the destination says it has whole; say what was done.

        Without a `destination` to be asked the study is sent whole.
        """
        return self._wait(self._move(study, ae_title, destination))

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        result: T = self._reactor.call(lambda: Deferred.fromCoroutine(work))
        return result

    def _keep(self, exchange: Exchange) -> None:
        """Have an association aborted that is open when the gateway stops."""
        self._open = {one for one in self._open if not one.over} | {exchange}

    def _keep_a_while(self, exchange: Exchange) -> None:
        """Have a query aborted that goes on and on."""
        self._keep(exchange)
        limit = self._reactor.reactor.callLater(FOUND_WITHIN, exchange.abort)
        exchange.closed().addCallback(lambda _error: limit.cancel() if limit.active() else None)

    async def _search(self, study: NewStudy, settings: PriorSettings, today: date) -> list[Candidate]:
        words = [
            f"PatientID={study.patient_id}",
            f"StudyDate={period(study, settings.years, today)}",
            *("StudyInstanceUID", "StudyTime", "PatientBirthDate", "ModalitiesInStudy"),
        ]
        found = [
            Candidate(one[2], one[0], one[4], one[1], one[3], frozenset(filter(None, one[5].split("\\"))))
            for one in await self._find("study", words, MOST_CANDIDATES)
        ]
        chosen: list[Candidate] = []
        for candidate in in_order(study, found):
            if len(chosen) == settings.number:
                break
            if await self._fits(study, settings, candidate):
                chosen.append(candidate)
        return chosen

    async def _fits(self, study: NewStudy, settings: PriorSettings, candidate: Candidate) -> bool:
        if not settings.same_body_part and (not settings.same_modality or candidate.modalities):
            return not settings.same_modality or study.modality in candidate.modalities
        words = [f"StudyInstanceUID={candidate.uid}", "SeriesInstanceUID", "Modality", "BodyPartExamined"]
        series = [Series(one[2], one[3]) for one in await self._find("series", words, MOST_SERIES)]
        return fits(study, settings, series)

    async def _find(self, level: str, words: Sequence[str], most: int) -> list[list[str]]:
        """Give the answers as texts, in the order of the words."""
        asked = question(level, None, words)
        found: list[Dataset] = []
        await find_matches(self._reactor.reactor, self.peer, asked.query, most, found.append, self._keep_a_while)
        return [[key.text(one) for key in asked.columns] for one in found]

    async def _move(self, study: str, ae_title: str, destination: Peer | None) -> str:
        reactor = self._reactor.reactor
        wanted: list[list[str]] = [[f"StudyInstanceUID={study}"]]
        if destination is not None:
            here = await contents(reactor, self.peer, study)
            try:
                there = await contents(reactor, destination, study)
            except GatewayError as error:
                log.warning("It is not known what %s has of %s, which is moved whole: %s", destination, study, error)
                there = {}
            missing = [series for series, instances in here.items() if not instances <= there.get(series, frozenset())]
            if not missing:
                return ALREADY_THERE
            if len(missing) < len(here):
                wanted = [[f"StudyInstanceUID={study}", f"SeriesInstanceUID={series}"] for series in missing]
        sent = 0
        for words in wanted:
            _level, query = wanted_objects(MOVE, "study", words)
            retrieved = await move_objects(reactor, self.peer, query, ae_title, lambda _progress: None, self._keep)
            if not retrieved.well:
                raise PeerFailed(f"{self.peer} answered {retrieved.status:04X}, {retrieved.progress.failed} objects failed.")
            sent += retrieved.progress.completed + retrieved.progress.warning
        return f"{sent} objects"
