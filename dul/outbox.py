"""Messages on their way to the peer: one after another, as fast as it takes them (PS3.8 annex E)."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from twisted.internet.defer import Deferred

from dul.connection import Connection
from dul.errors import AssociationAborted
from dul.operations import Asked, Request, Source
from dul.pdus import AbortReason, AbortSource
from dul.states import State

log = logging.getLogger(__name__)

#: Bytes that are read of a source at once, where the peer's fragments are smaller.
_AT_ONCE = 1 << 16
#: Where data may be sent: PS3.8 table 9-10, P-DATA request.
_MAY_SEND = frozenset((State.Sta6, State.Sta8))


@dataclass(eq=False, slots=True)
class Outgoing:
    """A message on its way out; a source's bytes follow the command set.

    `asked` where it is answered; `answers` is the request of the peer that has its last answer with it.
    """

    context_id: int
    command: bytes
    data: bytes | None = None
    source: Source | None = None
    asked: Asked | None = None
    answers: Request | None = None


class Outbox:
    """Writes messages in their order, each whole before the next. `written` hears of each when the last of it is on its way.

    A source that cannot be read aborts the association: its message cannot be ended otherwise.
    """

    def __init__(self, written: Callable[[Outgoing], None]) -> None:
        self.connection: Connection
        self._written = written
        self._waiting: deque[Outgoing] = deque()
        self._sending: Outgoing | None = None
        self._writable = True
        self._closed = False
        self._breathless: list[Deferred[None]] = []

    @property
    def busy(self) -> bool:
        """Tell whether something is on its way out."""
        return bool(self._waiting or self._sending)

    def put(self, message: Outgoing) -> None:
        """Send a message, after those that wait."""
        self._waiting.append(message)
        self._pump()

    def writable(self, writable: bool) -> None:
        """Hear whether the peer keeps up with what is written."""
        self._writable = writable
        if writable:
            self._pump()
            self._let_breathe()

    def breathe(self, deferred: Deferred[None]) -> None:
        """Fire a Deferred when the peer keeps up with what is written, or nothing is sent any more."""
        if self._writable or self._closed:
            deferred.callback(None)
        else:
            self._breathless.append(deferred)

    def close(self) -> None:
        """Let go of what was not sent."""
        self._closed = True
        messages = [*([self._sending] if self._sending else []), *self._waiting]
        self._sending = None
        self._waiting.clear()
        for message in messages:
            if message.source is not None:
                message.source.close()
        self._let_breathe()

    def _let_breathe(self) -> None:
        waiting, self._breathless = self._breathless, []
        for deferred in waiting:
            deferred.callback(None)

    def _pump(self) -> None:
        """Write what waits, as long as the peer keeps up; after our request for a release nothing may be sent."""
        while self._writable and not self._closed and self.connection.association.state in _MAY_SEND:
            if self._sending is not None:
                self._go_on(self._sending)
            elif self._waiting:
                self._begin(self._waiting.popleft())
            else:
                return

    def _begin(self, message: Outgoing) -> None:
        association = self.connection.association
        if message.asked is not None:
            message.asked._begun = True
        if message.source is None:
            self.connection.send(association.send(message.context_id, message.command, message.data))
            self._written(message)
            return
        self._sending = message
        self.connection.send(association.send_fragment(message.context_id, message.command, last=True, command=True))
        self._go_on(message)  # with the command set in one write

    def _go_on(self, message: Outgoing) -> None:
        """Write the next fragments of a source."""
        source = message.source
        assert source is not None
        association = self.connection.association
        fragment = association.fragment_size
        try:
            data = source.read(min(max(fragment, _AT_ONCE - _AT_ONCE % fragment), source.size))
        except OSError as error:
            text = f"What is sent to {self.connection.peer} cannot be read: {error.strerror or error}"
            log.warning("%s", text)
            self.connection.abort(why=AssociationAborted(text, AbortSource.SERVICE_USER, AbortReason.NOT_SPECIFIED))
            return
        last = not source.size
        if last:
            self._sending = None
        self.connection.send(association.send_fragment(message.context_id, data, last=last))
        if last:
            source.close()
            self._written(message)
