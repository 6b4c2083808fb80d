"""An answer that goes out piece by piece, no faster than its client takes it."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer


class Gone(Exception):
    """The client has left."""


@implementer(IPushProducer)
class Outlet:
    """Writes to a request; all of it belongs to the reactor's thread. `close` it in the end."""

    def __init__(self, request: Any) -> None:
        self._request = request
        self._gone = False
        self._waiting: Deferred[None] | None = None
        self._paused = False
        request.notifyFinish().addBoth(self._finished)
        request.registerProducer(self, True)

    async def write(self, data: bytes) -> None:
        """Write a piece, when what came before it is on its way. Raises Gone."""
        if self._paused and not self._gone:
            self._waiting = Deferred()
            await self._waiting
        if self._gone:
            raise Gone
        self._request.write(data)

    def close(self) -> None:
        """Write no more."""
        if not self._gone:
            self._request.unregisterProducer()

    def abort(self) -> None:
        """Break off, so that the client does not take for whole what is not."""
        if not self._gone and (channel := getattr(self._request, "channel", None)) is not None:
            channel.forceAbortClient()

    def pauseProducing(self) -> None:  # noqa: N802  Twisted's name
        """Wait: the connection is full."""
        self._paused = True

    def resumeProducing(self) -> None:  # noqa: N802  Twisted's name
        """Go on."""
        self._paused = False
        self._go_on()

    def stopProducing(self) -> None:  # noqa: N802  Twisted's name
        """The connection is gone."""
        self._finished(None)

    def _finished(self, _result: object) -> None:
        self._gone = True
        self._go_on()

    def _go_on(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(None)
