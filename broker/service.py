"""The broker as a service: its listeners, opened and closed together."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress, IListeningPort, IOpenSSLContextFactory, IProtocolFactory, IReactorTCP
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.internet.task import LoopingCall

from broker.connection import ConnectionBase
from broker.errors import PortTaken
from broker.front import Front
from broker.hl7_session import Hl7Session
from broker.hub import Hub
from broker.proxies import Network, ProxiedFactory
from broker.text_session import TextSession
from runtime import TLSFactory

log = logging.getLogger(__name__)

#: Connections that the system may hold before they are accepted.
BACKLOG = 256


class SessionFactory(ServerFactory):
    """Makes a session for every connection."""

    noisy = False

    def __init__(self, hub: Hub, make: Callable[[Hub], ConnectionBase]) -> None:
        self.hub = hub
        self.make = make

    def buildProtocol(self, address: IAddress | None) -> Protocol | None:  # noqa: N802  Twisted's name
        """Make a session; who comes too often, or when the broker is far too full, is closed at once."""
        visitor = getattr(address, "host", "")
        if not self.hub.admits(visitor):
            return None
        session = self.make(self.hub)
        session.visitor = visitor
        return session


@dataclass(frozen=True, slots=True)
class Listener:
    """A port to listen on (0 lets the system choose) and who speaks there; with `tls` only over TLS.

    Connections from `proxies` begin with a PROXY header, before TLS.
    """

    port: int
    make: Callable[[Hub], ConnectionBase] = Front
    interface: str = "127.0.0.1"
    tls: IOpenSSLContextFactory | None = None
    proxies: tuple[Network, ...] = ()


def text_listener(port: int, interface: str = "127.0.0.1", tls: IOpenSSLContextFactory | None = None) -> Listener:
    """Give the listener of the text transport."""
    return Listener(port, TextSession, interface, tls)


def hl7_listener(port: int, interface: str = "127.0.0.1") -> Listener:
    """Give the listener for HL7 messages over MLLP."""
    return Listener(port, Hl7Session, interface)


@dataclass(slots=True)
class BrokerService:
    """The RPC Broker: listeners by name, `broker` for `[XWB]` and its kin, `text`, either over TLS, and `hl7`."""

    hub: Hub
    reactor: IReactorTCP
    listeners: dict[str, Listener]
    ports: dict[str, int] = field(default_factory=dict)
    _open: list[IListeningPort] = field(default_factory=list)
    _watch: LoopingCall | None = None

    def start(self) -> None:
        """Open the listeners; `ports` tells their numbers then. Raises PortTaken, with nothing left open."""
        try:
            self.ports = {name: self._listen(listener) for name, listener in self.listeners.items()}
        except PortTaken:
            self.stop_listening()
            raise
        self.hub.dispatcher.renew(())
        self._watch = LoopingCall(self.hub.watch)
        self._watch.clock = self.hub.clock
        self._watch.start(1.0, now=False)

    def _listen(self, listener: Listener) -> int:
        factory: IProtocolFactory = SessionFactory(self.hub, listener.make)
        if listener.tls is not None:
            factory = TLSFactory(listener.tls, False, factory)
        if listener.proxies:
            factory = ProxiedFactory(self.hub, listener.proxies, factory)
        try:
            listening = self.reactor.listenTCP(listener.port, cast("ServerFactory", factory), BACKLOG, listener.interface)
        except CannotListenError as error:
            raise PortTaken(listener.port) from error
        self._open.append(listening)
        return int(getattr(listening.getHost(), "port", listener.port))

    def stop_listening(self) -> None:
        """Take no more connections."""
        for listening in self._open:
            listening.stopListening()
        self._open.clear()

    def stop(self) -> None:
        """Take no more connections and close those there are; answers under way are still sent."""
        self.stop_listening()
        if self._watch is not None and self._watch.running:
            self._watch.stop()
            self.hub.dispatcher.leave()
        for connection in list(self.hub.connections):
            connection.close()
        self.hub.dispatcher.workers.shutdown(wait=False)
