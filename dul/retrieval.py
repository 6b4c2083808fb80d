"""C-MOVE and C-GET as a provider answers them: a C-STORE for each object that is wanted (PS3.4 C.4.2 and C.4.3)."""

from __future__ import annotations

import logging
import struct
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from dul.errors import DulError, RequestRefused, commented
from dul.exchange import Exchange
from dul.items import CONTEXTS_LIMIT
from dul.operations import DATA_LIMIT, Request, Service, Source
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
from dul.uids import EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN

log = logging.getLogger(__name__)

#: Failed SOP Instance UID List.
_FAILED_LIST = (0x0008, 0x0058)
_SHORT_LENGTH = 0xFFFF
#: The most that a number of sub-operations can say: it is US (PS3.7 table E.1-1).
_MOST = 0xFFFF
#: Bytes of the list of what failed; who retrieves a million objects hears of the rest by its number.
_LISTED = DATA_LIMIT - 64
#: By transfer syntax the byte order of a data set, and whether its VRs are implicit.
_ENCODINGS = {
    IMPLICIT_VR_LITTLE_ENDIAN: ("<", True),
    EXPLICIT_VR_LITTLE_ENDIAN: ("<", False),
    EXPLICIT_VR_BIG_ENDIAN: (">", False),
}


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
        await _send_all(SubOperations(request, len(instances)), instances, request.exchange, None)

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
        told = SubOperations(request, len(instances))
        try:
            exchange = await opener(_proposed(instances)) if instances else request.exchange
        except DulError as error:
            log.warning("nothing can be moved to %s: %s", command.move_destination, error)
            for instance in instances:
                told.settle(instance.sop_instance, Category.FAILURE)
            told.finish(UNABLE_TO_PERFORM_SUBOPERATIONS, str(error))
            return
        try:
            await _send_all(told, instances, exchange, originator)
        finally:
            if exchange is not request.exchange:
                await exchange.release()

    return served(move)


def _proposed(instances: Sequence[Instance]) -> list[tuple[str, tuple[str, ...]]]:
    """Give each pair once, as many as an association can have; objects of others cannot be sent."""
    pairs = dict.fromkeys((instance.sop_class, instance.transfer_syntax) for instance in instances)
    return [(sop_class, (syntax,)) for sop_class, syntax in list(pairs)[:CONTEXTS_LIMIT]]


@dataclass(slots=True)
class SubOperations:
    """The C-STOREs of one C-MOVE or C-GET request, counted, and its responses, which tell of them (PS3.7 9.1.3.1, 9.1.4.1).

    `total` may turn out to be another while they go on.
    """

    request: Request
    total: int
    completed: int = 0
    warning: int = 0
    failed: list[str] = field(default_factory=list)

    @property
    def settled(self) -> int:
        """How many have ended."""
        return self.completed + self.warning + len(self.failed)

    @property
    def remaining(self) -> int:
        """How many have not."""
        return max(0, self.total - self.settled)

    @property
    def unwanted(self) -> bool:
        """Tell whether no further one is to begin: the request was cancelled, or its association has ended."""
        return self.request.cancelled or self.request.exchange.over

    def settle(self, sop_instance: str, category: Category) -> None:
        """Count one that has ended."""
        if category is Category.SUCCESS:
            self.completed += 1
        elif category is Category.WARNING:
            self.warning += 1
        else:
            self.failed.append(sop_instance)

    def tell(self) -> None:
        """Tell how far it is."""
        self._respond(PENDING)

    @property
    def status(self) -> int:
        """The final status of what has ended by itself (PS3.4 table C.4-2)."""
        if self.remaining:
            return CANCEL
        if self.failed and not self.completed and not self.warning:
            return UNABLE_TO_PERFORM_SUBOPERATIONS
        return SUBOPERATIONS_FAILED if self.failed or self.warning else SUCCESS

    def finish(self, status: int | None = None, comment: str = "") -> None:
        """Tell the end; what failed is named in a data set (PS3.4 C.4.2.1.4.2). Without a status it is that which it came to."""
        data = _failed_list(self.failed, self.request.transfer_syntax) if self.failed else None
        fields = {"error_comment": commented(comment)} if comment else {}
        self._respond(self.status if status is None else status, data, **fields)

    def _respond(self, status: int, data: bytes | None = None, **fields: str) -> None:
        """Answer with the counts; what remains is told while it may go on, and of what was cancelled."""
        remains = self.remaining or status == PENDING
        counts = (self.remaining, self.completed, len(self.failed), self.warning)
        remaining, completed, failed, warning = (min(count, _MOST) for count in counts)
        self.request.respond(
            status,
            data,
            remaining=remaining if remains else None,
            completed=completed,
            failed=failed,
            warning=warning,
            **fields,
        )


async def _send_all(
    told: SubOperations, instances: Sequence[Instance], exchange: Exchange, originator: tuple[str, int] | None
) -> None:
    """Send one after the other, and tell after each; the last is told of with the final status."""
    for instance in instances:
        if told.unwanted:
            break
        told.settle(instance.sop_instance, await _send(exchange, instance, originator))
        if told.remaining:
            told.tell()
    told.finish()


async def _send(exchange: Exchange, instance: Instance, originator: tuple[str, int] | None) -> Category:
    uid = instance.sop_instance
    try:
        response = await c_store(
            exchange, instance.sop_class, uid, instance.transfer_syntax, instance.open(), originator=originator
        )
    except (DulError, OSError) as error:
        log.warning("%s was not sent to %s: %s", uid, exchange.connection.peer, error)
        return Category.FAILURE
    return response.category


def _failed_list(uids: Sequence[str], transfer_syntax: str) -> bytes | None:
    """Write Failed SOP Instance UID List; None in a syntax that nobody proposes for queries."""
    encoding = _ENCODINGS.get(transfer_syntax)
    if encoding is None:
        return None
    order, implicit = encoding
    value = "\\".join(uids).encode("ascii", "replace")
    if len(value) > _LISTED:
        value = value[: value.rindex(b"\\", 0, _LISTED)]
    value += b"\0" * (len(value) % 2)
    if implicit:
        return struct.pack(f"{order}HHI", *_FAILED_LIST, len(value)) + value
    if len(value) > _SHORT_LENGTH:  # the length of UI has two bytes, so it goes as UN (PS3.5 6.2.2)
        return struct.pack(f"{order}HH2sHI", *_FAILED_LIST, b"UN", 0, len(value)) + value
    return struct.pack(f"{order}HH2sH", *_FAILED_LIST, b"UI", len(value)) + value
