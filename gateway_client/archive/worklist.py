"""C-FIND of the Modality Worklist Information Model, as the archive's entities answer it (PS3.4 K.4.1)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from twisted.internet.interfaces import IReactorTime

from dul import Answer, Request, RequestRefused, Service, found_by
from dul.status import OUT_OF_RESOURCES
from gateway_client.archive.entities import ApplicationEntity
from gateway_client.archive.identifiers import Attributes, vr_of_attribute
from gateway_client.archive.inquiry import Inquiry, matches_of, read_identifier
from gateway_client.archive.pages import Asked, Match
from gateway_client.archive.questions import MOST_KEYS, NO_KEYS, key_paths
from gateway_client.commitment.taking import titles

WORKLIST = "MAGB WORKLIST"


def worklist_service(entity: ApplicationEntity, sessions: Asked, clock: IReactorTime) -> Service:
    """Make the C-FIND service of the worklist of an entity. Priority is not looked at."""

    def find(request: Request, data: bytes) -> AsyncIterator[bytes | Answer]:
        return matches_of(_inquiry(entity, request, data), sessions, clock, request)

    return found_by(find)


def _inquiry(entity: ApplicationEntity, request: Request, data: bytes) -> Inquiry:
    """Read what is asked. Raises RequestRefused."""
    keys = dict(_keys(read_identifier(request, data)))
    if len(keys) > MOST_KEYS:
        raise RequestRefused(OUT_OF_RESOURCES, f"More than {MOST_KEYS} keys are asked for")
    asked_by, _ours = titles(request.exchange)
    asked = {"ae_title": asked_by, "keys": keys, "fold_names": entity.fold_names}
    return Inquiry(f"{entity.ae_title} for the worklist", WORKLIST, asked, _answer, entity.match_limit)


def _keys(identifier: Mapping[str, Sequence[Any]]) -> Iterator[tuple[str, list[str]]]:
    """Give the keys by the tags that lead to them; an empty sequence is one, which asks for all that it has.

    What a sequence is that no dictionary has is not known, so it is asked for as any key that is not supported.
    """
    for tag, values in identifier.items():
        if vr_of_attribute(tag) == "SQ":
            yield from ((path, list(told)) for path, told in key_paths(tag, values) if path.rpartition(">")[2] not in NO_KEYS)
        elif tag not in NO_KEYS:
            yield tag, [value for value in values if isinstance(value, str)]


def _answer(match: Match) -> Attributes:
    """Give the attributes of a match: the broker lays them out as they stand in the identifier."""
    attributes: Attributes = match["tags"]
    return attributes
