"""Asking the application: each object is offered to it before it comes and when it is there, away from the network's thread."""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from twisted.internet.defer import Deferred, DeferredList, DeferredLock
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from dul import NO_REASON, AssociateAccept, Decision, DulError, Exchange, PeerTimedOut, Request, Sink
from gateway_client.acquisition.placement import Placed, bring, sync_parents
from gateway_client.commitment.transaction import CommitmentResult
from gateway_client.errors import GatewayError, NotAccepted, ObjectTooLarge, PlacementError, SpoolError
from gateway_client.objects.compression_rules import ObjectRule
from gateway_client.objects.elements import scan
from gateway_client.objects.header import identify
from gateway_client.objects.part10 import FileMeta
from gateway_client.reception.application import Application, Keep, Place, StoredObject, place, verdict
from gateway_client.reception.receiving import Incoming, Told, describe, sender
from gateway_client.reception.spool import HEAD, Origin
from gateway_client.reception.spooling import End, SpoolThread

log = logging.getLogger(__name__)

#: Calls of the application at a time, and bytes of one object that is kept in memory.
CALLS, MEMORY_LIMIT = 16, 64 << 20

T = TypeVar("T")


class Desk:
    """Calls the application in threads of its own; what belongs to one association in its order."""

    def __init__(self, application: Application, reactor: Any) -> None:
        self.application = application
        self._reactor = reactor
        self._pool = ThreadPool(0, CALLS, "application")
        self._pool.start()
        self._turns: WeakKeyDictionary[Exchange, DeferredLock] = WeakKeyDictionary()

    def ask(self, exchange: Exchange, function: Callable[[], T]) -> Deferred[T]:
        """Call a function when those before it of the same association are done."""
        return self._turns.setdefault(exchange, DeferredLock()).run(self._call, function)

    def _call(self, function: Callable[[], T]) -> Deferred[T]:
        return deferToThreadPool(self._reactor, self._pool, function)

    def admit(self, origin: Origin, accept: AssociateAccept) -> Deferred[Decision]:
        """Accept an association if the application wants it, and has no fault."""

        def refused(failure: Failure) -> Decision:
            _fault(failure)
            return NO_REASON

        wanted = self._call(partial(verdict, self.application.accept_connection, origin))
        return wanted.addCallback(lambda accepted: accept if accepted else NO_REASON).addErrback(refused)

    def attend(self, exchange: Exchange) -> Deferred[Any]:
        """Tell the application how an association ends; gives a Deferred that fires when it has heard it."""

        def ended(error: DulError | None) -> Deferred[Any]:
            told = (self.application.timed_out,) if isinstance(error, PeerTimedOut) else ()
            tells = (*told, self.application.disconnected)
            return DeferredList([self.ask(exchange, partial(tell, origin)).addErrback(_fault) for tell in tells])

        origin = sender(exchange)
        return exchange.closed().addCallback(ended)

    def hear(self, result: CommitmentResult, exchange: Exchange) -> Deferred[bool]:
        """Tell the application what came of a storage commitment; gives whether it knows of it. Raises NotAccepted."""
        heard = self.ask(exchange, partial(verdict, self.application.hear_commitment, result, sender(exchange)))
        return heard.addErrback(_fail)

    def not_stored(self, exchange: Exchange, meta: FileMeta, why: GatewayError) -> None:
        """Tell the application of an object that it will not see."""
        tell = partial(self.application.not_stored, meta, sender(exchange), why)
        self.ask(exchange, tell).addErrback(_fault)

    def stop(self) -> None:
        """Wait for the calls that go on; for other threads than the reactor's."""
        self._pool.stop()


class Offered:
    """One object on its way to where the application wants it, unless the `rule` refuses it.

    Its sender is held up until that is known.
    """

    def __init__(self, desk: Desk, thread: SpoolThread, request: Request, told: Told, rule: ObjectRule | None = None) -> None:
        self._rule = rule
        self._desk = desk
        self._thread = thread
        self._request = request
        self._answer = told
        self._meta, self._origin = describe(request), sender(request.exchange)
        self._early: list[bytes] = []
        self._finished = self._abandoned = False
        self._sink: Sink | None = None
        request.exchange.hold()
        chosen = desk.ask(request.exchange, partial(place, desk.application.choose_place, self._meta, self._origin))
        chosen.addCallbacks(self._choose, self._not_chosen)

    def write(self, data: memoryview) -> None:
        """Take a piece."""
        if self._sink is None:
            self._early.append(bytes(data))
        else:
            self._sink.write(data)

    def finish(self) -> None:
        """Hear that the object is whole."""
        self._finished = True
        if self._sink is not None:
            self._sink.finish()

    def abandon(self) -> None:
        """Forget the object."""
        self._abandoned = True
        self._desk.not_stored(self._request.exchange, self._meta, SpoolError("The association ended before it was whole."))
        if self._sink is not None:
            self._sink.abandon()

    def _told(self, problem: GatewayError | None) -> None:
        """Answer, and tell the application of what was none of its doing."""
        if problem is not None and not isinstance(problem, NotAccepted):
            self._desk.not_stored(self._request.exchange, self._meta, problem)
        self._answer(problem)

    # ---- where it goes ----

    def _not_chosen(self, failure: Failure) -> None:
        self._go_on(_Refused(partial(self._told, _raised(failure))))

    def _choose(self, chosen: Place) -> None:
        if chosen is Keep.MEMORY:
            self._go_on(_InMemory(self._in_memory))
        else:

            def told(problem: GatewayError | None) -> None:
                self._shown(incoming, chosen, problem)

            incoming = Incoming(self._thread, self._request, told, End.SHOWN, self._rule)
            self._go_on(incoming)

    def _go_on(self, sink: Sink) -> None:
        """Let what came so far, and what comes, go where it belongs."""
        early, self._early = self._early, []
        if not self._abandoned:
            self._sink = sink
            for piece in early:
                sink.write(memoryview(piece))
            if self._finished:
                sink.finish()
        self._request.exchange.unhold()

    # ---- whether it is taken ----

    def _in_memory(self, data: bytes | None) -> None:
        if data is None:
            self._told(ObjectTooLarge(f"An object in memory may have {MEMORY_LIMIT} bytes."))
            return
        try:
            identify(data[:HEAD], self._meta, ())
            if self._rule is not None:
                self._rule(self._meta.transfer_syntax, partial(scan, data, self._meta.transfer_syntax))
        except GatewayError as error:
            self._told(error)
            return
        digest = hashlib.sha256(data).hexdigest()
        self._accept(lambda: self._show(StoredObject(self._meta, self._origin, data=data, digest=digest)), self._told)

    def _shown(self, incoming: Incoming, chosen: Place, problem: GatewayError | None) -> None:
        """Have the application look at an object that is on disk; what it takes is kept before its sender hears of it."""
        spooling = incoming.spooling
        if problem is not None or spooling.shown is None:
            self._told(problem)
            return
        path, digest = spooling.shown

        def end(problem: GatewayError | None) -> None:
            kept = End.WHOLE if problem is None and chosen is Keep.SPOOL else End.ABANDONED
            self._thread.put(spooling, (), kept, lambda: self._told(problem or spooling.problem))

        def show() -> None:
            if isinstance(chosen, Path):
                self._show_at(path, chosen, digest)
            else:
                self._show(StoredObject(self._meta, self._origin, path, digest=digest, in_spool=True))

        self._accept(show, end)

    def _accept(self, show: Callable[[], None], told: Told) -> None:
        shown = self._desk.ask(self._request.exchange, show)
        shown.addCallbacks(told, lambda failure: told(_raised(failure)))

    def _show_at(self, path: Path, chosen: Path, digest: str) -> None:
        """Bring an object to the application's file, durable, and show it there. Raises NotAccepted and PlacementError."""
        if not chosen.is_absolute():
            raise PlacementError(f"{chosen} is no absolute path.")
        placed = bring(path, chosen, digest)
        sync_parents([chosen])
        try:
            self._show(StoredObject(self._meta, self._origin, chosen, digest=digest))
        except BaseException:
            if placed is not Placed.THERE:  # that one was taken before
                with contextlib.suppress(OSError):
                    chosen.unlink()
            raise

    def _show(self, stored: StoredObject) -> None:
        """Show an object. Raises NotAccepted."""
        if not verdict(self._desk.application.accept_object, stored):
            raise NotAccepted


class _Refused:
    """Takes an object that has nowhere to go, and says so when it is whole."""

    def __init__(self, say: Callable[[], None]) -> None:
        self._say = say

    def write(self, data: memoryview) -> None:
        """Let it go."""

    def finish(self) -> None:
        """Say it."""
        self._say()

    def abandon(self) -> None:
        """Do nothing."""


class _InMemory:
    """Keeps an object in memory and gives it when it is whole; None for one that was too large."""

    def __init__(self, done: Callable[[bytes | None], None]) -> None:
        self._done = done
        self._data: bytearray | None = bytearray()

    def write(self, data: memoryview) -> None:
        """Take a piece; what is too large is let go."""
        if self._data is not None and len(self._data) + len(data) > MEMORY_LIMIT:
            self._data = None
        elif self._data is not None:
            self._data += data

    def finish(self) -> None:
        """Give it."""
        self._done(bytes(self._data) if self._data is not None else None)

    def abandon(self) -> None:
        """Forget it."""
        self._data = None


def _raised(failure: Failure) -> GatewayError:
    """Give what is wrong with an object; where it was the application that failed, that is logged."""
    if isinstance(failure.value, GatewayError):
        return failure.value
    return _fault(failure)


def _fault(failure: Failure) -> GatewayError:
    log.error("the application failed:\n%s", failure.getTraceback())
    return NotAccepted("The application failed.")


def _fail(failure: Failure) -> bool:
    raise _raised(failure)
