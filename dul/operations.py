"""Operations of DIMSE as values: what the peer asks, what it is asked, and where data sets go (PS3.7 7.5)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IDelayedCall

from dul.command import Command
from dul.errors import DulError, LocalViolation, PeerViolation
from dul.pdus import AbortReason
from dul.status import Category, category

if TYPE_CHECKING:
    from dul.exchange import Exchange

#: The longest data set of a response, or of a request that is no C-STORE: those are kept in memory.
DATA_LIMIT = 1 << 20


class Sink(Protocol):
    """Where the data set of a request goes; of one without a data set `finish` is all that it hears."""

    def write(self, data: memoryview) -> None:
        """Take a piece."""

    def finish(self) -> None:
        """Hear that the request is whole, and see to its answer."""

    def abandon(self) -> None:
        """Hear that the association ended before it was."""


class Source(Protocol):
    """A data set that is sent piece by piece, as the peer takes it. `size` is that of what is left, in bytes."""

    size: int

    def read(self, count: int) -> bytes:
        """Give the next bytes, so many of them. Raises OSError."""

    def close(self) -> None:
        """Let go of it, whether it was read to its end or not."""


class Refusal:
    """Takes a data set that nobody wants, and says so when it is whole."""

    def __init__(self, request: Request, status: int) -> None:
        self._request, self._status = request, status

    def write(self, data: memoryview) -> None:
        """Let it go."""

    def finish(self) -> None:
        self._request.respond(self._status)

    def abandon(self) -> None:
        """Do nothing."""


class InMemory:
    """Keeps a data set and gives it to a function when it is whole. A longer one than `limit` is a violation."""

    def __init__(self, done: Callable[[bytes], None], limit: int = DATA_LIMIT) -> None:
        self._done = done
        self._limit = limit
        self._data = bytearray()

    def write(self, data: memoryview) -> None:
        """Take a piece. Raises PeerViolation."""
        if len(self._data) + len(data) > self._limit:
            raise PeerViolation(f"a data set is longer than {self._limit} bytes", AbortReason.INVALID_PARAMETER)
        self._data += data

    def finish(self) -> None:
        """Give it."""
        self._done(bytes(self._data))

    def abandon(self) -> None:
        """Forget it."""
        self._data.clear()


@dataclass(eq=False, slots=True)
class Request:
    """A request of the peer. `cancelled` is set by its C-CANCEL, which `when_cancelled` is told; `answered` by the last answer.

    Nothing may follow that.
    """

    exchange: Exchange
    context_id: int
    abstract_syntax: str
    transfer_syntax: str
    command: Command
    cancelled: bool = False
    answered: bool = False
    when_cancelled: Callable[[], None] | None = None

    @property
    def number(self) -> int:
        """Its message id."""
        return self.command.message_id or 0

    def cancel(self) -> None:
        """Hear that the peer wants no more of it."""
        self.cancelled = True
        if self.when_cancelled is not None:
            self.when_cancelled()

    def respond(self, status: int, data: bytes | None = None, **fields: Any) -> None:
        """Answer; with a pending status more answers follow. Nothing happens after the last, or the association's end."""
        response = self.command.response(status, has_data=data is not None, **fields)
        self.exchange._respond(self, response, data)


#: What answers requests of one kind: it is called with a request when its command set is there, and gives where the data set
#: is to go.
Service = Callable[[Request], Sink]


@dataclass(frozen=True, slots=True)
class Response:
    """A response, with its data set where it has one."""

    command: Command
    data: bytes | None = None

    @property
    def category(self) -> Category:
        """What its status comes to."""
        return category(self.command.status or 0)


class Asked:
    """A request to the peer, and the responses that have come.

    `handed_over` tells whether the peer may have all of it: whether it carried it out is unknown then, until it answers.
    """

    def __init__(self, exchange: Exchange, context_id: int, command: Command, source: Source | None, data: bytes | None) -> None:
        self.context_id, self.command = context_id, command
        self.handed_over = False
        self._begun = False
        self._exchange = exchange
        self._source, self._data = source, data
        self._responses: deque[Response] = deque()
        self._waiting: Deferred[Response] | None = None
        self._failure: DulError | None = None
        self._timer: IDelayedCall | None = None

    @property
    def number(self) -> int:
        """Its message id; 0 before its turn has come."""
        return self.command.message_id or 0

    @property
    def unread(self) -> int:
        """How many responses came that nobody has taken."""
        return len(self._responses)

    def response(self) -> Deferred[Response]:
        """Give the next response when it comes. Fails with a DulError when none comes any more.

        One waits at a time, for a second it fails at once; who gives up waiting leaves the next response to who asks for it then.
        """
        if self._waiting is not None:
            return fail(LocalViolation("The next response is waited for already."))
        deferred: Deferred[Response] = Deferred(lambda _deferred: self._wait_no_more())
        if self._responses:
            response = self._responses.popleft()
            self._exchange._balance()
            deferred.callback(response)
        elif self._failure is not None:
            deferred.errback(self._failure)
        else:
            self._waiting = deferred
        return deferred

    def cancel(self) -> None:
        """Ask the peer to stop (C-CANCEL); responses go on coming until the last."""
        self._exchange._cancel(self)

    def _wait_no_more(self) -> None:
        self._waiting = None

    def _come(self, response: Response) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(response)
        else:
            self._responses.append(response)

    def _fail(self, error: DulError) -> None:
        self._failure = error
        if self._source is not None:
            self._source.close()
        self._stop_timer()
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.errback(error)

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
