"""Storage commitment at the gateway's DICOM port (PS3.4 annex J): requests are taken, and results told as their peer wants."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from queue import Empty, SimpleQueue

from twisted.internet.defer import Deferred

from dul import (
    Answer,
    AssociateRequest,
    CommandField,
    DulError,
    Exchange,
    Request,
    RequestFailed,
    Service,
    Timeouts,
    answered_by,
    connect,
)
from gateway_client.commitment.arrivals import Arrivals
from gateway_client.commitment.commitments import Commitment, Commitments
from gateway_client.commitment.taking import TAKEN, Taking, titles
from gateway_client.commitment.transaction import COMMITMENT, DATA_LIMIT, CommitmentResult, commitment_proposal, report
from gateway_client.configuration import Configuration, Peer
from runtime import Clock, ReactorThread

log = logging.getLogger(__name__)

_UNKNOWN_PEER = Peer()


class CommitmentSCP:
    """Takes N-ACTIONs, each on disk before its answer, and tells results by N-EVENT-REPORT.

    `woken` is called when there is something for the worker. What begins with an underscore belongs to the reactor's thread.
    """

    def __init__(
        self,
        configuration: Configuration,
        commitments: Commitments,
        arrivals: Arrivals,
        reactor: ReactorThread,
        clock: Clock,
        woken: Callable[[], None],
    ) -> None:
        self._configuration = configuration
        self._arrivals = arrivals
        self._requests = Taking(commitments, arrivals.mark, reactor, clock)
        self._reactor = reactor
        self._woken = woken
        self._heard: SimpleQueue[tuple[str, int, str]] = SimpleQueue()
        self._open: dict[str, list[Exchange]] = defaultdict(list)
        self._asked_over: dict[int, Exchange] = {}
        self._taking: Counter[str] = Counter()

    @property
    def services(self) -> Mapping[CommandField, Service]:
        """What answers at the port."""
        return {CommandField.N_ACTION_RQ: answered_by(self._act, DATA_LIMIT)}

    def takes(self, _request: AssociateRequest) -> bool:
        """Take everybody's: who has no address is told on an association of his own."""
        return True

    def established(self, exchange: Exchange) -> None:
        """Hear of an association at the port, in the reactor's thread: its peer may be told over it."""
        if any(it.abstract_syntax == COMMITMENT and it.scp for it in exchange.connection.association.contexts.values()):
            self._open[titles(exchange)[0]].append(exchange)
            exchange.closed().addCallback(lambda _error: self._closed(exchange))
            self._woken()

    # For the worker's thread.

    def may_check(self, commitment: Commitment) -> bool:
        """Tell whether all that was received before a transaction was asked for is known to the journal."""
        return self._arrivals.journaled(commitment)

    def can_tell(self, peer: str) -> bool:
        """Tell whether there may be a way to a peer now."""
        return bool(self._configuration.address_of(peer)) or bool(self._reactor.call(self._open.get, peer))

    def tell(self, peer: str, results: Sequence[tuple[Commitment, CommitmentResult]]) -> list[Commitment]:
        """Begin to tell a peer of results; gives those for which there is a way now. What becomes of them is `heard`."""
        begun: list[Commitment] = self._reactor.call(self._begin, peer, results)
        return begun

    def heard(self) -> Iterator[tuple[str, int, str]]:
        """Give what became of telling: the peer, a transaction's number, and the problem if there was one.

        The number 0 comes last for a peer.
        """
        while True:
            try:
                yield self._heard.get_nowait()
            except Empty:
                return

    # Taking requests.

    async def _act(self, request: Request, data: bytes) -> Answer:
        peer, _ = titles(request.exchange)
        self._taking[peer] += 1
        try:
            number = await self._requests.take(request, data)
        finally:
            self._taking[peer] -= 1
            if not self._taking[peer]:
                del self._taking[peer]
        if not request.exchange.over:
            self._asked_over[number] = request.exchange
        self._woken()
        return TAKEN

    # Telling results.

    def _peer(self, title: str) -> Peer:
        return self._configuration.peers.get(title, _UNKNOWN_PEER)

    def _begin(self, peer: str, results: Sequence[tuple[Commitment, CommitmentResult]]) -> list[Commitment]:
        """Sort results by the associations over which they go, None for a new one; those without a way are left."""
        if self._taking[peer]:  # the answer to its request comes first
            return []
        ways: dict[Exchange | None, list[tuple[Commitment, CommitmentResult]]] = {}
        address = self._configuration.address_of(peer)
        for commitment, result in results:
            exchange = self._association_for(commitment, address is not None)
            if exchange is not None or address is not None:
                ways.setdefault(exchange, []).append((commitment, result))
        if ways:
            Deferred.fromCoroutine(self._tell(peer, ways)).addErrback(lambda failure: log.error("%s", failure))
        return [commitment for group in ways.values() for commitment, _ in group]

    def _association_for(self, commitment: Commitment, reachable: bool) -> Exchange | None:
        """Choose an open association for a result, None where there is none for it or it is to be a new one."""
        way = self._peer(commitment.peer).commitment or ("new" if reachable else "same")
        asked_over = self._asked_over.get(commitment.id)
        if way == "new":
            return None
        if way == "same" and (asked_over is not None or reachable):
            return asked_over
        return next((it for it in self._open.get(commitment.peer, ()) if it is not asked_over), None)

    async def _tell(self, peer: str, ways: Mapping[Exchange | None, Sequence[tuple[Commitment, CommitmentResult]]]) -> None:
        for exchange, group in ways.items():
            left = list(group)
            problem = ""
            try:
                await self._tell_over(peer, exchange, left)
            except DulError as error:
                problem = str(error)
            except Exception as error:  # whatever it is, the results are told another time
                log.exception("%s cannot be told of storage commitment", peer)
                problem = repr(error)
            for commitment, _ in left:
                self._heard.put((peer, commitment.id, problem))
        self._heard.put((peer, 0, ""))
        self._woken()

    async def _tell_over(self, peer: str, exchange: Exchange | None, left: list[tuple[Commitment, CommitmentResult]]) -> None:
        """Tell results, taking away each that the peer answered; over a new association where none is given."""
        over = exchange or await self._connect(peer, left[0][0].ours)
        try:
            while left:
                commitment, result = left[0]
                try:
                    await report(over, replace(result, retrieve_ae_title=self._configuration.retrieve_ae_title))
                    problem = ""
                except RequestFailed as error:
                    problem = str(error)
                del left[0]
                self._heard.put((peer, commitment.id, problem))
        finally:
            if exchange is None:
                await over.release()

    async def _connect(self, peer: str, ours: str) -> Exchange:
        address = self._configuration.address_of(peer)
        assert address is not None
        configuration = self._configuration
        return await connect(
            self._reactor.reactor,
            address,
            commitment_proposal(peer, ours, as_scp=True),
            timeouts=Timeouts(artim=configuration.dimse_timeout, idle=configuration.network_timeout),
            connect_seconds=configuration.connect_timeout,
            response_seconds=configuration.dimse_timeout,
        )

    def _closed(self, exchange: Exchange) -> None:
        peer = titles(exchange)[0]
        self._open[peer].remove(exchange)
        if not self._open[peer]:
            del self._open[peer]
        for number in [number for number, it in self._asked_over.items() if it is exchange]:
            del self._asked_over[number]
