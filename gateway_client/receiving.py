"""Receiving: the data set of a C-STORE goes to the spool piece by piece, on threads, and is answered when it is durable."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import Enum

from dul import Request, Sink
from gateway_client.errors import GatewayError, NotAnObject, ObjectTooLarge, SpoolError, SpoolFull, UIDMismatch
from gateway_client.header import identify
from gateway_client.part10 import FileMeta
from gateway_client.spool import Origin, Spool, SpooledFile, SpoolWriter

log = logging.getLogger(__name__)

SUCCESS = 0x0000
#: PS3.4 B.2.3: out of resources, the data set does not match the SOP class, cannot understand.
OUT_OF_RESOURCES, MISMATCH, CANNOT_UNDERSTAND = 0xA700, 0xA900, 0xC000
_STATUS: dict[type[GatewayError], int] = {
    SpoolFull: OUT_OF_RESOURCES,
    SpoolError: OUT_OF_RESOURCES,
    ObjectTooLarge: OUT_OF_RESOURCES,
    UIDMismatch: MISMATCH,
    NotAnObject: CANNOT_UNDERSTAND,
}
#: Bytes of an object that are gathered for one write, and bytes that wait for the disk before its sender is held up.
GATHERED, BEHIND = 1 << 20, 2 << 20
#: A piece shorter than this is copied.
_SHORT = 4096


class _End(Enum):
    """How an object's data set ended."""

    WHOLE = "whole"
    ABANDONED = "abandoned"


class Receiver:
    """Puts what comes by C-STORE into the spool. `received` hears of every object once it is durable, before its sender does.

    `soon` calls a function in the thread that everything else here belongs to.
    """

    def __init__(
        self,
        spool: Spool,
        received: Callable[[SpooledFile], None],
        threads: ThreadPoolExecutor,
        soon: Callable[[Callable[[], None]], None],
    ) -> None:
        self.spool = spool
        self.received = received
        self.threads = threads
        self.soon = soon

    def start(self, work: Callable[[], None], done: Callable[[GatewayError | None], None]) -> None:
        """Do work on a thread, then tell here how it went."""

        def run() -> None:
            problem: GatewayError | None = None
            try:
                work()
            except GatewayError as error:
                problem = error
            except Exception as error:  # whatever it is, its sender is to hear that the object was not kept
                log.exception("an object cannot be kept")
                problem = SpoolError(f"An object cannot be kept: {error!r}")
            self.soon(lambda: done(problem))

        try:
            self.threads.submit(run)
        except RuntimeError:  # the port is closed: what was half received goes with `tmp/` at the next start
            log.info("an object is given up: its port is closed")

    def store(self, request: Request) -> Sink:
        """Take a C-STORE up."""
        return _Incoming(self, request)


class _Incoming:
    """One object on its way in. Pieces are gathered here and written by one thread at a time, in their order."""

    def __init__(self, receiver: Receiver, request: Request) -> None:
        self._receiver = receiver
        self._request = request
        self._pieces: list[memoryview | bytearray] = []
        self._waiting = 0
        self._writer: SpoolWriter | None = None
        self._problem: GatewayError | None = None
        self._end: _End | None = None
        self._working = self._held = False

    def write(self, data: memoryview) -> None:
        """Take a piece; one for an object that cannot be kept is let go."""
        if self._problem is None:
            self._gather(data)
            self._waiting += len(data)
            if self._waiting >= GATHERED:
                self._work()

    def _gather(self, data: memoryview) -> None:
        """Keep a piece; short ones are put together, lest a peer that sends single bytes fill the memory with views of them."""
        if len(data) >= _SHORT:
            self._pieces.append(data)
        elif self._pieces and isinstance(last := self._pieces[-1], bytearray):
            last += data
        else:
            self._pieces.append(bytearray(data))

    def finish(self) -> None:
        """Hear that the object is whole."""
        self._end = _End.WHOLE
        self._work()

    def abandon(self) -> None:
        """Forget the object: its association has ended."""
        self._end = _End.ABANDONED
        self._work()

    def _work(self) -> None:
        """Let a thread go on where none does, and hold the sender up as long as the disk is far behind."""
        if not self._working and (self._end is not None or self._waiting >= GATHERED):
            pieces, self._pieces, self._waiting = self._pieces, [], 0
            self._working = True
            end = self._end
            self._receiver.start(lambda: self._put(pieces, end), lambda problem: self._put_down(end, problem))
        held = self._waiting >= BEHIND
        if held is not self._held:
            self._held = held
            (self._request.exchange.hold if held else self._request.exchange.unhold)()

    def _put(self, pieces: Sequence[memoryview | bytearray], end: _End | None) -> None:
        """Write, on a thread. Raises GatewayError."""
        if end is _End.ABANDONED or self._problem is not None:
            if self._writer is not None:
                self._writer.discard()
            return
        if self._writer is None:
            if end is _End.WHOLE and not pieces:
                raise NotAnObject("The request has no data set.")
            self._writer = self._receiver.spool.begin(*self._describe())
        self._writer.write(*pieces)
        if end is _End.WHOLE:
            self._receiver.received(_admit(self._writer))

    def _put_down(self, ended: _End | None, problem: GatewayError | None) -> None:
        """Hear what became of it, and go on."""
        self._working = False
        if problem is not None and self._problem is None:
            self._problem = problem
            self._pieces, self._waiting = [], 0
            log.error("An object from %s was not taken: %s", self._request.exchange.connection.peer, problem)
        if ended is None:
            self._work()
        elif ended is _End.WHOLE:
            self._request.respond(SUCCESS if self._problem is None else _STATUS.get(type(self._problem), OUT_OF_RESOURCES))

    def _describe(self) -> tuple[FileMeta, Origin]:
        request = self._request
        connection = request.exchange.connection
        asked = connection.association.request
        calling, called = (asked.calling_ae_title, asked.called_ae_title) if asked is not None else ("", "")
        command = request.command
        meta = FileMeta(command.sop_class or "", command.sop_instance or "", request.transfer_syntax, calling, called)
        return meta, Origin(calling, called, connection.peer)


def _admit(writer: SpoolWriter) -> SpooledFile:
    """Identify and keep an object. Raises NotAnObject, UIDMismatch or SpoolError with nothing kept."""
    try:
        identify(bytes(writer.head), writer.meta)
    except GatewayError:
        writer.discard()
        raise
    return writer.commit()
