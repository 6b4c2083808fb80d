"""One listener to the live feed: what he wants, and what he has not taken yet, which is bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from runtime.metrics import EVENTS_LOST

#: Bytes that wait for one listener at most.
WAITING_LIMIT = 1024**2


@implementer(IPushProducer)
@dataclass(slots=True, eq=False)
class Listener:
    """Writes events to a connection while it takes them; what it does not take in time is lost, and it is told how much was."""

    request: Any
    kinds: Collection[str]
    #: Gives the kinds that he may hear; raises when that is none any more.
    may: Callable[[], Awaitable[Collection[str]]]
    _waiting: deque[bytes] = field(default_factory=deque)
    _size: int = 0
    _lost: int = 0
    _paused: bool = False
    _greeting: bool = False

    def hold(self) -> None:
        """Keep what comes until `greet`."""
        self._greeting = True

    def greet(self, events: Collection[bytes]) -> None:
        """Write what comes first, then what was kept meanwhile."""
        self._greeting = False
        self._waiting.extendleft(reversed(list(events)))
        self._size += sum(map(len, events))
        if not self._paused:
            self.resumeProducing()

    def send(self, events: Collection[bytes]) -> None:
        """Hand events over, written as they are sent."""
        if not self._paused and not self._greeting:
            self.request.write(b"".join(events))
            return
        for event in events:
            self._waiting.append(event)
            self._size += len(event)
            while self._size > WAITING_LIMIT:
                self._size -= len(self._waiting.popleft())
                self._lost += 1
                EVENTS_LOST.inc()

    def end(self, event: bytes) -> None:
        """Send a last event, and hang up; on one who takes nothing, at once."""
        if (channel := self.request.channel) is None:
            return
        if self._paused:
            channel.forceAbortClient()
            return
        self.request.write(event)
        channel.loseConnection()

    def pauseProducing(self) -> None:  # noqa: N802  Twisted's name
        """Keep what comes: the connection is full."""
        self._paused = True

    def resumeProducing(self) -> None:  # noqa: N802  Twisted's name
        """Tell how much was lost, and hand over what waits."""
        self._paused = False
        if self._greeting:
            return
        parts = [f'event: lost\ndata: {{"events": {self._lost}}}\n\n'.encode()] if self._lost else []
        parts += self._waiting
        self._waiting.clear()
        self._size = self._lost = 0
        if parts:
            self.request.write(b"".join(parts))

    def stopProducing(self) -> None:  # noqa: N802  Twisted's name
        """The connection is gone: nothing is kept for it."""
        self._paused = True
        self._waiting.clear()
        self._size = 0
