"""C-MOVE and C-GET: what a peer sends to others, or to us."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)
from pynetdicom import StoragePresentationContexts

from dul import (
    AS_SCP,
    CONTEXTS_LIMIT,
    Answers,
    Category,
    CommandField,
    Exchange,
    Progress,
    RequestFailed,
    Response,
    Service,
    c_find,
    c_get,
    c_move,
)
from gateway_client.errors import PeerFailed
from gateway_client.query_retrieve.keys import SYNTAXES, decode, encode
from gateway_client.query_retrieve.peer import Peer
from gateway_client.query_retrieve.query import FIND, GET, Query

#: What objects may come in, those that many have first: as many are proposed as there is room for.
TRANSFER_SYNTAXES = (
    ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGLosslessSV1, JPEG2000Lossless, JPEGBaseline8Bit, RLELossless, JPEG2000,
    JPEGLSLossless, JPEGLSNearLossless, JPEGExtended12Bit, JPEGLossless, DeflatedExplicitVRLittleEndian, HTJ2KLossless,
    HTJ2KLosslessRPCL, HTJ2K, ExplicitVRBigEndian,
)  # fmt: skip
#: The storage SOP classes that are proposed where those of the objects are not known: the usual ones, by pynetdicom's list.
_USUAL = [str(context.abstract_syntax) for context in StoragePresentationContexts]
#: Presentation contexts beside that of the service.
_ROOM = CONTEXTS_LIMIT - 1
_FAILED_LIST = 0x00080058
_LEVELS = ("PATIENT", "STUDY", "SERIES", "IMAGE")
_UNIQUE = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


@dataclass(frozen=True, slots=True)
class Retrieved:
    """How a retrieval ended, by the peer's word: the final status, its sub-operations, and the objects that failed."""

    response: Response
    progress: Progress
    failed: tuple[str, ...] = ()

    @property
    def status(self) -> int:
        """The final status (0000,0900)."""
        return self.response.command.status or 0

    @property
    def well(self) -> bool:
        """Tell whether everything that was found was sent."""
        return self.response.category in (Category.SUCCESS, Category.WARNING) and not self.progress.failed

    @property
    def nothing(self) -> bool:
        """Tell whether nothing was found."""
        return self.well and not (self.progress.completed or self.progress.warning)


async def move_objects(
    reactor: Any,
    peer: Peer,
    query: Query,
    destination: str,
    told: Callable[[Progress], None],
    established: Callable[[Exchange], None] = lambda _exchange: None,
) -> Retrieved:
    """Have a peer send objects to an AE title that it knows, and tell of its progress. Raises GatewayError.

    `established` hears of the association first.
    """
    async with peer.association(reactor, [(query.model, SYNTAXES)]) as exchange:
        established(exchange)
        syntax = peer.syntax_for(exchange, query.model)
        identifier = encode(query.identifier, syntax)
        return await _followed(c_move(exchange, query.model, destination, identifier, transfer_syntax=syntax), syntax, told)


async def get_objects(
    reactor: Any,
    peer: Peer,
    query: Query,
    sop_classes: Sequence[str],
    store: Service,
    told: Callable[[Progress], None],
    established: Callable[[Exchange], None] = lambda _exchange: None,
) -> Retrieved:
    """Have a peer send objects to us, which `store` takes up, and tell of its progress. Raises GatewayError.

    Each SOP class is proposed once for each transfer syntax, as far as there is room: what is compressed comes as it is.
    `established` hears of the association first.
    """
    contexts = storage_contexts(sop_classes or _USUAL)
    roles = {sop_class: AS_SCP for sop_class, _syntaxes in contexts}
    services = {CommandField.C_STORE_RQ: store}
    async with peer.association(reactor, [(query.model, SYNTAXES), *contexts], roles, services) as exchange:
        established(exchange)
        syntax = peer.syntax_for(exchange, query.model)
        identifier = encode(query.identifier, syntax)
        return await _followed(c_get(exchange, query.model, identifier, transfer_syntax=syntax), syntax, told)


def storage_contexts(sop_classes: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
    """Propose SOP classes: a context for each transfer syntax where there is room, else the rarer syntaxes share one."""
    classes = list(dict.fromkeys(sop_classes))[:_ROOM]
    each = min(_ROOM // len(classes), len(TRANSFER_SYNTAXES))
    alone, shared = TRANSFER_SYNTAXES[: each - 1], TRANSFER_SYNTAXES[each - 1 :]
    return [(sop_class, syntaxes) for sop_class in classes for syntaxes in (*((one,) for one in alone), shared)]


async def sop_classes_of(reactor: Any, peer: Peer, query: Query) -> list[str] | None:
    """Ask by C-FIND which SOP classes the wanted objects have: none where there is no object, None where that is not answered."""
    model = query.model.removesuffix(GET) + FIND
    try:
        async with peer.association(reactor, [(model, SYNTAXES)]) as exchange:
            return list(await _classes(exchange, model, peer.syntax_for(exchange, model), query.identifier))
    except PeerFailed:
        return None


async def _classes(exchange: Exchange, model: str, syntax: str, wanted: Dataset) -> dict[str, None]:
    """Go down from the level of what is wanted to its images, level by level, as every peer must allow (PS3.4 C.4.1.2.1)."""
    place = _LEVELS.index(wanted.QueryRetrieveLevel)
    if _LEVELS[place] == _LEVELS[-1]:
        asked = deepcopy(wanted)
        asked.SOPClassUID = ""
        images = [image async for image in _matches(exchange, model, syntax, asked)]
        return dict.fromkeys(str(image.SOPClassUID) for image in images if image.get("SOPClassUID"))
    found: dict[str, None] = {}
    below = deepcopy(wanted)
    below.QueryRetrieveLevel, unique = _LEVELS[place + 1], _UNIQUE[place + 1]
    setattr(below, unique, "")
    for match in [match async for match in _matches(exchange, model, syntax, below)]:
        setattr(below, unique, match.get(unique, ""))
        found |= await _classes(exchange, model, syntax, below)
    return found


async def _matches(exchange: Exchange, model: str, syntax: str, identifier: Dataset) -> AsyncIterator[Dataset]:
    async with c_find(exchange, model, encode(identifier, syntax), transfer_syntax=syntax) as answers:
        async for match in answers:
            yield decode(match, syntax)


async def _followed(answers: Answers[Progress], syntax: str, told: Callable[[Progress], None]) -> Retrieved:
    """Follow a retrieval to its end, of whatever kind."""
    try:
        async with answers:
            async for progress in answers:
                told(progress)
    except RequestFailed:
        pass  # that it failed, and with what, is in the final answer
    response = answers.final
    assert response is not None
    return Retrieved(response, Progress.of(response), _failed(response.data, syntax) if response.data else ())


def _failed(data: bytes, syntax: str) -> tuple[str, ...]:
    """Read Failed SOP Instance UID List, whatever stands there."""
    element = decode(data, syntax).get_item(_FAILED_LIST)
    value = getattr(element, "value", None) or b""
    return tuple(filter(None, value.decode("ascii", "replace").rstrip("\0 ").split("\\")))
