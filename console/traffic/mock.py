"""A broker that answers from a recording."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IAddress, IDelayedCall, IPushProducer, IReactorTCP, IReactorTime, ITCPTransport
from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from console.addresses import listen
from console.traffic.conversation import LIMIT_BYTES
from console.traffic.playback import Playback, PlayedSession
from console.traffic.wire import Decoder
from console.traffic.wires import WIRES
from xwb import CHARSET, ChunkRefused, HeaderSkipped, RequestRefused, encode_error, encode_response, first_five

log = logging.getLogger(__name__)

CONNECTIONS_LIMIT = 500
IDLE_SECONDS = 600.0


class MockReactor(IReactorTCP, IReactorTime):
    """What a mock broker needs of the reactor."""


class MockBroker(ServerFactory):
    """Serves a recording on a port. `missed` is called with the name of every request that was not recorded."""

    noisy = False

    def __init__(self, reactor: MockReactor, playback: Playback, missed: Callable[[str], None] = lambda _name: None) -> None:
        self.reactor = reactor
        self.playback = playback
        self.missed = missed
        self.clients: set[MockSession] = set()
        self._port: Any = None

    def start(self, port: int, interface: str = "127.0.0.1") -> int:
        """Listen; give the port. Raises ConsoleError when it is taken."""
        self._port = listen(self.reactor, port, self, interface)
        return int(self._port.getHost().port)

    def stop(self) -> None:
        """Close everything."""
        if self._port is not None:
            self._port.stopListening()
        for client in list(self.clients):
            client.wire.abortConnection()

    def buildProtocol(self, address: IAddress | None) -> Protocol | None:  # noqa: N802  Twisted's name
        """Take a client, or nobody when there are too many."""
        if len(self.clients) >= CONNECTIONS_LIMIT:
            log.warning("refused a connection: %d are open", CONNECTIONS_LIMIT)
            return None
        return MockSession(self)


@implementer(IPushProducer)
class MockSession(Protocol):
    """One client of a mock broker; one that does not read its answers is not read, one that is silent is closed.

    Its first five bytes tell its transport; one that the recorder does not decode is closed.
    """

    def __init__(self, broker: MockBroker) -> None:
        self._broker = broker
        self._first = b""
        self._begun: tuple[PlayedSession, Decoder] | None = None
        self._blocked = False
        self._closing = False
        self._timer: IDelayedCall | None = None

    @property
    def wire(self) -> Any:
        """The transport; its interfaces are unknown to type checkers."""
        return self.transport

    def connectionMade(self) -> None:  # noqa: N802  Twisted's name
        """Begin."""
        if ITCPTransport.providedBy(self.wire):
            self.wire.setTcpNoDelay(True)
        self._broker.clients.add(self)
        self.wire.registerProducer(self, True)
        self._timer = self._broker.reactor.callLater(IDLE_SECONDS, self._close)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802  Twisted's name
        """Forget the client."""
        self._broker.clients.discard(self)
        self._closing = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def dataReceived(self, data: bytes) -> None:  # noqa: N802  Twisted's name
        """Answer what is whole."""
        if self._timer is not None and self._timer.active():
            self._timer.reset(IDLE_SECONDS)
        if self._begun is None:
            self._first += data
            self._begin(self._first)
        else:
            self._begun[1].receive_data(data)
        self._advance()

    def _begin(self, data: bytes) -> None:
        """Begin a session of the transport that the first bytes tell."""
        transport = first_five(data)
        if transport is None:
            return
        wire = WIRES.get(transport)
        if wire is None:
            log.warning("closed a client: %r is the beginning of no transport that can be served", data[:5])
            self._close()
            return
        decoder = wire.decoder(LIMIT_BYTES)
        decoder.receive_data(data)
        self._begun = self._broker.playback.new_client(transport), decoder
        self._first = b""

    def pauseProducing(self) -> None:  # noqa: N802  Twisted's name
        """Answer and read no more: the client does not read."""
        self._blocked = True
        self.wire.pauseProducing()

    def resumeProducing(self) -> None:  # noqa: N802  Twisted's name
        """Go on: the client has read its answers."""
        self._blocked = False
        self._advance()
        if not self._blocked and not self._closing:
            self.wire.resumeProducing()

    def stopProducing(self) -> None:  # noqa: N802  Twisted's name
        """The connection is gone."""
        self._closing = True

    def _advance(self) -> None:
        if self._begun is None:
            return
        session, decoder = self._begun
        while not self._blocked and not self._closing and (event := decoder.next_event()) is not None:
            self._take(event, session)

    def _take(self, event: object, session: PlayedSession) -> None:
        request = WIRES[session.transport].named(event)
        if request is not None:
            played = session.answer(request)
            if not played.recorded:
                log.warning("%s is not in the recording, or not with these parameters", request.rpc)
                self._broker.missed(request.rpc)
            if played.answer:
                self.wire.write(played.answer)
            if played.close:
                self._close()
        elif isinstance(event, ChunkRefused):
            self.wire.write(encode_response(b"", security=b"Invalid Chunk"))
        elif isinstance(event, RequestRefused) and not event.fatal:
            self.wire.write(encode_error(event.kind, event.text.encode(CHARSET, "replace")))
        elif not isinstance(event, HeaderSkipped):
            self._close()

    def _close(self) -> None:
        if not self._closing:
            self._closing = True
            self.wire.unregisterProducer()
            self.wire.loseConnection()
