"""The broker as a service: its listeners, opened and closed together."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress, IListeningPort, IReactorTCP
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.internet.task import LoopingCall

from broker.connection import ConnectionBase, Hub
from broker.errors import PortTaken
from broker.ns_session import NSSession
from broker.text_session import TextSession

log = logging.getLogger(__name__)

#: Connections that the system may hold before they are accepted.
BACKLOG = 256


class SessionFactory(ServerFactory):
    """Makes a session for every connection."""

    noisy = False

    def __init__(self, hub: Hub, make: Callable[[Hub], ConnectionBase]) -> None:
        self.hub = hub
        self.make = make

    def buildProtocol(self, _address: IAddress | None) -> Protocol | None:  # noqa: N802  Twisted's name
        """Make a session; far beyond the bound a connection is closed at once."""
        if len(self.hub.connections) >= self.hub.limits.sessions * 2:
            return None
        return self.make(self.hub)


@dataclass(slots=True)
class BrokerService:
    """The RPC Broker: `[XWB]` on one port, the text transport on another (0 lets the system choose, None leaves it out)."""

    hub: Hub
    reactor: IReactorTCP
    port: int | None
    text_port: int | None = None
    interface: str = "127.0.0.1"
    _ports: list[IListeningPort] = field(default_factory=list)
    _sweeper: LoopingCall | None = None

    def start(self) -> None:
        """Open the listeners. Raises PortTaken, with nothing left open."""
        try:
            self.port = self._listen(self.port, NSSession, self.interface)
            self.text_port = self._listen(self.text_port, TextSession, "127.0.0.1")
        except PortTaken:
            self.stop_listening()
            raise
        self._sweeper = LoopingCall(self.hub.close_idle)
        self._sweeper.clock = self.hub.clock
        self._sweeper.start(1.0, now=False)

    def _listen(self, port: int | None, make: Callable[[Hub], ConnectionBase], interface: str) -> int | None:
        if port is None:
            return None
        factory = SessionFactory(self.hub, make)
        try:
            listening = self.reactor.listenTCP(port, factory, backlog=BACKLOG, interface=interface)
        except CannotListenError as error:
            raise PortTaken(port) from error
        self._ports.append(listening)
        return int(getattr(listening.getHost(), "port", port))

    def stop_listening(self) -> None:
        """Take no more connections."""
        for listening in self._ports:
            listening.stopListening()
        self._ports.clear()

    def stop(self) -> None:
        """Take no more connections and close those there are; answers under way are still sent."""
        self.stop_listening()
        if self._sweeper is not None and self._sweeper.running:
            self._sweeper.stop()
        for connection in list(self.hub.connections):
            connection.close()
        self.hub.dispatcher.workers.shutdown(wait=False)
