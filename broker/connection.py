"""What every connection of the broker has in common: its session, reading with bounds, patience, closing."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import cast

from twisted.internet.interfaces import IConsumer, IHalfCloseableProtocol, IPushProducer, IReactorTime, ITCPTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from broker.dispatch import Dispatcher
from broker.limits import Limits
from rpcs import Session


@dataclass(slots=True)
class Hub:
    """What the connections of one broker share: dispatcher, bounds, clock, and the connections themselves."""

    dispatcher: Dispatcher
    limits: Limits
    clock: IReactorTime
    connections: set[ConnectionBase] = field(default_factory=set)

    def accepts_sessions(self) -> bool:
        """Tell whether new jobs are allowed: logons are not inhibited, and the volume is not full (NEWJOB^XWBTCPM)."""
        inhibited = self.dispatcher.site().settings.logons_inhibited
        return not inhibited and len(self.connections) <= self.limits.sessions

    def broker_timeout(self) -> int:
        """Give the seconds of silence after which a signed-on session is closed (BROKER ACTIVITY TIMEOUT)."""
        return self.dispatcher.site.latest().settings.broker_timeout

    def close_idle(self) -> None:
        """Close the connections that were silent too long, without a byte; called once a second."""
        now = self.clock.seconds()
        for connection in list(self.connections):
            if now - connection.last_heard > connection.patience():
                connection.close()


@implementer(IPushProducer, IHalfCloseableProtocol)
class ConnectionBase(Protocol):
    """A connection with a session. Subclasses decode, take events and answer."""

    def __init__(self, hub: Hub, transport_name: str) -> None:
        self.hub = hub
        self.session = Session(transport=transport_name)
        self.busy = False
        self.blocked = False
        self.last_heard = hub.clock.seconds()
        self._paused = False
        self._ended = False

    def connectionMade(self) -> None:  # noqa: N802  Twisted's name
        """Set the connection up; see Twisted's IProtocol."""
        self.wire = cast("ITCPTransport", self.transport)
        peer = self.wire.getPeer()
        self.session = Session(address=getattr(peer, "host", ""), transport=self.session.transport)
        set_no_delay = getattr(self.wire, "setTcpNoDelay", None)  # in-memory transports have none
        if set_no_delay is not None:
            set_no_delay(True)
        self.producing = cast("IConsumer", self.transport)
        self.producing.registerProducer(self, True)
        self.hub.connections.add(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802  Twisted's name
        """Forget the connection; see Twisted's IProtocol."""
        self.hub.connections.discard(self)
        self.busy = True

    def readConnectionLost(self) -> None:  # noqa: N802  Twisted's name
        """Answer what came before the peer stopped sending (netcat does), then close."""
        self._ended = True
        self.regulate()

    def writeConnectionLost(self) -> None:  # noqa: N802  Twisted's name
        """Close: nobody would hear the answers."""
        self.close()

    def touched(self) -> None:
        """Remember that the peer was heard."""
        self.last_heard = self.hub.clock.seconds()

    def write(self, data: bytes) -> None:
        """Send bytes unless the connection is gone."""
        if self.connected:
            self.wire.write(data)

    def close(self) -> None:
        """Close when what was written is sent; unregister first, or the transport waits for the producer."""
        if self.connected:
            self.producing.unregisterProducer()
            self.wire.loseConnection()

    def regulate(self) -> None:
        """Stop reading while too much came ahead; go on when it is worked off; close after the last answer."""
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
        """The bytes that came ahead."""

    @abstractmethod
    def patience(self) -> float:
        """Tell how many seconds of silence are borne now."""

    @abstractmethod
    def advance(self) -> None:
        """Take requests as far as possible."""
