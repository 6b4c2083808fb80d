"""Services that answer a peer's requests: building blocks for the tables that an `Exchange` is given."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred, ensureDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from dul.errors import RequestRefused
from dul.operations import DATA_LIMIT, InMemory, Request, Sink
from dul.status import CANCEL, PENDING, PROCESSING_FAILURE, SUCCESS

log = logging.getLogger(__name__)

T = TypeVar("T")

#: C-FIND responses that are written before the peer is listened to again.
_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request comes to: its status, a data set where there is one, and further fields of the command set."""

    status: int
    data: bytes | None = None
    fields: dict[str, Any] = field(default_factory=dict)


#: Answers a request, given its data set (b"" where it has none).
Answerer = Callable[[Request, bytes], Answer | Awaitable[Answer]]
#: Gives the identifiers of the matches of a query, encoded in the context's transfer syntax; as an Answer where a match has
#: another status than PENDING. It may raise RequestRefused after any of them.
Matches = Iterable[bytes | Answer] | AsyncIterator[bytes | Answer]
Finder = Callable[[Request, bytes], Matches]


def echo(request: Request) -> Sink:
    """Answer a C-ECHO."""
    return InMemory(lambda _data: request.respond(SUCCESS))


def answered_by(answerer: Answerer, limit: int = DATA_LIMIT) -> Callable[[Request], Sink]:
    """Make a service of a function: N-ACTION, N-EVENT-REPORT, N-CREATE, N-SET and whatever has one answer.

    A data set of more than `limit` bytes ends the association. For C-STORE too, where objects fit into memory.
    """

    async def answer(request: Request, data: bytes) -> None:
        given = answerer(request, data)
        made = given if isinstance(given, Answer) else await given
        request.respond(made.status, made.data, **made.fields)

    return served(answer, limit)


def found_by(finder: Finder) -> Callable[[Request], Sink]:
    """Make a C-FIND service of a function. A C-CANCEL ends the matches (PS3.4 C.4.1.3), and so does the association's end."""

    async def find(request: Request, data: bytes) -> None:
        written = 0
        async for match in _each(finder(request, data)):
            if request.cancelled or request.exchange.over:
                break
            if isinstance(match, Answer):
                request.respond(match.status, match.data, **match.fields)
            else:
                request.respond(PENDING, match)
            written += 1
            if written % _AT_ONCE == 0:
                await request.exchange.breath()
        request.respond(CANCEL if request.cancelled else SUCCESS)

    return served(find)


async def unless_cancelled(request: Request, work: Coroutine[Any, Any, T], seconds: float, clock: IReactorTime) -> T:
    """Wait for something that a request needs, so many seconds at most and no longer than until its C-CANCEL.

    Raises RequestRefused with CANCEL then, and TimeoutError; what the work does in another thread goes on.
    """
    if request.cancelled:
        work.close()
        raise RequestRefused(CANCEL)
    deferred = Deferred.fromCoroutine(work)
    deferred.addTimeout(seconds, clock, _time_out)
    request.when_cancelled = deferred.cancel
    try:
        return await deferred
    except CancelledError as error:
        raise RequestRefused(CANCEL) from error
    finally:
        request.when_cancelled = None


def _time_out(result: Any, seconds: float) -> Any:
    """Give what came of something after all; else raise what everybody knows: Twisted's error is another one."""
    if isinstance(result, Failure) and isinstance(result.value, CancelledError):
        raise TimeoutError(f"it took longer than {seconds:g} s")
    return result


async def _each(matches: Matches) -> AsyncIterator[bytes | Answer]:
    if isinstance(matches, AsyncIterator):
        async for match in matches:
            yield match
    else:
        for match in matches:
            yield match


def served(serve: Callable[[Request, bytes], Awaitable[None]], limit: int = DATA_LIMIT) -> Callable[[Request], Sink]:
    """Make a service of a coroutine that responds. Where it raises RequestRefused the request is answered with that status."""

    def service(request: Request) -> Sink:
        def begin(data: bytes) -> None:
            ensureDeferred(_run(serve, request, data)).addErrback(_report)

        return InMemory(begin, limit)

    return service


async def _run(serve: Callable[[Request, bytes], Awaitable[None]], request: Request, data: bytes) -> None:
    try:
        await serve(request, data)
    except RequestRefused as refused:
        request.respond(refused.status, error_comment=refused.comment or None, error_id=refused.error_id)
    except Exception:  # whatever a service fails on, its peer hears of it and the association goes on
        log.exception("a request of %s cannot be answered", request.exchange.connection.peer)
        request.respond(PROCESSING_FAILURE, error_comment="The request cannot be answered")


def _report(failure: Failure) -> None:
    log.error("a request was not answered", exc_info=failure.value)
