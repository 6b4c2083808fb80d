"""C-FIND as the archive's entities answer it (PS3.4 C.4.1): the broker is asked page by page while the matches go out."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from twisted.internet.interfaces import IReactorTime

from dul import Answer, Request, RequestRefused, Service, found_by
from dul.services import unless_cancelled
from dul.status import CANNOT_UNDERSTAND, OUT_OF_RESOURCES, PENDING, PENDING_WITH_WARNING
from gateway_client.archive.entities import ApplicationEntity
from gateway_client.archive.identifiers import Encoder, decode_identifier
from gateway_client.archive.levels import model_of
from gateway_client.archive.pages import Asked, Page, pieces, read_page
from gateway_client.archive.questions import Question, read_question
from gateway_client.archive.sessions import Closed, TooManyQuestions
from gateway_client.errors import BadIdentifier, BrokerRefused, IdentifierTooLarge
from xwb import ConnectionLost, SignOnRefused, XWBError

log = logging.getLogger(__name__)

QUERY = "MAGB QUERY"
#: Matches that the broker is asked for at once: a usual limit of matches is one page.
PAGE = 500
#: Seconds that one page may take, waiting for a session included; peers wait 30 for each answer.
PAGE_SECONDS = 25.0
#: What a question comes to where the archive is out of reach for now: it may be asked again.
_OUT_OF_REACH = (ConnectionLost, SignOnRefused, TooManyQuestions, Closed)


def find_service(entity: ApplicationEntity, sessions: Asked, clock: IReactorTime) -> Service:
    """Make the C-FIND service of an entity, of all information models of Query/Retrieve. Priority is not looked at."""
    return found_by(partial(_find, entity, sessions, clock))


async def _find(
    entity: ApplicationEntity, sessions: Asked, clock: IReactorTime, request: Request, data: bytes
) -> AsyncIterator[bytes | Answer]:
    """Give the matches; beyond the entity's limit there is a failure after them. Raises RequestRefused."""
    question = _read(entity, request, data)
    encoder = Encoder(request.transfer_syntax, question.vrs)
    written, cursor = 0, ""
    while True:
        page = await _page(sessions, clock, request, question, cursor, min(PAGE, entity.match_limit - written))
        status = PENDING_WITH_WARNING if question.incomplete or page.head.get("unsupported") else PENDING
        for match in page.rows:
            yield Answer(status, _encoded(encoder, question, match))
            written += 1
        if not page.more:
            break
        if written >= entity.match_limit:
            raise RequestRefused(OUT_OF_RESOURCES, f"Match overflow: there are more than {entity.match_limit} matches")
        if page.more == cursor:
            raise RequestRefused(CANNOT_UNDERSTAND, "The archive does not go on with its matches")
        cursor = page.more
    log.info("%s asked %s at %s level: %d matches", request.exchange.connection.peer, entity.ae_title, question.level, written)


def _read(entity: ApplicationEntity, request: Request, data: bytes) -> Question:
    model = model_of(request.abstract_syntax)
    try:
        return read_question(decode_identifier(data, request.transfer_syntax), model, entity)
    except IdentifierTooLarge as error:
        raise RequestRefused(OUT_OF_RESOURCES, str(error)) from error
    except BadIdentifier as error:
        raise RequestRefused(CANNOT_UNDERSTAND, str(error)) from error


def _encoded(encoder: Encoder, question: Question, match: Any) -> bytes:
    try:
        return encoder.encode(question.answer(match))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        log.error("a match of the broker cannot be told: %r", error)
        raise RequestRefused(CANNOT_UNDERSTAND, "The archive answered what is no match") from error


async def _page(sessions: Asked, clock: IReactorTime, request: Request, question: Question, cursor: str, count: int) -> Page:
    """Ask for the next matches. Raises RequestRefused: for what is wrong with them, and for a C-CANCEL in the meantime."""
    call = sessions.call(QUERY, pieces(question.request), cursor, count)
    try:
        page = read_page(await unless_cancelled(request, call, PAGE_SECONDS, clock))
    except TimeoutError as error:
        raise RequestRefused(OUT_OF_RESOURCES, f"The archive did not answer within {PAGE_SECONDS:g} s") from error
    except _OUT_OF_REACH as error:
        log.warning("%s cannot ask the broker: %s", request.exchange.connection.peer, error)
        raise RequestRefused(OUT_OF_RESOURCES, "The archive cannot be reached, ask again later") from error
    except (XWBError, BrokerRefused) as error:
        log.warning("a question of %s was not answered: %s", request.exchange.connection.peer, error)
        raise RequestRefused(CANNOT_UNDERSTAND, str(error)) from error
    if "error" in page.head:
        raise RequestRefused(_status(page), str(page.head["error"]))
    return page


def _status(page: Page) -> int:
    """Give the status with which the broker wants a question answered."""
    try:
        return int(str(page.head.get("status")), 16)
    except ValueError:
        return CANNOT_UNDERSTAND
