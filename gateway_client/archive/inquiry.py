"""What a C-FIND asks of the broker: page by page, while the matches go out (PS3.4 C.4.1, K.4.1)."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.interfaces import IReactorTime

from dul import Answer, Request, RequestRefused
from dul.services import unless_cancelled
from dul.status import CANNOT_UNDERSTAND, OUT_OF_RESOURCES, PENDING, PENDING_WITH_WARNING
from gateway_client.archive.identifiers import Attributes, Encoder, decode_identifier
from gateway_client.archive.pages import Asked, Match, Page, pieces, read_page
from gateway_client.archive.sessions import Closed, TooManyQuestions
from gateway_client.errors import BadIdentifier, BrokerRefused, IdentifierTooLarge
from xwb import Argument, ConnectionLost, SignOnRefused, XWBError

log = logging.getLogger(__name__)

#: Matches that the broker is asked for at once: a usual limit of matches is one page.
PAGE = 500
#: Seconds that one call may take, waiting for a session included; peers wait 30 for each answer.
CALL_SECONDS = 25.0
#: What a call comes to where the archive is out of reach for now: it may be called again.
_OUT_OF_REACH = (ConnectionLost, SignOnRefused, TooManyQuestions, Closed)


@dataclass(frozen=True, slots=True)
class Statuses:
    """What a peer is told where the broker is out of reach for now, and where it does not answer for another reason."""

    out_of_reach: int
    unanswered: int


_FIND = Statuses(OUT_OF_RESOURCES, CANNOT_UNDERSTAND)


@dataclass(frozen=True, slots=True)
class Inquiry:
    """A C-FIND, by the procedure that it becomes and its request; `subject` is what the log says that was asked for.

    `answer` gives the attributes that tell of a match, of VRs that no dictionary has in `vrs`. There are as many matches as
    `limit` says at most; `incomplete` says that optional keys are not supported.
    """

    subject: str
    procedure: str
    request: Mapping[str, Any]
    answer: Callable[[Match], Attributes]
    limit: int
    vrs: Mapping[str, str] = field(default_factory=dict)
    incomplete: bool = False


def read_identifier(request: Request, data: bytes) -> dict[str, list[Any]]:
    """Read the identifier of a C-FIND. Raises RequestRefused."""
    try:
        return decode_identifier(data, request.transfer_syntax)
    except IdentifierTooLarge as error:
        raise RequestRefused(OUT_OF_RESOURCES, str(error)) from error
    except BadIdentifier as error:
        raise RequestRefused(CANNOT_UNDERSTAND, str(error)) from error


async def matches_of(inquiry: Inquiry, broker: Asked, clock: IReactorTime, request: Request) -> AsyncIterator[Answer]:
    """Give the matches; beyond the limit there is a failure after them. Raises RequestRefused."""
    encoder = Encoder(request.transfer_syntax, inquiry.vrs)
    written, cursor = 0, ""
    while True:
        page = await _page(inquiry, broker, clock, request, cursor, min(PAGE, inquiry.limit - written))
        status = PENDING_WITH_WARNING if inquiry.incomplete or page.head.get("unsupported") else PENDING
        for match in page.rows:
            yield Answer(status, _encoded(encoder, inquiry, match))
            written += 1
        if not page.more:
            break
        if written >= inquiry.limit:
            raise RequestRefused(OUT_OF_RESOURCES, f"Match overflow: there are more than {inquiry.limit} matches")
        if page.more == cursor:
            raise RequestRefused(CANNOT_UNDERSTAND, "The archive does not go on with its matches")
        cursor = page.more
    log.info("%s asked %s: %d matches", request.exchange.connection.peer, inquiry.subject, written)


def _encoded(encoder: Encoder, inquiry: Inquiry, match: Any) -> bytes:
    try:
        return encoder.encode(inquiry.answer(match))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        log.error("a match of the broker cannot be told: %r", error)
        raise RequestRefused(CANNOT_UNDERSTAND, "The archive answered what is no match") from error


async def _page(inquiry: Inquiry, broker: Asked, clock: IReactorTime, request: Request, cursor: str, count: int) -> Page:
    """Ask for the next matches. Raises RequestRefused, for what is wrong with them too."""
    page = await call(broker, clock, request, _FIND, inquiry.procedure, pieces(inquiry.request), cursor, count)
    if "error" in page.head:
        raise RequestRefused(status_of(page, CANNOT_UNDERSTAND), str(page.head["error"]))
    return page


async def call(
    broker: Asked, clock: IReactorTime, request: Request, statuses: Statuses, procedure: str, *arguments: Argument
) -> Page:
    """Call a procedure for a request of a peer. Raises RequestRefused where it is not answered, and for a C-CANCEL meanwhile."""
    peer = request.exchange.connection.peer
    try:
        return read_page(await unless_cancelled(request, broker.call(procedure, *arguments), CALL_SECONDS, clock))
    except TimeoutError as error:
        raise RequestRefused(statuses.out_of_reach, f"The archive did not answer within {CALL_SECONDS:g} s") from error
    except _OUT_OF_REACH as error:
        log.warning("%s cannot ask the broker: %s", peer, error)
        raise RequestRefused(statuses.out_of_reach, "The archive cannot be reached, ask again later") from error
    except (XWBError, BrokerRefused) as error:
        log.warning("a request of %s was not answered: %s", peer, error)
        raise RequestRefused(statuses.unanswered, str(error)) from error


def status_of(page: Page, otherwise: int, name: str = "status") -> int:
    """Give the status with which the broker wants a request answered, four hexadecimal digits, or another number of such."""
    try:
        return int(str(page.head.get(name)), 16)
    except ValueError:
        return otherwise
