"""The door of the broker's port: five bytes tell which transport a connection speaks (CONNTYPE^XWBTCPM)."""

from __future__ import annotations

import logging
from collections.abc import Callable

from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from broker.bse_session import BSESession
from broker.connection import ConnectionBase
from broker.hub import Hub
from broker.m2m_session import M2MSession
from broker.ns_session import NSSession
from broker.old_session import OldListenerSession
from broker.timing import BEFORE_CONNECT, HALF_A_HEADER
from xwb import Transport, first_five

log = logging.getLogger(__name__)

#: Who speaks each transport. What is not here is closed without a byte.
SESSIONS: dict[Transport, Callable[[Hub], ConnectionBase]] = {
    Transport.NS: NSSession,
    Transport.OLD: OldListenerSession,
    Transport.M2M: M2MSession,
    Transport.BSE: BSESession,
}


class Front(ConnectionBase):
    """A connection whose transport is not known yet; then the shell around the session that speaks it."""

    def __init__(self, hub: Hub) -> None:
        super().__init__(hub, "")
        self._first = b""
        self._inner: ConnectionBase | None = None

    def dataReceived(self, data: bytes) -> None:  # noqa: N802  Twisted's name
        """Hand bytes on; the first five decide to whom."""
        if self._inner is not None:
            self._inner.dataReceived(data)
            return
        self.touched()
        self._first += data
        kind = first_five(self._first)
        if kind is None:
            self.regulate()
            return
        make = SESSIONS.get(kind)
        if make is None:
            log.info("closed %s: %r is the beginning of no transport", self.session.address, self._first[:5])
            self.close()
            return
        self._hand_over(make(self.hub))

    def _hand_over(self, inner: ConnectionBase) -> None:
        first, self._first = self._first, b""
        self.regulate()
        self.hub.connections.discard(self)
        self.producing.unregisterProducer()
        self._inner = inner
        inner.makeConnection(self.transport)  # type: ignore[no-untyped-call]  # twisted gives it no types
        inner.dataReceived(first)

    def readConnectionLost(self) -> None:  # noqa: N802  Twisted's name
        """Tell the session; one that has not begun is closed."""
        if self._inner is not None:
            self._inner.readConnectionLost()
        else:
            self.close()

    def writeConnectionLost(self) -> None:  # noqa: N802  Twisted's name
        """Tell the session."""
        (self._inner.writeConnectionLost if self._inner is not None else self.close)()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802  Twisted's name
        """Forget the connection, and let its session do so."""
        super().connectionLost(reason)
        if self._inner is not None:
            self._inner.connectionLost(reason)

    @property
    def held(self) -> int:
        """The bytes that came so far."""
        return len(self._first)

    def patience(self) -> float:
        """Tell how many seconds of silence are borne now."""
        return HALF_A_HEADER if self._first else BEFORE_CONNECT

    def advance(self) -> None:
        """Wait for more bytes."""
