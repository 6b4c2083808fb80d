"""Listening for associations, and asking a peer for one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress, IListeningPort, IOpenSSLClientConnectionCreator, IOpenSSLContextFactory
from twisted.internet.protocol import ClientFactory, Factory
from twisted.python.failure import Failure

from dul.associate import LOCAL_LIMIT_EXCEEDED, AssociateRequest
from dul.association import Association
from dul.command import CommandField
from dul.connection import Connection, Timeouts
from dul.errors import ConnectionLost, DulError, LocalViolation
from dul.exchange import Decide, Decision, Exchange
from dul.operations import Service
from dul.states import Role
from runtime import TLSFactory

log = logging.getLogger(__name__)

#: Connections that wait to be accepted.
_BACKLOG = 128
DEFAULT_TIMEOUTS = Timeouts()


def none_beside(_associations: int) -> int:
    """Give how many associations other listeners have: none."""
    return 0


@dataclass(frozen=True, slots=True)
class Listening:
    """How associations are taken. Beyond `associations` one is rejected, beyond twice as many connections are closed.

    `maximum_pdu` is what peers are told that they may send; `response_seconds` is how long they may take for an answer.
    `established` hears of each association that has come about, before anything comes over it.
    Exchanges bear the `name`. `beside` is told how many associations this listener has, or would have, and gives those of others
    that share the limit.
    """

    decide: Decide
    services: Mapping[CommandField, Service]
    associations: int = 64
    maximum_pdu: int = 131072
    timeouts: Timeouts = DEFAULT_TIMEOUTS
    response_seconds: float = 30.0
    established: Callable[[Exchange], None] | None = None
    beside: Callable[[int], int] = none_beside
    name: str = ""


class Listener(Factory):
    """Makes the exchange of each connection, and knows those that are open."""

    noisy = False

    def __init__(self, listening: Listening, reactor: Any) -> None:
        self._listening = listening
        self._reactor = reactor
        self.exchanges: set[Exchange] = set()
        #: How many connections are open; one may be for some time after its association has ended.
        self._connections = 0

    def buildProtocol(self, addr: IAddress | None) -> Connection | None:  # noqa: N802  Twisted's name
        """Take a connection; None closes it."""
        listening = self._listening
        if self._connections >= 2 * listening.associations:
            log.warning("%s is not answered: %d connections are open", getattr(addr, "host", addr), self._connections)
            return None
        exchange = Exchange(listening.services, self._reactor, decide=self._decide, response_seconds=listening.response_seconds)
        exchange.listener = listening.name
        exchange.connection = Connection(
            Association(Role.ACCEPTOR, listening.maximum_pdu), exchange, self._reactor, listening.timeouts
        )
        self.exchanges.add(exchange)
        self._connections += 1
        exchange.connection.gone.addCallback(self._gone)
        exchange.established_at.addCallbacks(self._established, lambda _failure: None)  # what did not come about has ended
        exchange.closed().addCallback(lambda error: self._ended(exchange, error))
        return exchange.connection

    def _established(self, exchange: Exchange) -> None:
        if self._listening.established is not None:
            self._listening.established(exchange)

    def _decide(self, request: AssociateRequest, peer: str) -> Decision | Deferred[Decision]:
        if self._full(request, peer):
            return LOCAL_LIMIT_EXCEEDED
        decision = self._listening.decide(request, peer)
        if isinstance(decision, Deferred):  # others may be accepted meanwhile
            decision.addCallback(lambda made: LOCAL_LIMIT_EXCEEDED if self._full(request, peer) else made)
        return decision

    def _full(self, request: AssociateRequest, peer: str) -> bool:
        established = self._open()
        established += self._listening.beside(established + 1)
        full = established >= self._listening.associations
        if full:
            log.warning("%s at %s is rejected: %d associations are open", request.calling_ae_title, peer, established)
        return full

    def _open(self) -> int:
        return sum(exchange.connection.association.established for exchange in self.exchanges)

    def _gone(self, _none: None) -> None:
        self._connections -= 1

    def _ended(self, exchange: Exchange, error: DulError | None) -> None:
        self.exchanges.discard(exchange)
        self._listening.beside(self._open())
        if error is not None:
            log.info("%s", error)

    def secured(self, tls: IOpenSSLContextFactory | None) -> Listener | TLSFactory:
        """Give what makes connections, over TLS where there is a context for it."""
        return self if tls is None else TLSFactory(tls, False, self, self._reactor)

    def listen(self, port: int, host: str = "", tls: IOpenSSLContextFactory | None = None) -> IListeningPort:
        """Listen. Raises OSError."""
        try:
            factory = self.secured(tls)
            listening: IListeningPort = self._reactor.listenTCP(port, factory, _BACKLOG, host)
        except CannotListenError as error:
            raise OSError(error.socketError.errno, str(error)) from error
        return listening


class _Connector(ClientFactory):
    noisy = False

    def __init__(self, connection: Connection, exchange: Exchange) -> None:
        self._connection = connection
        self._exchange = exchange

    def buildProtocol(self, addr: IAddress | None) -> Connection | None:  # noqa: N802  Twisted's name
        return None if self._exchange.over else self._connection  # None closes one that nobody waits for any more

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:  # noqa: N802  Twisted's name
        self._exchange.not_connected(ConnectionLost(f"No connection: {reason.getErrorMessage()}"))


def connect(
    reactor: Any,
    address: tuple[str, int],
    request: AssociateRequest,
    *,
    services: Mapping[CommandField, Service] | None = None,
    timeouts: Timeouts = DEFAULT_TIMEOUTS,
    connect_seconds: float = 5.0,
    response_seconds: float = 30.0,
    tls: IOpenSSLContextFactory | IOpenSSLClientConnectionCreator | None = None,
) -> Deferred[Exchange]:
    """Ask a peer for an association; gives it when it is there. Fails with a DulError; may be cancelled.

    `services` answer what the peer asks over it: C-STORE while a C-GET goes on, N-EVENT-REPORT.
    """
    association = Association(Role.REQUESTOR)
    exchange = Exchange(services or {}, reactor, response_seconds=response_seconds)
    exchange.connection = Connection(association, exchange, reactor, timeouts)
    try:
        association.open(request)
    except LocalViolation as error:
        exchange.not_connected(error)
        return exchange.established_at
    factory = _Connector(exchange.connection, exchange)
    # Twisted's own connectSSL would put off small writes to the global reactor, which may be another one and not run.
    secured = factory if tls is None else TLSFactory(tls, True, factory, reactor)
    reactor.connectTCP(*address, secured, connect_seconds)
    return exchange.established_at
