"""Modality performed procedure steps as the archive's entities take them (PS3.4 F.7): N-CREATE and N-SET.

Each is answered when the broker has it on disk. What it was told it may be told again, so nothing is lost and nothing doubled
where an answer did not come through.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from uuid import uuid4

from twisted.internet.interfaces import IReactorTime

from dul import Answer, CommandField, Request, RequestRefused, Service, answered_by
from dul.status import PROCESSING_FAILURE, RESOURCE_LIMITATION, SUCCESS
from gateway_client.archive.identifiers import CHARACTER_SET, decode_identifier
from gateway_client.archive.inquiry import Statuses, call, status_of
from gateway_client.archive.pages import Asked, pieces
from gateway_client.commitment.taking import titles
from gateway_client.errors import BadIdentifier, IdentifierTooLarge

MPPS = "MAGB MPPS"
#: PS3.7 C.5: what the command set names is not the SOP class of its presentation context.
CLASS_INSTANCE_CONFLICT = 0x0119
#: Bytes of a data set, and elements in it: one step may tell of some ten thousand images.
DATA_LIMIT, MOST_ELEMENTS = 4 << 20, 100_000
_STATUSES = Statuses(PROCESSING_FAILURE, PROCESSING_FAILURE)


def random_uid() -> str:
    """Make a UID for a step that came without one (PS3.5 B.2)."""
    return f"2.25.{uuid4().int}"


def step_services(
    sessions: Asked, clock: IReactorTime, new_uid: Callable[[], str] = random_uid
) -> Mapping[CommandField, Service]:
    """Make the services. A step that is created without a SOP Instance UID gets a new one (PS3.7 10.1.5.1.4)."""
    tell = partial(_tell, sessions, clock)

    async def create(request: Request, data: bytes) -> Answer:
        return await tell(request, "CREATE", request.command.sop_class, request.command.sop_instance or new_uid(), data)

    async def change(request: Request, data: bytes) -> Answer:
        command = request.command
        return await tell(request, "SET", command.requested_sop_class, command.requested_sop_instance or "", data)

    return {
        CommandField.N_CREATE_RQ: answered_by(create, DATA_LIMIT),
        CommandField.N_SET_RQ: answered_by(change, DATA_LIMIT),
    }


async def _tell(
    sessions: Asked, clock: IReactorTime, request: Request, action: str, sop_class: str | None, uid: str, data: bytes
) -> Answer:
    """Have the broker take what a modality tells of a step. Raises RequestRefused."""
    if sop_class != request.abstract_syntax:
        raise RequestRefused(CLASS_INSTANCE_CONFLICT, f"{sop_class or 'nothing'} is not the SOP class of the context")
    modality, _ours = titles(request.exchange)
    told = {"uid": uid, "action": action, "ae_title": modality, "attributes": _attributes(request, data)}
    page = await call(sessions, clock, request, _STATUSES, MPPS, pieces(told))
    status = status_of(page, PROCESSING_FAILURE)
    if status != SUCCESS:
        raise RequestRefused(status, str(page.head.get("error", "")), status_of(page, 0, "error_id") or None)
    return Answer(SUCCESS, fields={"sop_instance": uid})


def _attributes(request: Request, data: bytes) -> dict[str, list[Any]]:
    """Read what is told; the broker has texts of all characters. Raises RequestRefused."""
    try:
        found = decode_identifier(data, request.transfer_syntax, MOST_ELEMENTS)
    except IdentifierTooLarge as error:
        raise RequestRefused(RESOURCE_LIMITATION, str(error)) from error
    except BadIdentifier as error:
        raise RequestRefused(PROCESSING_FAILURE, str(error)) from error
    found.pop(CHARACTER_SET, None)
    return found
