"""Receiving: the data set of a C-STORE goes to the spool piece by piece, and is answered when it is durable."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from weakref import WeakKeyDictionary

from dul import Exchange, Request, Role, Sink
from gateway_client.errors import (
    GatewayError,
    NotAccepted,
    NotAnObject,
    NotTakenCompressed,
    ObjectTooLarge,
    SpoolError,
    SpoolFull,
    UIDMismatch,
)
from gateway_client.objects.compression_rules import ObjectRule
from gateway_client.objects.part10 import FileMeta
from gateway_client.reception.spool import Origin
from gateway_client.reception.spooling import End, Spooling, SpoolThread

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
    NotAccepted: CANNOT_UNDERSTAND,
    NotTakenCompressed: CANNOT_UNDERSTAND,
}
#: Bytes of an object that are gathered for one write, and bytes that wait for the disk before its sender is held up.
GATHERED, BEHIND = 1 << 20, 2 << 20
#: A piece shorter than this is copied.
_SHORT = 4096


#: Names of associations, by which the objects of one are known as such for as long as there are any.
_ASSOCIATIONS: WeakKeyDictionary[Exchange, str] = WeakKeyDictionary()

#: Is told what became of an object: None where it is kept.
Told = Callable[[GatewayError | None], None]


class Receiver:
    """Puts what comes by C-STORE into the spool.

    After an object that was not taken the association is aborted of a calling AE title of which `ended_by_refusal` is true.
    What the `rule` refuses is not taken.
    """

    def __init__(
        self,
        spooling: SpoolThread,
        ended_by_refusal: Callable[[str], bool] = lambda _calling: False,
        rule: ObjectRule | None = None,
    ) -> None:
        self._spooling = spooling
        self._ended_by_refusal = ended_by_refusal
        self.rule = rule

    def store(self, request: Request) -> Sink:
        """Take a C-STORE up."""
        return Incoming(self._spooling, request, lambda problem: self.answer(request, problem), rule=self.rule)

    def answer(self, request: Request, problem: GatewayError | None) -> None:
        """Tell the sender what became of its object."""
        if problem is None:
            request.respond(SUCCESS)
            return
        exchange = request.exchange
        by = sender(exchange)
        log.error("An object from %s at %s was not taken: %s", by.calling, by.peer, problem)
        request.respond(_STATUS.get(type(problem), OUT_OF_RESOURCES), error_comment=problem.comment)
        if self._ended_by_refusal(by.calling):
            exchange.abort()


class Incoming:
    """One object on its way in: its pieces are gathered here, and written by the spooling thread.

    `told` hears what became of it when it is `whole`, kept or only shown.
    """

    def __init__(
        self, thread: SpoolThread, request: Request, told: Told, whole: End = End.WHOLE, rule: ObjectRule | None = None
    ) -> None:
        self.spooling = Spooling(describe(request), sender(request.exchange), rule)
        self._thread = thread
        self._request = request
        self._told = told
        self._whole = whole
        self._pieces: list[memoryview | bytearray] = []
        self._gathered = self._behind = 0
        self._failed = self._held = False

    def write(self, data: memoryview) -> None:
        """Take a piece; one for an object that cannot be kept is let go."""
        if not self._failed:
            self._gather(data)
            self._gathered += len(data)
            if self._gathered >= GATHERED:
                self._put(None)

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
        self._put(self._whole)

    def abandon(self) -> None:
        """Forget the object: its association has ended."""
        self._put(End.ABANDONED)

    def _put(self, end: End | None) -> None:
        """Have what was gathered written."""
        pieces, self._pieces = self._pieces, []
        count, self._gathered = self._gathered, 0
        self._behind += count
        self._thread.put(self.spooling, pieces, end, lambda: self._done(count, end))
        self._balance()

    def _done(self, count: int, end: End | None) -> None:
        """Hear that some bytes are written, and where the object ends that it is kept, or why it is not."""
        self._behind -= count
        self._balance()
        problem = self.spooling.problem
        self._failed = problem is not None
        if end is self._whole:
            self._told(problem)

    def _balance(self) -> None:
        """Hold the sender up as long as the disk is far behind."""
        held = self._behind >= BEHIND
        if held is not self._held:
            self._held = held
            (self._request.exchange.hold if held else self._request.exchange.unhold)()


def describe(request: Request) -> FileMeta:
    """Say what a C-STORE request names."""
    command, by = request.command, sender(request.exchange)
    return FileMeta(command.sop_class or "", command.sop_instance or "", request.transfer_syntax, by.calling, by.called)


def sender(exchange: Exchange) -> Origin:
    """Say who the peer of an association is, and at which instrument's port; over one of ours it is the one that was called."""
    association = exchange.connection.association
    asked = association.request
    titles = (asked.calling_ae_title, asked.called_ae_title) if asked is not None else ("", "")
    calling, called = titles if association.role is Role.ACCEPTOR else titles[::-1]
    name = _ASSOCIATIONS.get(exchange) or _ASSOCIATIONS.setdefault(exchange, secrets.token_hex(8))
    return Origin(calling, called, exchange.connection.peer, exchange.listener, name)
