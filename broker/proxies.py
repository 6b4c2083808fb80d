"""Connections that come through a proxy: a header says whose they are, then the session begins, with the client's address."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import Any, cast

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress, IDelayedCall, IHalfCloseableProtocol, IProtocol, IProtocolFactory, ITCPTransport
from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.python.failure import Failure
from zope.interface import directlyProvides, implementer, providedBy

from broker.addresses import read_address
from broker.hub import Hub
from broker.proxy_header import BadProxyHeader, ProxyHeader, read_proxy_header

Network = IPv4Network | IPv6Network

#: Seconds in which a proxy has to say whose connection it is; proxies say it in their first packet.
HEADER_SECONDS = 3.0


class _ClientsTransport:
    """A proxy's connection, with the client as its peer."""

    def __init__(self, transport: ITCPTransport, peer: IAddress) -> None:
        self._transport = transport
        self._peer = peer
        directlyProvides(self, providedBy(transport))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def getPeer(self) -> IAddress:  # noqa: N802  Twisted's name
        """Give the client's address."""
        return self._peer


@implementer(IHalfCloseableProtocol)
class ProxiedConnection(Protocol):
    """A connection of a proxy: first its header, bounded in bytes and time; then the shell around the client's connection."""

    def __init__(self, factory: ProxiedFactory) -> None:
        self._waiting = factory
        self._first = b""
        self._inner: Any = None  # an IProtocol; that of clear connections can be half closed, too
        self._deadline: IDelayedCall | None = None

    def connectionMade(self) -> None:  # noqa: N802  Twisted's name
        """Wait for the header; see Twisted's IProtocol."""
        self.wire = cast("ITCPTransport", self.transport)
        self._deadline = self._waiting.hub.clock.callLater(HEADER_SECONDS, self._refuse, "its PROXY header did not come in time")

    def dataReceived(self, data: bytes) -> None:  # noqa: N802  Twisted's name
        """Read the header, then hand bytes on."""
        if self._inner is not None:
            self._inner.dataReceived(data)
            return
        if self._deadline is None:  # refused already
            return
        self._first += data
        try:
            header = read_proxy_header(self._first)
        except BadProxyHeader as error:
            self._refuse(str(error))
            return
        if header is not None:
            self._begin(header)

    def _begin(self, header: ProxyHeader) -> None:
        rest, self._first = self._first[header.length :], b""
        self._settle()
        peer = self.wire.getPeer() if header.client is None else _as_peer(*header.client)
        self._inner = self._waiting.clients.buildProtocol(peer)
        if self._inner is None:
            self.wire.loseConnection()
            return
        self._inner.makeConnection(_ClientsTransport(self.wire, peer))
        if rest:
            self._inner.dataReceived(rest)

    def _refuse(self, why: str) -> None:
        self._settle()
        self._first = b""
        proxy = getattr(self.wire.getPeer(), "host", "")
        self._waiting.hub.visitors.complain(proxy, f"{why}; proxy_protocol_from names this address as a proxy's")
        self.abort()

    def _settle(self) -> None:
        """Wait no longer."""
        self._waiting.waiting.discard(self)
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        self._deadline = None

    def abort(self) -> None:
        """Cut the connection."""
        self.wire.abortConnection()

    def readConnectionLost(self) -> None:  # noqa: N802  Twisted's name
        """Tell the session; what cannot be half closed is closed."""
        if IHalfCloseableProtocol.providedBy(self._inner):
            self._inner.readConnectionLost()
        else:
            self.wire.loseConnection()

    def writeConnectionLost(self) -> None:  # noqa: N802  Twisted's name
        """Tell the session; what cannot be half closed is closed."""
        if IHalfCloseableProtocol.providedBy(self._inner):
            self._inner.writeConnectionLost()
        else:
            self.wire.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802  Twisted's name
        """Forget the connection, and let its session do so."""
        self._settle()
        if self._inner is not None:
            self._inner.connectionLost(reason)


class ProxiedFactory(ServerFactory):
    """Takes a header from the addresses that are proxies, and makes the connections of their clients and of everybody else.

    What comes from a proxy's address without a header is refused: a proxy that sends none would let clients write their own.
    From any other address a header is junk like any other.
    """

    noisy = False

    def __init__(self, hub: Hub, proxies: Sequence[Network], clients: IProtocolFactory) -> None:
        self.hub = hub
        self.proxies = proxies
        self.clients = clients
        #: Connections whose header has not come; there are at most as many as sessions.
        self.waiting: set[ProxiedConnection] = set()

    # Twisted's name; a connection here is an IProtocol that knows its factory in its own way.
    def buildProtocol(self, address: IAddress | None) -> IProtocol | None:  # type: ignore[override]  # noqa: N802
        """Make a connection; one that is too many is closed at once."""
        peer = read_address(getattr(address, "host", ""))
        if peer is None or not any(peer in network for network in self.proxies):
            return self.clients.buildProtocol(cast("IAddress", address))
        if len(self.waiting) >= self.hub.limits.sessions:
            return None
        connection = ProxiedConnection(self)
        self.waiting.add(connection)
        return connection

    def stopFactory(self) -> None:  # noqa: N802  Twisted's name
        """Cut those who wait when the port is closed."""
        for connection in list(self.waiting):
            connection.abort()


def _as_peer(host: str, port: int) -> IAddress:
    return (IPv6Address if ":" in host else IPv4Address)("TCP", host, port)
