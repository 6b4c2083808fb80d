"""C-MOVE and C-GET as a provider answers them: a C-STORE for each object that is wanted (PS3.4 C.4.2 and C.4.3)."""

from __future__ import annotations

import logging
import struct
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from dul.errors import COMMENT_LENGTH, DulError, RequestRefused
from dul.exchange import Exchange
from dul.items import CONTEXTS_LIMIT
from dul.operations import Request, Service, Source
from dul.requests import c_store
from dul.services import served
from dul.status import (
    CANCEL,
    MOVE_DESTINATION_UNKNOWN,
    PENDING,
    SUBOPERATIONS_FAILED,
    SUCCESS,
    UNABLE_TO_PERFORM_SUBOPERATIONS,
    Category,
)
from dul.uids import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN

log = logging.getLogger(__name__)

#: Failed SOP Instance UID List.
_FAILED_LIST = (0x0008, 0x0058)
_SHORT_LENGTH = 0xFFFF
#: The most that a number of sub-operations can say: it is US (PS3.7 table E.1-1).
_MOST = 0xFFFF


@dataclass(frozen=True, slots=True)
class Instance:
    """An object that is wanted. `open` gives its data set in its transfer syntax when its turn has come, or raises OSError."""

    sop_class: str
    sop_instance: str
    transfer_syntax: str
    open: Callable[[], bytes | Source]


#: Finds the objects that an identifier asks for. Raises RequestRefused.
Selector = Callable[[Request, bytes], Awaitable[Sequence[Instance]]]
#: Opens an association in which pairs of SOP class and transfer syntaxes are proposed; what it gives is released at the end.
Opener = Callable[[Sequence[tuple[str, tuple[str, ...]]]], Awaitable[Exchange]]
#: Gives what opens an association with a move destination, None for an AE title that it does not know.
Destinations = Callable[[str], Opener | None]


def got_by(selector: Selector) -> Service:
    """Make a C-GET service: what is wanted goes over the association that asked, where it gave us the role of SCU."""

    async def get(request: Request, data: bytes) -> None:
        instances = await selector(request, data)
        await _Retrieval(request, instances).run(request.exchange)

    return served(get)


def moved_by(selector: Selector, destinations: Destinations) -> Service:
    """Make a C-MOVE service: what is wanted goes over an association with the move destination, unless nothing is wanted."""

    async def move(request: Request, data: bytes) -> None:
        command = request.command
        opener = destinations(command.move_destination or "")
        if opener is None:
            raise RequestRefused(MOVE_DESTINATION_UNKNOWN, f"{command.move_destination} is not known")
        instances = await selector(request, data)
        asked = request.exchange.connection.association.request
        originator = (asked.calling_ae_title if asked else "", command.message_id or 0)
        retrieval = _Retrieval(request, instances, originator)
        try:
            exchange = await opener(_proposed(instances)) if instances else request.exchange
        except DulError as error:
            log.warning("nothing can be moved to %s: %s", command.move_destination, error)
            retrieval.fail_all(str(error))
            return
        try:
            await retrieval.run(exchange)
        finally:
            if exchange is not request.exchange:
                await exchange.release()

    return served(move)


def _proposed(instances: Sequence[Instance]) -> list[tuple[str, tuple[str, ...]]]:
    """Give each pair once, as many as an association can have; objects of others cannot be sent."""
    pairs = dict.fromkeys((instance.sop_class, instance.transfer_syntax) for instance in instances)
    return [(sop_class, (syntax,)) for sop_class, syntax in list(pairs)[:CONTEXTS_LIMIT]]


@dataclass(slots=True)
class _Retrieval:
    """The sub-operations of one request, counted."""

    request: Request
    instances: Sequence[Instance]
    originator: tuple[str, int] | None = None
    completed: int = 0
    warning: int = 0
    failed: list[str] = field(default_factory=list)

    @property
    def remaining(self) -> int:
        return len(self.instances) - self.completed - self.warning - len(self.failed)

    async def run(self, exchange: Exchange) -> None:
        """Send one after the other, and tell after each; the last is told of with the final status."""
        for instance in self.instances:
            if self.request.cancelled or self.request.exchange.over:
                break
            await self._send(exchange, instance)
            if self.remaining:
                self._tell(PENDING)
        if self.remaining:
            self._finish(CANCEL)
        elif self.failed and len(self.failed) == len(self.instances):
            self._finish(UNABLE_TO_PERFORM_SUBOPERATIONS)
        else:
            self._finish(SUBOPERATIONS_FAILED if self.failed or self.warning else SUCCESS)

    def fail_all(self, comment: str) -> None:
        """Tell that nothing could be sent."""
        self.failed = [instance.sop_instance for instance in self.instances]
        self._finish(UNABLE_TO_PERFORM_SUBOPERATIONS, error_comment=comment[:COMMENT_LENGTH])

    async def _send(self, exchange: Exchange, instance: Instance) -> None:
        uid = instance.sop_instance
        try:
            response = await c_store(
                exchange, instance.sop_class, uid, instance.transfer_syntax, instance.open(), originator=self.originator
            )
        except (DulError, OSError) as error:
            log.warning("%s was not sent to %s: %s", uid, exchange.connection.peer, error)
            self.failed.append(uid)
        else:
            if response.category is Category.SUCCESS:
                self.completed += 1
            else:
                self.warning += 1

    def _tell(self, status: int, data: bytes | None = None, **fields: str) -> None:
        """Tell how far it is; what remains is told where something does."""
        counts = (self.remaining, self.completed, len(self.failed), self.warning)
        remaining, completed, failed, warning = (min(count, _MOST) for count in counts)
        self.request.respond(
            status, data, remaining=remaining or None, completed=completed, failed=failed, warning=warning, **fields
        )

    def _finish(self, status: int, **fields: str) -> None:
        """Tell the end; what failed is named in a data set, where it is no success (PS3.4 C.4.2.1.4.2)."""
        self._tell(status, _failed_list(self.failed, self.request.transfer_syntax) if self.failed else None, **fields)


def _failed_list(uids: Sequence[str], transfer_syntax: str) -> bytes | None:
    """Write Failed SOP Instance UID List; None in a syntax that nobody proposes for queries."""
    value = "\\".join(uids).encode("ascii", "replace")
    value += b"\0" * (len(value) % 2)
    if transfer_syntax == IMPLICIT_VR_LITTLE_ENDIAN:
        return struct.pack("<HHI", *_FAILED_LIST, len(value)) + value
    if transfer_syntax != EXPLICIT_VR_LITTLE_ENDIAN:
        return None
    if len(value) > _SHORT_LENGTH:  # the length of UI has two bytes, so it goes as UN (PS3.5 6.2.2)
        return struct.pack("<HH2sHI", *_FAILED_LIST, b"UN", 0, len(value)) + value
    return struct.pack("<HH2sH", *_FAILED_LIST, b"UI", len(value)) + value
