"""What every connection of the broker has in common: its session, reading with bounds, patience, closing."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable
from typing import cast
from uuid import uuid4

from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IHalfCloseableProtocol, IPushProducer, ISSLTransport, ITCPTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from broker.dispatch import Outcome
from broker.hub import Hub
from rpcs import Session

log = logging.getLogger(__name__)

#: Seconds that a closed connection may take to read its last answer before it is cut.
LINGER = 10.0
#: A message may take so many seconds, and one more for every so many bytes of it.
MESSAGE_SECONDS = 60.0
SLOWEST_BYTES_PER_SECOND = 1024


def _openssl_says(error: SSL.Error) -> str:
    """Give the reasons in an error of OpenSSL, whose argument is a list of library, function and reason."""
    entries = error.args[0] if error.args else []
    return "; ".join(str(entry[-1]) for entry in entries if entry) or "it ended in the handshake"


@implementer(IPushProducer, IHalfCloseableProtocol)
class ConnectionBase(Protocol):
    """A connection with a session. Subclasses decode, take events and answer."""

    #: Seconds that the first byte of a message may be ahead of its last, however steadily bytes come.
    message_seconds = MESSAGE_SECONDS

    def __init__(self, hub: Hub, transport_name: str) -> None:
        self.hub = hub
        self._gone = False
        self._session = Session(transport=transport_name)
        self.busy = False
        self.blocked = False
        self.last_heard = hub.clock.seconds()
        self.encrypted = False
        self.heard = False
        self._begun: float | None = None
        self._closing: float | None = None
        self._counted = 0
        self._paused = False
        self._ended = False
        #: The address as which the hub counted the connection in; empty when it did not.
        self.visitor = ""

    @property
    def session(self) -> Session:
        """The session as it is now. What a call makes of it after the connection is gone is taken back at once."""
        return self._session

    @session.setter
    def session(self, session: Session) -> None:
        changed = session.sign_on != self._session.sign_on or session.locks != self._session.locks
        self._session = session
        if self._gone and changed:
            self.hub.dispatcher.ended(session)

    def connectionMade(self) -> None:  # noqa: N802  Twisted's name
        """Set the connection up; see Twisted's IProtocol."""
        self.wire = cast("ITCPTransport", self.transport)
        peer = self.wire.getPeer()
        self.encrypted = ISSLTransport.providedBy(self.transport)
        self.session = Session(id=uuid4().hex, address=getattr(peer, "host", ""), transport=self.session.transport)
        set_no_delay = getattr(self.wire, "setTcpNoDelay", None)  # in-memory transports have none
        if set_no_delay is not None:
            set_no_delay(True)
        self.producing = cast("IConsumer", self.transport)
        self.producing.registerProducer(self, True)
        self.hub.connections.add(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802  Twisted's name
        """Forget the connection, close its sign-on; see Twisted's IProtocol."""
        if self.encrypted and not self.heard and isinstance(reason.value, SSL.Error):
            self.hub.visitors.complain(self.session.address, f"TLS failed ({_openssl_says(reason.value)})")
        self.hub.connections.discard(self)
        self._count(0)
        self._gone = True
        self.busy = True
        if self.visitor:
            self.hub.visitors.leave(self.visitor)
        if self.session.sign_on or self.session.locks:
            self.hub.dispatcher.ended(self.session)

    def readConnectionLost(self) -> None:  # noqa: N802  Twisted's name
        """Answer what came before the peer stopped sending (netcat does), then close."""
        self._ended = True
        self.regulate()

    def writeConnectionLost(self) -> None:  # noqa: N802  Twisted's name
        """Close: nobody would hear the answers."""
        self.close()

    def touched(self) -> None:
        """Remember that the peer was heard."""
        self.heard = True
        self.last_heard = self.hub.clock.seconds()

    def write(self, data: bytes) -> None:
        """Send bytes unless the connection is gone."""
        if self.connected:
            self.wire.write(data)

    def settle(self, outcome: Outcome | Deferred[Outcome], then: Callable[..., None], *about: object) -> None:
        """Go on with an outcome, now or when it is there; until then no other request is taken."""
        if isinstance(outcome, Deferred):
            self.busy = True
            outcome.addCallback(self._on_outcome, then, about)
        else:
            then(outcome, *about)

    def _on_outcome(self, outcome: Outcome, then: Callable[..., None], about: tuple[object, ...]) -> None:
        self.busy = False
        then(outcome, *about)
        self.advance()

    def pause(self, seconds: float, then: Callable[..., None], *about: object) -> None:
        """Go on after so many seconds, in which no other request is taken and silence does not count."""
        self.busy = True
        self.hub.clock.callLater(seconds, self._after_pause, then, about)

    def _after_pause(self, then: Callable[..., None], about: tuple[object, ...]) -> None:
        self.busy = False
        self.touched()
        then(*about)
        self.advance()

    def close(self) -> None:
        """Close when what was written is sent; unregister first, or the transport waits for the producer."""
        if self.connected and self._closing is None:
            self._closing = self.hub.clock.seconds()
            self.producing.unregisterProducer()
            self.wire.loseConnection()

    def abort(self) -> None:
        """Cut the connection: what was written may not arrive."""
        if self.connected:
            getattr(self.wire, "abortConnection", self.wire.loseConnection)()

    def give_up(self) -> None:
        """Cut the connection for what it holds; its memory goes with it."""
        self._count(0)
        self.abort()

    def supervise(self, now: float) -> None:
        """Close when the peer was silent too long or drags a message out; cut when it does not even let itself be closed."""
        if self._closing is not None:
            if now - self._closing > LINGER:
                self.abort()
        elif now - self.last_heard > self.patience():
            self.close()
        elif self._begun is not None and now - self._begun > self.message_seconds + self.retained / SLOWEST_BYTES_PER_SECOND:
            log.warning("closed %s: its message was too slow (%d bytes)", self.session.address, self.retained)
            self.close()

    def regulate(self) -> None:
        """Stop reading while too much came ahead; go on when it is worked off; close after the last answer."""
        if self._gone:  # what was still under way has ended; its bytes do not count any more
            return
        retained, weight = self.retained, self.weight
        if weight != self._counted:
            grown = weight > self._counted
            self._count(weight)
            if grown and self.hub.retained > self.hub.limits.held_bytes:
                self.hub.shed()
        if not retained or self.busy:
            self._begun = None
        elif self._begun is None:
            self._begun = self.hub.clock.seconds()
        if self._ended:
            if not self.busy and not self.blocked:
                self.close()
            return
        too_much = self.held > self.hub.limits.ahead_bytes and (self.busy or self.blocked)
        if too_much and not self._paused:
            self._paused = True
            cast("IPushProducer", self.transport).pauseProducing()
        elif not too_much and self._paused:
            self._paused = False
            cast("IPushProducer", self.transport).resumeProducing()

    def _count(self, weight: int) -> None:
        self.hub.retained += weight - self._counted
        self._counted = weight

    def pauseProducing(self) -> None:  # noqa: N802  Twisted's name
        """Take no more requests: the client does not read its answers."""
        self.blocked = True
        self.regulate()

    def resumeProducing(self) -> None:  # noqa: N802  Twisted's name
        """Go on: the client has read its answers."""
        self.blocked = False
        self.advance()

    def stopProducing(self) -> None:  # noqa: N802  Twisted's name
        """The connection is gone."""
        self.blocked = True

    @property
    @abstractmethod
    def held(self) -> int:
        """The bytes that came ahead and are not decoded."""

    @property
    def retained(self) -> int:
        """The bytes in memory: those that came ahead, and those of a message that is not whole yet."""
        return self.held

    @property
    def weight(self) -> int:
        """What `retained` takes in memory: a list that is decoded takes more than its bytes."""
        return self.retained

    @abstractmethod
    def patience(self) -> float:
        """Tell how many seconds of silence are borne now."""

    @abstractmethod
    def advance(self) -> None:
        """Take requests as far as possible."""
