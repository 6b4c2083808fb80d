"""TLS connections of a factory that may refuse them."""

from __future__ import annotations

from twisted.internet.interfaces import IAddress
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol


class TLSFactory(TLSMemoryBIOFactory):
    """Another factory's protocols over TLS; a connection that is refused is closed before its handshake."""

    noisy = False

    # Twisted's name; WrappingFactory does not say that it may give None, as any other Factory does.
    def buildProtocol(self, addr: IAddress | None) -> TLSMemoryBIOProtocol | None:  # type: ignore[override]  # noqa: N802
        """Make a connection unless there is no protocol for it; Twisted's own factory would fail then."""
        protocol = self.wrappedFactory.buildProtocol(addr)
        return None if protocol is None else self.protocol(self, protocol)
