"""DIMSE over an association, in both directions: requests to services, responses to those who asked (PS3.7 7.5)."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from dul.associate import (
    LOCAL_LIMIT_EXCEEDED,
    AssociateAccept,
    AssociateReject,
    AssociateRequest,
)
from dul.command import RESPONSE, Command, CommandField, encode_command
from dul.connection import Connection, End
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
from dul.outbox import Outbox, Outgoing
from dul.pdus import AbortReason, AbortSource
from dul.states import Role
from dul.status import DUPLICATE_INVOCATION, RESOURCE_LIMITATION, UNRECOGNIZED_OPERATION, Category, category

log = logging.getLogger(__name__)

#: Requests of a peer that may wait for their answers; nothing more is read of it until one is given. Where that may be one
#: which itself waits for an answer of the peer, it is read on, and more requests are refused.
AHEAD = 8
#: Responses that may wait for a user who does not take them; nothing more is read of the peer until one is taken.
UNREAD = 64
_MESSAGE_IDS = 65535
#: Operations whose peer may be busy with sub-operations on this association in place of an answer (PS3.7 9.1.3).
_FED = frozenset((CommandField.C_GET_RQ,))
#: Operations that are performed without asking the peer anything in their turn.
_UNASKING = frozenset((CommandField.C_STORE_RQ, CommandField.C_ECHO_RQ))
#: Whoever answers so has everything that was asked, or says so.
_DONE = frozenset((Category.SUCCESS, Category.WARNING))
Decision = AssociateAccept | AssociateReject
#: Answers the request for an association of a peer, which is named by its address, at once or later.
Decide = Callable[[AssociateRequest, str], Decision | Deferred[Decision]]


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
        self.established_at: Deferred[Exchange] = Deferred(lambda _cancelled: self.abort())
        #: The name of the listener that it came to.
        self.listener = ""
        self._services: Mapping[int, Service] = {int(field): service for field, service in services.items()}
        self._clock = clock
        self._decide = decide
        self._response_seconds = response_seconds
        self._reader = MessageReader()
        self._sink: Sink | None = None
        self._open: dict[int, Request] = {}
        #: Those that are open, and those that are refused because one of their message id is.
        self._unanswered: set[Request] = set()
        self._asked: dict[int, Asked] = {}
        self._held: deque[Asked] = deque()
        self._outbox = Outbox(self._written)
        self._paused = False
        self._holds = 0
        self._window = 1
        self._last_id = 0
        self._ended: DulError | None = None
        self._over = False
        self._told_at_end: list[Deferred[DulError | None]] = []
        #: What the acceptor said, once there is an association.
        self.accept: AssociateAccept | None = None

    # ---- what is known ----

    @property
    def connection(self) -> Connection:
        """The connection; whoever makes it says so."""
        return self._outbox.connection

    @connection.setter
    def connection(self, connection: Connection) -> None:
        self._outbox.connection = connection

    @property
    def busy(self) -> bool:
        """Tell whether a message is coming, a request waits for its answer, or something is on its way out."""
        return bool(self._reader.in_message or self._unanswered or self._asked or self._outbox.busy)

    @property
    def over(self) -> bool:
        """Tell whether the association has ended."""
        return self._over

    def context_for(self, abstract_syntax: str, transfer_syntax: str | None = None) -> int | None:
        """Find an accepted presentation context in which this side is SCU, for a transfer syntax or for any."""
        for identifier, context in self.connection.association.contexts.items():
            if context.scu and context.abstract_syntax == abstract_syntax and transfer_syntax in (None, context.transfer_syntax):
                return int(identifier)
        return None

    # ---- our requests ----

    def ask(self, context_id: int, command: Command, data: bytes | None = None, source: Source | None = None) -> Asked:
        """Send a request, with a data set or the source of one, closed in the end. It gets its message id when its turn comes."""
        asked = Asked(self, context_id, command, source, data)
        if self._over:
            asked._fail(self._ended or ConnectionLost("The association has ended."))
        elif context_id not in self.connection.association.contexts:
            asked._fail(LocalViolation(f"Presentation context {context_id} was not accepted."))
        elif len(self._asked) >= self._at_a_time:
            self._held.append(asked)
        else:
            self._start(asked)
        return asked

    @property
    def _at_a_time(self) -> int:
        """How many requests may wait for their answers: no window has more than there are message ids."""
        return self._window or _MESSAGE_IDS

    def _free_id(self) -> int:
        number = self._last_id % _MESSAGE_IDS + 1
        while number in self._asked:
            number = number % _MESSAGE_IDS + 1
        return number

    def _start(self, asked: Asked) -> None:
        number = self._last_id = self._free_id()
        has_data = asked._data is not None or asked._source is not None
        asked.command = replace(asked.command, message_id=number, has_data=has_data)
        self._asked[number] = asked
        source, asked._source = asked._source, None  # the outbox closes it
        self._outbox.put(Outgoing(asked.context_id, encode_command(asked.command), asked._data, source, asked))
        self._balance()

    def _cancel(self, asked: Asked) -> None:
        if asked in self._held:
            self._held.remove(asked)
            asked._fail(LocalViolation("The request was cancelled before it was sent."))
            return
        if self._asked.get(asked.number) is asked and not self._over:
            cancel = Command(field=CommandField.C_CANCEL_RQ, responds_to=asked.command.message_id)
            self._outbox.put(Outgoing(asked.context_id, encode_command(cancel)))

    def release(self) -> Deferred[DulError | None]:
        """End the association in order; gives `closed()`."""
        if not self._over:
            try:
                self.connection.release()
            except LocalViolation:
                self.connection.abort()
        return self.closed()

    def closed(self) -> Deferred[DulError | None]:
        """Give a Deferred that fires with why the association has ended: None for an end in order."""
        deferred: Deferred[DulError | None] = Deferred()
        if self._over:
            deferred.callback(self._ended)
        else:
            self._told_at_end.append(deferred)
        return deferred

    def abort(self) -> None:
        """End the association at once."""
        self.connection.abort()

    # ---- what was sent ----

    def _written(self, message: Outgoing) -> None:
        asked, request = message.asked, message.answers
        if request is not None:
            self._unanswered.discard(request)
            if self._open.get(request.number) is request:
                del self._open[request.number]
        if asked is not None:
            asked.handed_over = True
            if self._asked.get(asked.number) is asked:  # it may have been refused before all of it was sent
                self._expect(asked)
        self._balance()

    def _expect(self, asked: Asked) -> None:
        """Give the peer its time to answer, anew with each answer."""
        asked._stop_timer()
        asked._timer = self._clock.callLater(self._response_seconds, self._time_out, asked)

    def _time_out(self, asked: Asked) -> None:
        asked._timer = None
        fed = asked.command.field in _FED and self._clock.seconds() - self.connection.heard_at < self._response_seconds
        if self._paused or fed:  # what it says is not listened to, or it is at work
            self._expect(asked)
            return
        text = f"{self.connection.peer} did not answer within {self._response_seconds:g} s"
        log.warning("%s", text)
        self.connection.abort(why=PeerTimedOut(text))

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
            self._balance()

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
        self._unanswered.add(request)
        duplicate = request.number in self._open
        self._open.setdefault(request.number, request)
        if duplicate:
            return Refusal(request, DUPLICATE_INVOCATION)
        if len(self._open) > AHEAD and self._waits_for_peer():
            return Refusal(request, RESOURCE_LIMITATION)
        service = self._services.get(command.field)
        return service(request) if service is not None else Refusal(request, UNRECOGNIZED_OPERATION)

    def _sink_for_response(self, begun: Begun) -> Sink:
        command = begun.command
        asked = self._asked.get(command.responds_to or 0)
        if (
            asked is None
            or not asked._begun
            or (begun.context_id, command.field) != (asked.context_id, asked.command.field | RESPONSE)
        ):
            raise PeerViolation(f"a response to message {command.responds_to} answers nothing", AbortReason.INVALID_PARAMETER)
        return InMemory(lambda data: self._answered(asked, Response(command, data if command.has_data else None)))

    def _answered(self, asked: Asked, response: Response) -> None:
        if response.category in _DONE and not asked.handed_over:
            raise PeerViolation(f"message {asked.number} is done before all of it was sent", AbortReason.INVALID_PARAMETER)
        if response.category is Category.PENDING:
            self._expect(asked)
        else:
            asked._stop_timer()
            asked._failure = LocalViolation("No response follows the last one.")
            self._asked.pop(asked.number, None)
            if self._held and len(self._asked) < self._at_a_time:
                self._start(self._held.popleft())
        asked._come(response)
        self._balance()

    def _cancelled(self, message_id: int | None) -> None:
        request = self._open.get(message_id or 0)
        if request is not None:
            request.cancel()

    def _respond(self, request: Request, response: Command, data: bytes | None) -> None:
        if self._over or request.answered:
            return
        request.answered = category(response.status or 0) is not Category.PENDING
        answers = request if request.answered else None
        self._outbox.put(Outgoing(request.context_id, encode_command(response), data, answers=answers))

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
        unread = bool(self._asked) and any(asked.unread >= UNREAD for asked in self._asked.values())
        pause = bool(self._holds) or self._ahead() or unread
        if pause is not self._paused and not self._over:
            self._paused = pause
            (self.connection.pause if pause else self.connection.resume)()

    def _ahead(self) -> bool:
        """Tell whether as many requests wait as may. The last of them is taken whole first: a service may wait for them all."""
        if len(self._unanswered) < AHEAD or self._reader.in_message:
            return False
        return self._outbox.busy or not self._waits_for_peer()

    def _waits_for_peer(self) -> bool:
        """Tell whether the answer to a request of the peer may wait for its own to one of ours, as with C-GET."""
        return bool(self._asked) and any(request.command.field not in _UNASKING for request in self._unanswered)

    def writable(self, writable: bool) -> None:
        """Hear whether the peer keeps up with what is written."""
        self._outbox.writable(writable)
        self._balance()

    # ---- the association ----

    def requested(self, request: AssociateRequest) -> None:
        """Accept or reject what the peer asks for."""
        decision = self._decide(request, self.connection.peer) if self._decide is not None else LOCAL_LIMIT_EXCEEDED
        if isinstance(decision, Deferred):
            decision.addCallback(self._decided).addErrback(self._undecided)
        else:
            self._decided(decision)

    def _undecided(self, failure: Failure) -> None:
        log.error("%s", failure.getTraceback())
        self.connection.abort(why=LocalViolation(f"The request of {self.connection.peer} for an association was not answered."))

    def _decided(self, decision: Decision) -> None:
        if self._over:
            return
        if isinstance(decision, AssociateAccept):
            self.connection.accept(decision)
        else:
            self.connection.reject(decision)

    def established(self, accept: AssociateAccept) -> None:
        """Begin."""
        self.accept = accept
        association = self.connection.association
        proposed = association.request.operations_window if association.request is not None else None
        if proposed is not None and accept.operations_window is not None:
            side = 0 if association.role is Role.REQUESTOR else 1
            self._window = min(filter(None, (proposed[side], accept.operations_window[side])), default=0)
        self.established_at.callback(self)

    def rejected(self, reject: AssociateReject) -> None:
        """Hear that there is to be no association."""
        self._ended = AssociationRejected(reject.text, reject.result, reject.source, reject.reason)

    def not_connected(self, error: DulError) -> None:
        """Hear that there is no connection to begin with."""
        if not self._over:
            self.ended(error)

    def breath(self) -> Deferred[None]:
        """Give a Deferred that fires when the peer was listened to and keeps up with what is written, or is gone."""
        deferred: Deferred[None] = Deferred()
        self._clock.callLater(0, self._outbox.breathe, deferred)
        return deferred

    def release_requested(self) -> None:
        """Agree to the end."""
        self.connection.respond_release()

    def ended(self, why: End) -> None:
        """Tell everybody who waits."""
        self._over = True
        error = self._ended = self._ended or _error(why, self.connection.peer)
        if self._sink is not None:
            sink, self._sink = self._sink, None
            try:
                sink.abandon()
            except Exception:  # whatever a service fails on, those who wait are told
                log.exception("what came of %s cannot be abandoned", self.connection.peer)
        self._outbox.close()
        asked = [*self._asked.values(), *self._held]
        for waiting in (self._open, self._unanswered, self._asked, self._held):
            waiting.clear()
        for one in asked:
            one._fail(error or ConnectionLost("The association was released before an answer came."))
        if not self.established_at.called:
            self.established_at.errback(error or ConnectionLost())
        told, self._told_at_end = self._told_at_end, []
        for deferred in told:
            deferred.callback(error)


def _error(why: End, peer: str) -> DulError | None:
    if why is None or isinstance(why, Released):
        return None
    if isinstance(why, PeerViolation):
        why = Aborted(AbortSource.SERVICE_PROVIDER, why.reason, str(why))
    if isinstance(why, DulError):
        return why
    if why.lost:
        return ConnectionLost(f"{peer} closed the connection{f': {why.problem}' if why.problem else '.'}")
    if why.problem:
        return AssociationAborted(f"The association with {peer} was aborted: {why.problem}", why.source, why.reason)
    who = "its user" if why.source == AbortSource.SERVICE_USER else "its provider"
    return AssociationAborted(f"{peer} aborted the association ({who}, reason {why.reason}).", why.source, why.reason)
