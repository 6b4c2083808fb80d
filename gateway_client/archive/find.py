"""C-FIND of the Query/Retrieve information models, as the archive's entities answer it (PS3.4 C.4.1)."""

from __future__ import annotations

from collections.abc import AsyncIterator

from twisted.internet.interfaces import IReactorTime

from dul import Answer, Request, Service, found_by
from gateway_client.archive.entities import ApplicationEntity
from gateway_client.archive.inquiry import Inquiry, matches_of, read_identifier
from gateway_client.archive.levels import model_of
from gateway_client.archive.pages import Asked
from gateway_client.archive.questions import read_question

QUERY = "MAGB QUERY"


def find_service(entity: ApplicationEntity, sessions: Asked, clock: IReactorTime) -> Service:
    """Make the C-FIND service of an entity, of all information models of Query/Retrieve. Priority is not looked at."""

    def find(request: Request, data: bytes) -> AsyncIterator[bytes | Answer]:
        return matches_of(_inquiry(entity, request, data), sessions, clock, request)

    return found_by(find)


def _inquiry(entity: ApplicationEntity, request: Request, data: bytes) -> Inquiry:
    """Read what is asked. Raises RequestRefused."""
    question = read_question(read_identifier(request, data), model_of(request.abstract_syntax), entity)
    subject = f"{entity.ae_title} at {question.level} level"
    limit, vrs, incomplete = entity.match_limit, question.vrs, question.incomplete
    return Inquiry(subject, QUERY, question.request, question.answer, limit, vrs, incomplete)
