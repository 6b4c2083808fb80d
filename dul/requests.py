"""What an SCU asks: a coroutine for each service of DIMSE (PS3.7 9 and 10), over an `Exchange`."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, TypeVar

from dul.associate import AcceptedContext, AssociateRequest, ProposedContext, Roles
from dul.command import Command, CommandField
from dul.errors import ConnectionLost, DulError, NoContext, RequestFailed
from dul.exchange import Exchange
from dul.operations import Asked, Response, Source
from dul.status import Category
from dul.uids import VERIFICATION

log = logging.getLogger(__name__)

T = TypeVar("T")
MEDIUM, HIGH, LOW = 0, 1, 2
"""Priorities (0000,0700)."""
#: Roles of the requestor of an association (PS3.7 D.3.3.4).
AS_SCU, AS_SCP, AS_BOTH = (True, False), (False, True), (True, True)


def propose(
    called_ae_title: str,
    calling_ae_title: str,
    contexts: Iterable[tuple[str, Iterable[str]]],
    roles: Mapping[str, Roles] | None = None,
    **information: Any,
) -> AssociateRequest:
    """Make the request for an association out of SOP classes, each with the transfer syntaxes of one presentation context.

    For C-GET `roles` has `AS_SCP` for each storage SOP class that may come; who sends N-EVENT-REPORTs over an association of
    its own has it for the SOP class of the service. `information` are further fields of the request.
    """
    proposed = tuple(
        ProposedContext(2 * place + 1, sop_class, tuple(syntaxes)) for place, (sop_class, syntaxes) in enumerate(contexts)
    )
    return AssociateRequest(called_ae_title, calling_ae_title, proposed, roles=roles or {}, **information)


@dataclass(frozen=True, slots=True)
class Progress:
    """The sub-operations of a C-MOVE or C-GET, as far as the peer tells of them (PS3.7 9.1.3.1.6 and what follows)."""

    remaining: int = 0
    completed: int = 0
    failed: int = 0
    warning: int = 0

    @classmethod
    def of(cls, response: Response) -> Progress:
        """Read what a response says."""
        command = response.command
        return cls(command.remaining or 0, command.completed or 0, command.failed or 0, command.warning or 0)


class Answers(AsyncIterator[T], Generic[T]):
    """The pending answers to a C-FIND, C-MOVE or C-GET as they come; then `final` is there.

    Raises RequestFailed at their end where the final status is a failure. They are iterated to their end, or within
    `async with`: leaving that before the end cancels the request (C-CANCEL), and waits for the peer's last word.
    """

    def __init__(self, asked: Asked, read: Callable[[Response], T]) -> None:
        self.final: Response | None = None
        self._asked = asked
        self._read = read

    async def __anext__(self) -> T:
        if self.final is not None:
            raise StopAsyncIteration
        response = await self._asked.response()
        category = response.category
        if category is Category.PENDING:
            return self._read(response)
        self.final = response
        if category is Category.FAILURE:
            raise RequestFailed(response)
        raise StopAsyncIteration

    async def rest(self) -> list[T]:
        """Give all that come, as a list."""
        return [answer async for answer in self]

    async def __aenter__(self) -> Answers[T]:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.final is not None:
            return
        self._asked.cancel()
        try:
            await self.rest()
        except DulError as failure:
            log.info("a request that was cancelled: %s", failure)


async def c_echo(exchange: Exchange) -> Response:
    """Ask whether the peer answers (C-ECHO)."""
    return await _answer(
        exchange, _context(exchange, VERIFICATION), Command(field=CommandField.C_ECHO_RQ, sop_class=VERIFICATION)
    )


async def c_store(
    exchange: Exchange,
    sop_class: str,
    sop_instance: str,
    transfer_syntax: str,
    data: bytes | Source,
    *,
    priority: int = MEDIUM,
    originator: tuple[str, int] | None = None,
) -> Response:
    """Send an object as it is (C-STORE); a source is closed, however it ends. A warning is no failure: it is in the response.

    `originator` is the AE title that asked for a C-MOVE, and the message id with which it did. Raises NoContext,
    RequestFailed, or another DulError where the association ends.
    """
    command = Command(
        field=CommandField.C_STORE_RQ,
        sop_class=sop_class,
        sop_instance=sop_instance,
        priority=priority,
        move_originator=originator[0] if originator else None,
        move_originator_message_id=originator[1] if originator else None,
    )
    try:
        context = _context(exchange, sop_class, transfer_syntax)
    except DulError:
        if not isinstance(data, bytes):
            data.close()
        raise
    return await _answer(exchange, context, command, data)


def c_find(exchange: Exchange, model: str, identifier: bytes, *, transfer_syntax: str | None = None) -> Answers[bytes]:
    """Query (C-FIND): gives the identifiers of the matches. Raises NoContext.

    `model` is the SOP class; identifiers are in the transfer syntax of its context, any one where none is named.
    """
    command = Command(field=CommandField.C_FIND_RQ, sop_class=model, priority=MEDIUM)
    return _answers(exchange, command, identifier, transfer_syntax, _identifier)


def c_move(
    exchange: Exchange, model: str, destination: str, identifier: bytes, *, transfer_syntax: str | None = None
) -> Answers[Progress]:
    """Have the peer send objects to an AE title that it knows (C-MOVE). Raises NoContext."""
    command = Command(field=CommandField.C_MOVE_RQ, sop_class=model, priority=MEDIUM, move_destination=destination)
    return _answers(exchange, command, identifier, transfer_syntax, Progress.of)


def c_get(exchange: Exchange, model: str, identifier: bytes, *, transfer_syntax: str | None = None) -> Answers[Progress]:
    """Have the peer send objects over this association (C-GET). Raises NoContext.

    They come as C-STORE requests to the services that the exchange was given, by contexts that were proposed with `AS_SCP`.
    """
    command = Command(field=CommandField.C_GET_RQ, sop_class=model, priority=MEDIUM)
    return _answers(exchange, command, identifier, transfer_syntax, Progress.of)


async def n_event_report(
    exchange: Exchange, sop_class: str, sop_instance: str, event_type: int, data: bytes | None = None, *, under: str = ""
) -> Response:
    """Tell of an event, as SCP of its service (N-EVENT-REPORT).

    For this and what follows: `under` is the abstract syntax of the context where that is not the SOP class itself, as with
    Meta SOP classes. Raises NoContext, RequestFailed, or another DulError where the association ends.
    """
    command = Command(field=CommandField.N_EVENT_REPORT_RQ, sop_class=sop_class, sop_instance=sop_instance, event_type=event_type)
    return await _answer(exchange, _context(exchange, under or sop_class, provider=True), command, data)


async def n_action(
    exchange: Exchange, sop_class: str, sop_instance: str, action_type: int, data: bytes | None = None, *, under: str = ""
) -> Response:
    """Ask for an action (N-ACTION)."""
    return await _requested(
        exchange, CommandField.N_ACTION_RQ, sop_class, sop_instance, under, data=data, action_type=action_type
    )


async def n_create(
    exchange: Exchange, sop_class: str, sop_instance: str | None = None, data: bytes | None = None, *, under: str = ""
) -> Response:
    """Ask for a SOP instance (N-CREATE); without a UID the peer chooses one, which is that of the response."""
    command = Command(field=CommandField.N_CREATE_RQ, sop_class=sop_class, sop_instance=sop_instance)
    return await _answer(exchange, _context(exchange, under or sop_class), command, data)


async def n_set(exchange: Exchange, sop_class: str, sop_instance: str, data: bytes, *, under: str = "") -> Response:
    """Change attributes of a SOP instance (N-SET)."""
    return await _requested(exchange, CommandField.N_SET_RQ, sop_class, sop_instance, under, data=data)


async def n_get(
    exchange: Exchange, sop_class: str, sop_instance: str, attributes: Iterable[int] = (), *, under: str = ""
) -> Response:
    """Ask for attributes of a SOP instance, tags as numbers, or for all (N-GET)."""
    tags = tuple(attributes) or None
    return await _requested(exchange, CommandField.N_GET_RQ, sop_class, sop_instance, under, attributes=tags)


async def n_delete(exchange: Exchange, sop_class: str, sop_instance: str, *, under: str = "") -> Response:
    """Have a SOP instance deleted (N-DELETE)."""
    return await _requested(exchange, CommandField.N_DELETE_RQ, sop_class, sop_instance, under)


async def _requested(
    exchange: Exchange,
    field: CommandField,
    sop_class: str,
    sop_instance: str,
    under: str,
    *,
    data: bytes | None = None,
    **fields: Any,
) -> Response:
    """Ask for something that is done to a SOP instance, which the command set calls the requested one."""
    command = Command(field=field, requested_sop_class=sop_class, requested_sop_instance=sop_instance, **fields)
    return await _answer(exchange, _context(exchange, under or sop_class), command, data)


def _context(
    exchange: Exchange, abstract_syntax: str, transfer_syntax: str | None = None, *, provider: bool = False
) -> AcceptedContext:
    """Give an accepted context in which this side has the role; on an association that has ended, that it has comes first."""
    if exchange.over:
        raise ConnectionLost("The association has ended.")
    found = exchange.connection.association.contexts.values()
    for context in found:
        role = context.scp if provider else context.scu
        if role and context.abstract_syntax == abstract_syntax and transfer_syntax in (None, context.transfer_syntax):
            return context
    wanted = f"{abstract_syntax}{f' in {transfer_syntax}' if transfer_syntax else ''}"
    raise NoContext(
        f"{exchange.connection.peer} accepted no context for {wanted} in which we are {'SCP' if provider else 'SCU'}."
    )


async def _answer(exchange: Exchange, context: AcceptedContext, command: Command, data: bytes | Source | None = None) -> Response:
    """Ask, and give the one answer."""
    if data is None or isinstance(data, bytes):
        asked = exchange.ask(context.id, command, data)
    else:
        asked = exchange.ask(context.id, command, source=data)
    response = await asked.response()
    if response.category is Category.FAILURE:
        raise RequestFailed(response)
    return response


def _answers(
    exchange: Exchange, command: Command, identifier: bytes, transfer_syntax: str | None, read: Callable[[Response], T]
) -> Answers[T]:
    context = _context(exchange, command.sop_class or "", transfer_syntax)
    return Answers(exchange.ask(context.id, command, identifier), read)


def _identifier(response: Response) -> bytes:
    return response.data or b""
