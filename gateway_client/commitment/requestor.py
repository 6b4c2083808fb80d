"""Storage commitment asked of destinations (PS3.4 annex J), and their results, over whichever association they come."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import NamedTuple

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool

from dul import (
    CommandField,
    DulError,
    Exchange,
    RequestFailed,
    Service,
    Timeouts,
    connect,
)
from gateway_client.commitment.requests import CommitmentRequests
from gateway_client.commitment.scu import ask_for_commitment, hearing
from gateway_client.commitment.transaction import CommitmentRequest, CommitmentResult, commitment_proposal
from gateway_client.configuration import Configuration
from gateway_client.transmission.consignment import Destination
from runtime import Clock, ReactorThread

log = logging.getLogger(__name__)

#: Seconds for which an association is kept after the requests, for results that come over it.
STAY = 5.0


class Asked(NamedTuple):
    """A transaction's number, and the request that is written down for it."""

    number: int
    request: CommitmentRequest


class Ended(NamedTuple):
    """What became of asking: the problem with a transaction, or with number 0 the end of the association."""

    destination: str
    number: int
    problem: str = ""


@dataclass(eq=False, slots=True)
class _Stay:
    """The transactions whose results may yet come while an association is kept; `over` when there is no more to wait for."""

    left: set[str] = field(default_factory=set)
    over: Deferred[None] = field(default_factory=Deferred)

    def end(self) -> None:
        if not self.over.called:
            self.over.callback(None)


class CommitmentRequestor:
    """Asks destinations (N-ACTION), and takes results (N-EVENT-REPORT), each on disk before its answer.

    What begins with an underscore belongs to the reactor's thread, all else to others. `told_too` hears of each result as well.
    """

    def __init__(
        self,
        configuration: Configuration,
        requests: CommitmentRequests,
        reactor: ReactorThread,
        clock: Clock,
        told_too: Callable[[CommitmentResult, Exchange], Awaitable[bool]] | None = None,
    ) -> None:
        self._configuration = configuration
        self._requests = requests
        self._reactor = reactor
        self._clock = clock
        self._told_too = told_too
        self._told: SimpleQueue[Ended] = SimpleQueue()
        self._stays: set[_Stay] = set()
        self._open: set[Exchange] = set()

    @property
    def services(self) -> Mapping[CommandField, Service]:
        """What takes results: for the gateway's port, and for associations with destinations."""
        return hearing(self._heard)

    def ask(self, destination: Destination, asked: Sequence[Asked]) -> None:
        """Begin to ask a destination over an association of its own; what becomes of it is `ended`."""
        self._reactor.soon(self._begin, destination, asked)

    def ended(self) -> Iterator[Ended]:
        """Give what became of asking."""
        while True:
            try:
                yield self._told.get_nowait()
            except Empty:
                return

    def close(self) -> None:
        """Abort what is open."""
        self._reactor.call(self._abort)

    def _abort(self) -> None:
        for exchange in [*self._open]:
            exchange.abort()

    def _begin(self, destination: Destination, asked: Sequence[Asked]) -> None:
        Deferred.fromCoroutine(self._ask(destination, asked)).addErrback(lambda failure: log.error("%s", failure))

    async def _ask(self, destination: Destination, asked: Sequence[Asked]) -> None:
        left = list(asked)
        problem = ""
        try:
            await self._ask_over(destination, left)
        except DulError as error:
            problem = str(error)
        except Exception as error:  # whatever it is, it is asked another time
            log.exception("%s cannot be asked for storage commitment", destination.name)
            problem = repr(error)
        for one in left:
            self._told.put(Ended(destination.name, one.number, problem))
        self._told.put(Ended(destination.name, 0))

    async def _ask_over(self, destination: Destination, left: list[Asked]) -> None:
        """Ask for transactions, taking away each that is answered, and stay for their results."""
        exchange = await self._connect(destination)
        self._open.add(exchange)
        stay = _Stay({one.request.transaction for one in left})
        self._stays.add(stay)
        try:
            while left:
                try:
                    await ask_for_commitment(exchange, left[0].request)
                except RequestFailed as error:
                    self._told.put(Ended(destination.name, left[0].number, str(error)))
                    self._came(left[0].request.transaction)
                del left[0]
            exchange.closed().addCallback(lambda _error: stay.end())
            call = self._reactor.reactor.callLater(STAY, stay.end)
            await stay.over
            if call.active():
                call.cancel()
        finally:
            self._stays.discard(stay)
            self._open.discard(exchange)
            exchange.release()

    async def _connect(self, destination: Destination) -> Exchange:
        configuration = self._configuration
        peer = configuration.peers.get(destination.ae_title)
        host, port = (peer.host, peer.port) if peer is not None and peer.port else (destination.host, destination.port)
        return await connect(
            self._reactor.reactor,
            (host, port),
            commitment_proposal(destination.ae_title, configuration.calling_ae_title, as_scp=False),
            services=self.services,
            timeouts=Timeouts(artim=configuration.dimse_timeout, idle=configuration.network_timeout),
            connect_seconds=configuration.connect_timeout,
            response_seconds=configuration.dimse_timeout,
        )

    async def _heard(self, result: CommitmentResult, exchange: Exchange) -> bool:
        """Write a result down, then tell the application, before the peer is answered."""
        reactor = self._reactor.reactor
        known = await deferToThreadPool(reactor, reactor.getThreadPool(), self._requests.heard, result, self._clock.seconds())
        if self._told_too is not None:
            known |= await self._told_too(result, exchange)
        if known:
            for reference, reason in result.failed:
                log.warning("%s is not committed: reason %04X", reference.sop_instance, reason)
            # its answer goes out before the association may be released
            reactor.callLater(0, self._came, result.transaction)
        return bool(known)

    def _came(self, transaction: str) -> None:
        """End the stay of an association whose last result has come."""
        for stay in [*self._stays]:
            stay.left.discard(transaction)
            if not stay.left:
                stay.end()
