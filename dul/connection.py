"""The Twisted side of an association: one TCP connection, with its timers, its back-pressure and its end."""

from __future__ import annotations

import logging
import socket
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime, ITCPTransport
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from dul.associate import AssociateAccept, AssociateReject, AssociateRequest
from dul.association import Association
from dul.errors import AssociationAborted, DulError, LocalViolation, PeerTimedOut, PeerViolation
from dul.events import (
    Aborted,
    Accepted,
    CloseConnection,
    Event,
    Fragment,
    OpenConnection,
    Rejected,
    Released,
    ReleaseRequested,
    Requested,
    StartTimer,
    StopTimer,
    Write,
)
from dul.pdus import AbortReason, AbortSource, encode_abort
from dul.states import Role, State

log = logging.getLogger(__name__)

#: Bytes that one system call takes from the socket: fewer calls for the hundreds of kilobytes of an image.
_RECEIVED_AT_ONCE = 1 << 18
#: Linux has it alone; others refuse the number.
_TCP_QUICKACK = getattr(socket, "TCP_QUICKACK", 12)
#: What the peer owes, by the state in which it has the time of ARTIM for it: the standard sets no timer there.
_OWED = {
    State.Sta2: "ask for an association",
    State.Sta5: "answer the request for an association",
    State.Sta7: "answer the release",
    State.Sta10: "answer the release",
    State.Sta11: "answer the release",
}
#: Where the user is to answer a release.
_RELEASING = frozenset((State.Sta8, State.Sta9))

End = Released | Aborted | DulError | None
#: Reasons of OpenSSL that hide what is wrong.
_TLS = {"wrong version number": "it does not speak TLS"}


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds.

    `artim` (PS3.8 9.1.5) is what a peer has to ask for an association once it has connected, and to close after its end. It
    has as long, which the standard leaves open, to answer a request for an association or for its release, and to take what
    was written before our close. `idle` is how long it may send nothing while it is listened to, or take nothing of what is
    written.
    """

    artim: float = 15.0
    idle: float = 60.0


class AssociationUser(Protocol):
    """Who is told what happens on an association."""

    def requested(self, request: AssociateRequest) -> None:
        """Hear that the peer asks for an association; answer with `accept` or `reject`."""

    def established(self, accept: AssociateAccept) -> None:
        """Hear that the association is there."""

    def rejected(self, reject: AssociateReject) -> None:
        """Hear that the peer rejected it."""

    def fragment(self, fragment: Fragment) -> None:
        """Take data. Raises PeerViolation, which aborts."""

    def release_requested(self) -> None:
        """Hear that the peer wants to end; answer with `respond_release`."""

    def ended(self, why: End) -> None:
        """Hear that there is no association any more, once; None where it was rejected or the peer ended it in order.

        A DulError says why this side gave up.
        """

    def writable(self, writable: bool) -> None:
        """Hear that the peer does not keep up with what is written, or does again."""


@implementer(IPushProducer)
class _Congestion:
    """Hears whether the peer of a connection keeps up with what is written."""

    def __init__(self, writable: Callable[[bool], None]) -> None:
        self._writable = writable

    def pauseProducing(self) -> None:  # noqa: N802  Twisted's name
        self._writable(False)

    def resumeProducing(self) -> None:  # noqa: N802  Twisted's name
        self._writable(True)

    def stopProducing(self) -> None:  # noqa: N802  Twisted's name
        """Do nothing: the end of the connection is told otherwise."""


class Connection(TwistedProtocol):
    """Performs what an association says, and feeds it what happens."""

    def __init__(self, association: Association, user: AssociationUser, clock: IReactorTime, timeouts: Timeouts) -> None:
        self.association = association
        self.peer = "?"
        self._user = user
        self._clock = clock
        self._timeouts = timeouts
        self._artim: IDelayedCall | None = None
        self._watch: IDelayedCall | None = None
        self._heard_at = 0.0
        self._paused = self._congested = False
        self._ended = self._silent = self._telling = False
        self._socket: socket.socket | None = None
        #: What came in one read with that which made the user pause, in its order.
        self._kept: deque[Fragment | ReleaseRequested] = deque()
        self._reason = ""
        #: Fires when the connection is closed, which may be some time after the association has ended.
        self.gone: Deferred[None] = Deferred()

    # ---- Twisted ----

    def connectionMade(self) -> None:  # noqa: N802  Twisted's name
        """Begin; the peer's small messages are answered at once (TCP_NODELAY)."""
        transport: Any = self.transport
        transport.bufferSize = _RECEIVED_AT_ONCE
        if ITCPTransport.providedBy(transport):
            transport.setTcpNoDelay(True)
            self._socket = _socket_of(self.transport)
        self.peer = str(getattr(transport.getPeer(), "host", "?"))
        transport.registerProducer(_Congestion(self._keeps_up), True)
        self._heard_at = self._clock.seconds()
        self._watch = self._clock.callLater(self._timeouts.idle, self._look)
        self._perform(self.association.connected())
        self._start_timer(None)

    def _keeps_up(self, writable: bool) -> None:
        """Hear that the peer took what was written, or does not; that it sends nothing meanwhile does not excuse it."""
        self._heard_at = self._clock.seconds()
        self._congested = not writable
        if not self._ended:
            self._user.writable(writable)

    @property
    def heard_at(self) -> float:
        """When the peer sent something last, or took what was written."""
        return self._heard_at

    def dataReceived(self, data: bytes) -> None:  # noqa: N802  Twisted's name
        """Take bytes."""
        self._acknowledge()
        self._perform(self.association.receive(data))
        self._heard_at = self._clock.seconds()  # now: the time that its services took is not the peer's silence

    def _acknowledge(self) -> None:
        """Have the kernel acknowledge what has come at once.

        A peer that writes a message in pieces, as DCMTK and Orthanc do, keeps the next one until then (RFC 896), and the kernel's
        delay is 40 ms. It falls back by itself, hence with each read (tcp(7)).
        """
        if self._socket is not None:
            try:
                self._socket.setsockopt(socket.IPPROTO_TCP, _TCP_QUICKACK, 1)
            except OSError:  # where there is none of it, or the connection is lost, which is told otherwise
                self._socket = None

    def connectionLost(self, reason: Failure | None = None) -> None:  # noqa: N802  Twisted's name
        """End what has not ended."""
        if reason is not None and not isinstance(reason.value, ConnectionDone):
            self._reason = _words(reason)
        try:
            self._perform(self.association.connection_closed())
            self._end(Aborted(AbortSource.SERVICE_PROVIDER, AbortReason.NOT_SPECIFIED, self._reason, lost=True))
        finally:  # whatever the user fails on, the connection counts no more
            for call in (self._artim, self._watch):
                if call is not None and call.active():
                    call.cancel()
            self.gone.callback(None)

    # ---- the user's side ----

    def accept(self, accept: AssociateAccept) -> None:
        """Accept the association that was asked for."""
        self._perform(self.association.accept(accept))
        self._user.established(accept)

    def reject(self, reject: AssociateReject) -> None:
        """Reject it."""
        self._perform(self.association.reject(reject))
        self._end(None)

    def send(self, events: Sequence[Event]) -> None:
        """Write what the association made of a message."""
        self._perform(events)

    def release(self) -> None:
        """Ask for the end in order."""
        self._perform(self.association.release())
        self._start_timer(None)

    def respond_release(self) -> None:
        """Agree to the end that the peer asked for."""
        self._perform(self.association.respond_release())
        if self.association.state is State.Sta13:
            self._end(None)

    def abort(
        self,
        source: int = AbortSource.SERVICE_USER,
        reason: int = AbortReason.NOT_SPECIFIED,
        why: DulError | None = None,
    ) -> None:
        """End at once; nothing happens where the association has ended.

        The connection is closed by the peer, or when ARTIM ends; one on which no association was asked for is cut (Sta1, Sta2),
        and so is that of a request which was rejected by itself (Sta13).
        """
        if self._ended:
            return
        try:
            self._perform(self.association.abort(source, reason))
        except LocalViolation:
            self._cut()
        self._end(why or Aborted(source, reason))

    def _give_up(self, text: str) -> None:
        """Abort a peer that does not do its part, and close."""
        self.abort(AbortSource.SERVICE_PROVIDER, why=PeerTimedOut(text))
        self._close(None)

    def pause(self) -> None:
        """Take nothing from the peer for a while; its TCP holds it up. What has come is kept."""
        if self.transport is not None and not self._ended:
            self._paused = True
            self._producer.pauseProducing()

    def resume(self) -> None:
        """Take from the peer again."""
        if self.transport is not None and not self._ended:
            self._paused = False
            self._heard_at = self._clock.seconds()  # it was not the peer who was silent
            self._tell_kept()
            if not self._paused:
                self._producer.resumeProducing()

    def _tell_kept(self) -> None:
        """Tell what was kept, up to what makes the user pause again. It may resume within, which is no new beginning."""
        if not self._telling:
            self._telling = True
            while self._kept and not self._paused:
                event = self._kept.popleft()
                if isinstance(event, Fragment):
                    self._take(event)
                else:
                    self._answer_release(event)
            self._telling = False

    @property
    def _producer(self) -> Any:
        return self.transport

    # ---- what the association says ----

    def _perform(self, events: Sequence[Event]) -> None:
        for event in events:
            if type(event) is Fragment:
                if self._paused or self._kept:
                    self._kept.append(event)
                elif not self._ended:
                    self._take(event)
            else:
                self._ACTIONS[type(event)](self, event)

    def _take(self, fragment: Fragment) -> None:
        try:
            self._user.fragment(fragment)
        except PeerViolation as violation:
            violation = violation.at(fragment.position)
            log.warning("%s breaks the protocol: %s", self.peer, violation)
            self._refuse(AbortSource.SERVICE_PROVIDER, violation.reason, violation)
        except LocalViolation:
            log.exception("an answer to %s came too late", self.peer)
        except Exception:  # whatever a service of ours fails on, the peer is to hear it
            self._fail(f"What {self.peer} sent could not be taken.")

    def _refuse(self, source: int, reason: int, why: DulError) -> None:
        """Abort because of what came."""
        if self.association.state is State.Sta13:  # by what came with it, whose answer this one takes the place of
            self._perform([Write([encode_abort(source, reason)]), StartTimer()])
            self._silent = True
            self._end(why)
        else:
            self.abort(source, reason, why)

    def _fail(self, text: str) -> None:
        """Abort because of the exception that is being handled: whatever the user fails on, the peer is not left waiting."""
        log.exception("%s", text)
        source, reason = AbortSource.SERVICE_USER, AbortReason.NOT_SPECIFIED
        self._refuse(source, reason, AssociationAborted(text, source, reason))

    def _write(self, event: Write) -> None:
        transport: Any = self.transport
        if not self._silent:
            transport.writeSequence([_as_bytes(buffer) for buffer in event.data])

    def _start_timer(self, _event: StartTimer | None) -> None:
        self._stop_timer(None)
        self._artim = self._clock.callLater(self._timeouts.artim, self._expire)

    def _stop_timer(self, _event: StopTimer | None) -> None:
        if self._artim is not None and self._artim.active():
            self._artim.cancel()
        self._artim = None

    def _expire(self) -> None:
        self._artim = None
        owed = _OWED.get(self.association.state)
        if owed is not None and not self._ended:
            self._give_up(f"{self.peer} did not {owed} within {self._timeouts.artim:g} s")
            return
        self._perform(self.association.timer_expired())
        self._cut()  # a peer that takes nothing would keep what was written, and the connection with it

    def _cut(self) -> None:
        transport: Any = self.transport
        if transport is not None:
            transport.abortConnection()

    def _close(self, _event: CloseConnection | None) -> None:
        """Close when what was written is sent; a peer that does not take it, or does not close its TLS, is cut in the end."""
        transport: Any = self.transport
        if transport is not None:
            transport.unregisterProducer()  # one that is registered keeps TLS from closing
            transport.loseConnection()
            self._start_timer(None)

    def _look(self) -> None:
        """Give up where the peer was silent for too long, or look again when it may have been.

        It is not silent while nothing is taken from it, unless it does not take what it is sent.
        """
        if self._ended:
            return
        silent = 0.0 if self._paused and not self._congested else self._clock.seconds() - self._heard_at
        if silent < self._timeouts.idle:
            self._watch = self._clock.callLater(self._timeouts.idle - silent, self._look)
            return
        self._give_up(f"{self.peer} {'took' if self._congested else 'sent'} nothing for {silent:.0f} s")

    def _requested(self, event: Requested) -> None:
        if self.association.state is not State.Sta3:  # what came with it may have ended it
            return
        try:
            self._user.requested(event.request)
        except Exception:  # whatever a policy of ours fails on, the peer is to hear it
            self._fail(f"The request of {self.peer} for an association could not be answered.")

    def _accepted(self, event: Accepted) -> None:
        self._stop_timer(None)
        self._user.established(event.accept)

    def _rejected(self, event: Rejected) -> None:
        self._user.rejected(event.reject)
        self._end(None)

    def _release_requested(self, event: ReleaseRequested) -> None:
        if self._kept:
            self._kept.append(event)
        else:
            self._answer_release(event)

    def _answer_release(self, event: ReleaseRequested) -> None:
        ended = self.association.state not in _RELEASING
        if not ended and (not event.collision or self.association.role is Role.REQUESTOR):
            self._user.release_requested()

    def _released(self, event: Released) -> None:
        if self.association.state is State.Sta12:  # both asked for the end: the acceptor answers when it was answered
            self._perform(self.association.respond_release())
        self._end(event)

    def _aborted(self, event: Aborted) -> None:
        if event.lost:
            event = replace(event, problem=self._reason)
        elif event.problem and not self._ended:
            log.warning("%s breaks the protocol: %s", self.peer, event.problem)
        self._end(event)

    def _nothing(self, _event: OpenConnection) -> None:
        """Do nothing: an endpoint connects."""

    def _end(self, why: End) -> None:
        if not self._ended:
            self._kept.clear()
            if self._paused:  # what comes now is passed over, up to the peer's close
                self.resume()
            self._ended = True
            self._user.ended(why)

    _ACTIONS: ClassVar[dict[type[Any], Callable[[Connection, Any], None]]] = {
        Write: _write,
        StartTimer: _start_timer,
        StopTimer: _stop_timer,
        CloseConnection: _close,
        OpenConnection: _nothing,
        Requested: _requested,
        Accepted: _accepted,
        Rejected: _rejected,
        ReleaseRequested: _release_requested,
        Released: _released,
        Aborted: _aborted,
    }


def _socket_of(transport: Any) -> socket.socket | None:
    """Give the socket of a TCP connection; TLS has one beneath its own."""
    handle = getattr(transport, "transport", transport).getHandle()
    return handle if isinstance(handle, socket.socket) else None


def _as_bytes(buffer: bytes | memoryview) -> bytes:
    """Give what Twisted writes; a view of the whole of some bytes is not copied."""
    if isinstance(buffer, bytes):
        return buffer
    whole = buffer.obj
    return whole if isinstance(whole, bytes) and len(whole) == len(buffer) else bytes(buffer)


def _words(reason: Failure) -> str:
    """Say why a connection was lost. What TLS raises is known by its module, as that takes long to load and most have none."""
    module = type(reason.value).__module__
    if reason.value is not None and module.startswith("OpenSSL."):
        reasons = [str(one[-1]) for one in next(iter(reason.value.args), ())]
        return f"TLS: {', '.join(_TLS.get(one, one) for one in reasons) or 'the handshake was cut off'}."
    if module.startswith("service_identity."):
        return "TLS: its certificate names another host."
    return reason.getErrorMessage()
