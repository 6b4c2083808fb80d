"""A Twisted server that sends back what it gets: what the reactor and the loopback cost by themselves."""

from __future__ import annotations

import sys
from typing import cast

from twisted.internet import asyncioreactor

asyncioreactor.install()  # type: ignore[no-untyped-call]  # twisted gives it no types

from twisted.internet import reactor  # noqa: E402  only after a reactor is installed
from twisted.internet.interfaces import ITCPTransport  # noqa: E402
from twisted.internet.protocol import Factory, Protocol  # noqa: E402


class Echo(Protocol):
    """Sends back what it gets."""

    def connectionMade(self) -> None:  # noqa: N802  Twisted's name
        """Send small messages at once."""
        cast("ITCPTransport", self.transport).setTcpNoDelay(True)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802  Twisted's name
        """Send it back."""
        cast("ITCPTransport", self.transport).write(data)


if __name__ == "__main__":
    reactor.listenTCP(int(sys.argv[1]), Factory.forProtocol(Echo), interface="127.0.0.1")  # type: ignore[attr-defined]
    reactor.run()  # type: ignore[attr-defined]
