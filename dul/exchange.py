"""DIMSE over an association, in both directions: requests to services, responses to those who asked (PS3.7 7.5)."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from dul.associate import (
    APPLICATION_CONTEXT_NOT_SUPPORTED,
    CALLED_AE_TITLE_NOT_RECOGNIZED,
    CALLING_AE_TITLE_NOT_RECOGNIZED,
    LOCAL_LIMIT_EXCEEDED,
    PROTOCOL_VERSION_NOT_SUPPORTED,
    AssociateAccept,
    AssociateReject,
    AssociateRequest,
)
from dul.command import RESPONSE, Command, CommandField, encode_command
from dul.connection import Connection
from dul.errors import (
    AssociationAborted,
    AssociationRejected,
    ConnectionLost,
    DulError,
    LocalViolation,
    PeerTimedOut,
    PeerViolation,
)
from dul.events import Aborted, Fragment, Released
from dul.messages import Begun, MessageReader
from dul.operations import Asked, InMemory, Refusal, Request, Response, Service, Sink, Source
from dul.pdus import AbortReason
from dul.states import Role
from dul.status import DUPLICATE_INVOCATION, UNRECOGNIZED_OPERATION, Category, category

log = logging.getLogger(__name__)

#: Requests of a peer that may wait for their answers; nothing more is read of it until one is given.
AHEAD = 8
#: Responses that may wait for a user who does not take them; nothing more is read of the peer until one is taken.
UNREAD = 64
_MESSAGE_IDS = 65535
_REJECTIONS = {
    APPLICATION_CONTEXT_NOT_SUPPORTED: "application context name not supported",
    CALLED_AE_TITLE_NOT_RECOGNIZED: "called AE title not recognized",
    CALLING_AE_TITLE_NOT_RECOGNIZED: "calling AE title not recognized",
    LOCAL_LIMIT_EXCEEDED: "local limit exceeded",
    PROTOCOL_VERSION_NOT_SUPPORTED: "protocol version not supported",
}


@dataclass(slots=True)
class _Outgoing:
    """A message on its way out; a source's bytes follow the command set.

    `asked` where it is answered; `answers` is the message id of the peer's request that has its last answer with it.
    """

    context_id: int
    command: bytes
    data: bytes | None = None
    source: Source | None = None
    asked: Asked | None = None
    answers: int | None = None


#: Answers the request for an association of a peer, which is named by its address.
Decide = Callable[[AssociateRequest, str], AssociateAccept | AssociateReject]


class Exchange:
    """The user of one association: `services` answer the peer's requests, `ask` makes ours.

    Every response goes to the request whose message id it names; one that names none aborts the association. Requests that
    the negotiated window does not allow yet wait (PS3.7 D.3.3.3).
    """

    def __init__(
        self,
        services: Mapping[CommandField, Service],
        clock: IReactorTime,
        *,
        decide: Decide | None = None,
        response_seconds: float = 30.0,
    ) -> None:
        self.connection: Connection
        self.established_at: Deferred[Exchange] = Deferred()
        #: Fires with why the association ended: None for an end in order.
        self.closed: Deferred[DulError | None] = Deferred()
        self._services: Mapping[int, Service] = {int(field): service for field, service in services.items()}
        self._clock = clock
        self._decide = decide
        self._response_seconds = response_seconds
        self._reader = MessageReader()
        self._sink: Sink | None = None
        self._open: dict[int, Request] = {}
        self._asked: dict[int, Asked] = {}
        self._held: deque[Asked] = deque()
        self._outbox: deque[_Outgoing] = deque()
        self._sending: _Outgoing | None = None
        self._writable = True
        self._breathless: list[Deferred[None]] = []
        self._paused = False
        self._holds = 0
        self._window = 1
        self._last_id = 0
        self._ended: DulError | None = None
        self._over = False

    # ---- what is known ----

    @property
    def busy(self) -> bool:
        """Tell whether a message is coming, a request waits for its answer, or something is on its way out."""
        return bool(self._reader.in_message or self._open or self._asked or self._outbox or self._sending)

    @property
    def over(self) -> bool:
        """Tell whether the association has ended."""
        return self._over

    def context_for(self, abstract_syntax: str, transfer_syntax: str | None = None) -> int | None:
        """Find an accepted presentation context, for a transfer syntax or for any."""
        for identifier, context in self.connection.association.contexts.items():
            if context.abstract_syntax == abstract_syntax and transfer_syntax in (None, context.transfer_syntax):
                return int(identifier)
        return None

    # ---- our requests ----

    def ask(self, context_id: int, command: Command, data: bytes | None = None, source: Source | None = None) -> Asked:
        """Send a request, with a data set or the source of one. Its message id is chosen here."""
        self._last_id = self._free_id()
        command = replace(command, message_id=self._last_id, has_data=data is not None or source is not None)
        asked = Asked(self, context_id, command, source, data)
        if self._over:
            if source is not None:
                source.close()
            asked._fail(self._ended or ConnectionLost("The association has ended."))
        elif self._window and len(self._asked) >= self._window:
            self._held.append(asked)
        else:
            self._start(asked)
        return asked

    def _free_id(self) -> int:
        number = self._last_id
        held = {one.command.message_id for one in self._held}
        while True:
            number = number % _MESSAGE_IDS + 1
            if number not in self._asked and number not in held:
                return number

    def _start(self, asked: Asked) -> None:
        self._asked[asked.command.message_id or 0] = asked
        self._queue(_Outgoing(asked.context_id, encode_command(asked.command), asked._data, asked._source, asked))

    def _cancel(self, asked: Asked) -> None:
        if asked.command.message_id in self._asked and not self._over:
            cancel = Command(field=CommandField.C_CANCEL_RQ, responds_to=asked.command.message_id)
            self._queue(_Outgoing(asked.context_id, encode_command(cancel)))

    def release(self) -> Deferred[DulError | None]:
        """End the association in order; gives `closed`."""
        if not self._over:
            try:
                self.connection.release()
            except LocalViolation:
                self.connection.abort()
        return self.closed

    def abort(self) -> None:
        """End the association at once."""
        self.connection.abort()

    # ---- sending ----

    def _queue(self, message: _Outgoing) -> None:
        self._outbox.append(message)
        self._pump()

    def _pump(self) -> None:
        """Write what waits, as long as the peer keeps up; messages do not mix."""
        while self._writable and not self._over:
            if self._sending is not None:
                self._go_on(self._sending)
            elif self._outbox:
                self._begin_message(self._outbox.popleft())
            else:
                return

    def _begin_message(self, message: _Outgoing) -> None:
        association = self.connection.association
        if message.source is None:
            self.connection.send(association.send(message.context_id, message.command, message.data))
            self._written(message)
            return
        self._sending = message
        self.connection.send(association.send_fragment(message.context_id, message.command, last=True, command=True))
        self._go_on(message)  # with the command set in one write

    def _go_on(self, message: _Outgoing) -> None:
        """Write the next fragment of a source."""
        source = message.source
        assert source is not None
        association = self.connection.association
        try:
            data = source.read(min(association.fragment_size, source.size))
        except OSError as error:
            log.warning("what is sent to %s cannot be read: %s", self.connection.peer, error)
            self.connection.abort(0, 0, f"what is sent cannot be read: {error.strerror}")
            return
        last = not source.size
        if last:
            self._sending = None
        self.connection.send(association.send_fragment(message.context_id, data, last=last))
        if last:
            source.close()
            self._written(message)

    def _written(self, message: _Outgoing) -> None:
        if message.answers is not None:
            self._open.pop(message.answers, None)
            self._balance()
        if message.asked is not None:
            message.asked.handed_over = True
            self._expect(message.asked)

    def _expect(self, asked: Asked) -> None:
        """Give the peer its time to answer, anew with each answer."""
        asked._stop_timer()
        asked._timer = self._clock.callLater(self._response_seconds, self._time_out, asked)

    def _time_out(self, asked: Asked) -> None:
        asked._timer = None
        text = f"{self.connection.peer} did not answer within {self._response_seconds:g} s"
        log.warning("%s", text)
        self._ended = PeerTimedOut(text)
        self.connection.abort(0, 0, text)

    # ---- the peer's messages ----

    def fragment(self, fragment: Fragment) -> None:
        """Take what came. Raises PeerViolation."""
        part = self._reader.read(fragment)
        if part is None:
            return
        if isinstance(part, Begun):
            self._sink = self._sink_for(part)
            if part.command.has_data:
                return
            last = True
        else:
            assert self._sink is not None
            self._sink.write(part.data)
            last = part.last
        if last:
            sink, self._sink = self._sink, None
            sink.finish()

    def _sink_for(self, begun: Begun) -> Sink:
        command = begun.command
        if command.field == CommandField.C_CANCEL_RQ:
            return InMemory(lambda _data: self._cancelled(command.responds_to))
        if command.field & RESPONSE:
            return self._sink_for_response(begun)
        context = self.connection.association.contexts[begun.context_id]
        request = Request(self, begun.context_id, context.abstract_syntax, context.transfer_syntax, command)
        if command.message_id is None:
            raise PeerViolation("a request has no Message ID (0000,0110)", AbortReason.INVALID_PARAMETER)
        if command.message_id in self._open:
            return Refusal(request, DUPLICATE_INVOCATION)
        self._open[command.message_id] = request
        self._balance()
        service = self._services.get(command.field)
        return service(request) if service is not None else Refusal(request, UNRECOGNIZED_OPERATION)

    def _sink_for_response(self, begun: Begun) -> Sink:
        command = begun.command
        asked = self._asked.get(command.responds_to or 0)
        if asked is None or command.field != asked.command.field | RESPONSE:
            raise PeerViolation(f"a response to message {command.responds_to} answers nothing", AbortReason.INVALID_PARAMETER)
        return InMemory(lambda data: self._answered(asked, Response(command, data if command.has_data else None)))

    def _answered(self, asked: Asked, response: Response) -> None:
        if response.category is Category.PENDING:
            self._expect(asked)
        else:
            asked._stop_timer()
            self._asked.pop(asked.command.message_id or 0, None)
            if self._held and (not self._window or len(self._asked) < self._window):
                self._start(self._held.popleft())
        asked._come(response)
        self._balance()

    def _cancelled(self, message_id: int | None) -> None:
        request = self._open.get(message_id or 0)
        if request is not None:
            request.cancelled = True

    def _respond(self, request: Request, response: Command, data: bytes | None) -> None:
        if self._over:
            return
        final = category(response.status or 0) is not Category.PENDING
        answers = request.command.message_id if final and self._open.get(request.command.message_id or 0) is request else None
        self._queue(_Outgoing(request.context_id, encode_command(response), data, answers=answers))

    # ---- back-pressure ----

    def hold(self) -> None:
        """Read nothing more of the peer until `unhold`, as often as it was held: what it sends cannot be put away."""
        self._holds += 1
        self._balance()

    def unhold(self) -> None:
        """Read on, where nothing else holds the peer up."""
        self._holds -= 1
        self._balance()

    def _balance(self) -> None:
        unread = any(len(asked._responses) >= UNREAD for asked in self._asked.values())
        pause = bool(self._holds) or len(self._open) >= AHEAD or unread
        if pause is not self._paused and not self._over:
            self._paused = pause
            (self.connection.pause if pause else self.connection.resume)()

    def writable(self, writable: bool) -> None:
        """Hear whether the peer keeps up with what is written."""
        self._writable = writable
        if writable:
            self._pump()
            self._let_breathe()

    def _let_breathe(self) -> None:
        waiting, self._breathless = self._breathless, []
        for deferred in waiting:
            deferred.callback(None)

    # ---- the association ----

    def requested(self, request: AssociateRequest) -> None:
        """Accept or reject what the peer asks for."""
        decision = self._decide(request, self.connection.peer) if self._decide is not None else LOCAL_LIMIT_EXCEEDED
        if isinstance(decision, AssociateAccept):
            self.connection.accept(decision)
        else:
            self.connection.reject(decision)

    def established(self, accept: AssociateAccept) -> None:
        """Begin."""
        window = accept.operations_window
        if window is not None:
            self._window = window[0] if self.connection.association.role is Role.REQUESTOR else window[1]
        self.established_at.callback(self)

    def rejected(self, reject: AssociateReject) -> None:
        """Hear that there is to be no association."""
        self._ended = AssociationRejected(
            _REJECTIONS.get(reject, f"reason {reject.reason}"), reject.result, reject.source, reject.reason
        )

    def not_connected(self, error: DulError) -> None:
        """Hear that there is no connection to begin with."""
        self._ended = error
        self.ended(None)

    def breath(self) -> Deferred[None]:
        """Give a Deferred that fires when the peer was listened to and keeps up with what is written, or is gone."""
        deferred: Deferred[None] = Deferred()
        self._clock.callLater(0, self._breathe, deferred)
        return deferred

    def _breathe(self, deferred: Deferred[None]) -> None:
        if self._writable or self._over:
            deferred.callback(None)
        else:
            self._breathless.append(deferred)

    def release_requested(self) -> None:
        """Agree to the end."""
        self.connection.respond_release()

    def ended(self, why: Released | Aborted | None) -> None:
        """Tell everybody who waits."""
        self._over = True
        error = self._ended or _error(why, self.connection.peer)
        if self._sink is not None:
            sink, self._sink = self._sink, None
            sink.abandon()
        messages = [*([self._sending] if self._sending else []), *self._outbox]
        for source in (message.source for message in messages):
            if source is not None:
                source.close()
        self._sending = None
        self._outbox.clear()
        asked = [*self._asked.values(), *self._held]
        self._asked.clear()
        self._held.clear()
        for one in asked:
            one._fail(error or ConnectionLost("The association was released before an answer came."))
        self._let_breathe()
        if not self.established_at.called:
            self.established_at.errback(error or ConnectionLost())
        self.closed.callback(error)


def _error(why: Released | Aborted | None, peer: str) -> DulError | None:
    if why is None or isinstance(why, Released):
        return None
    if why.lost:
        return ConnectionLost(f"{peer} closed the connection.")
    if why.problem:
        return AssociationAborted(f"The association with {peer} was aborted: {why.problem}.", why.source, why.reason)
    who = "its user" if why.source == 0 else "its provider"
    return AssociationAborted(f"{peer} aborted the association ({who}, reason {why.reason}).", why.source, why.reason)
