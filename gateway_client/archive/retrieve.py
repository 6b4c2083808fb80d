"""The SCP of C-MOVE and C-GET of an application entity (PS3.4 C.4.2, C.4.3): what it refuses, and who carries out the rest."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial

from twisted.internet.defer import Deferred, DeferredSemaphore

from dul import CommandField, Request, RequestRefused, Service, served
from dul.status import CANNOT_UNDERSTAND, MOVE_DESTINATION_UNKNOWN, UNABLE_TO_COUNT_MATCHES
from gateway_client.archive.deferring import Deferring
from gateway_client.archive.destinations import MoveDestinations
from gateway_client.archive.entities import ApplicationEntity
from gateway_client.archive.errands import Errand, Means
from gateway_client.archive.identifiers import decode_identifier
from gateway_client.archive.retrieval import Retrieval
from gateway_client.archive.wanted import Wanted, read_wanted
from gateway_client.errors import BadIdentifier
from gateway_client.transcoding import SYNTAXES
from gateway_client.transmission.consignment import Destination, Wish
from xwb import XWBError

log = logging.getLogger(__name__)

#: Into what objects are brought that a move destination does not take as they are, the preferred first.
UNCOMPRESSED = (SYNTAXES["explicit"], SYNTAXES["implicit"])
#: And besides those for a peer that chose what it gets in a C-GET: whatever loses nothing.
_LOSSLESS = tuple(SYNTAXES[name] for name in ("deflated", "rle", "jpeg-lossless", "jpeg-2000"))


class Retrieving:
    """Gives the services of entities that retrieve; all of it belongs to the reactor's thread.

    Each entity carries out some requests at a time, and the others wait for their turn.
    """

    def __init__(self, means: Means) -> None:
        self._means = means
        self._under_way: set[Retrieval] = set()
        self._idle: Deferred[None] | None = None
        self._destinations = MoveDestinations(means.configuration, means.broker)
        #: By AE title.
        self._turns: dict[str, DeferredSemaphore] = {}

    def move_services(self, entity: ApplicationEntity) -> dict[CommandField, Service]:
        """Give the service of C-MOVE."""
        return {CommandField.C_MOVE_RQ: self._service(entity, self._moved)}

    def get_services(self, entity: ApplicationEntity) -> dict[CommandField, Service]:
        """Give the service of C-GET."""
        return {CommandField.C_GET_RQ: self._service(entity, self._got)}

    async def close(self) -> None:
        """End what is being carried out, as if it were cancelled, and wait for that."""
        for carried_out in [*self._under_way]:
            carried_out.stop()
        if self._under_way:
            self._idle = Deferred()
            await self._idle

    def _service(
        self, entity: ApplicationEntity, errand_of: Callable[[ApplicationEntity, Request, Wanted], Awaitable[Errand]]
    ) -> Service:
        turns = self._turns.setdefault(entity.ae_title, DeferredSemaphore(entity.max_retrievals))
        return served(partial(self._serve, entity, errand_of, turns))

    async def _serve(
        self,
        entity: ApplicationEntity,
        errand_of: Callable[[ApplicationEntity, Request, Wanted], Awaitable[Errand]],
        turns: DeferredSemaphore,
        request: Request,
        data: bytes,
    ) -> None:
        try:
            identifier = decode_identifier(data, request.transfer_syntax)
        except BadIdentifier as error:
            raise RequestRefused(CANNOT_UNDERSTAND, str(error)) from error
        wanted = read_wanted(request.abstract_syntax, identifier, entity.levels)
        try:
            errand = await errand_of(entity, request, wanted)
        except XWBError as error:
            log.warning("the destination of a retrieval cannot be looked up: %s", error)
            raise RequestRefused(UNABLE_TO_COUNT_MATCHES, "The archive does not answer") from error
        carried_out = Retrieval(self._means, errand)
        self._under_way.add(carried_out)
        try:
            await carried_out.run(turns)
        finally:
            self._under_way.discard(carried_out)
            if not self._under_way and self._idle is not None:
                self._idle.callback(None)

    async def _moved(self, entity: ApplicationEntity, request: Request, wanted: Wanted) -> Errand:
        command, asked_by = request.command, _requestor(request)
        title = (command.move_destination or "").strip()
        destination = await self._destinations.find(title)
        if destination is None:
            raise RequestRefused(MOVE_DESTINATION_UNKNOWN, f"Move destination {title} is not known")
        wish = Wish(
            (SYNTAXES["implicit"],) if entity.implicit_only else self._preferred(destination),
            originator=(asked_by, command.message_id or 0),
            priority=command.priority or 0,
            as_stored=not entity.implicit_only,
        )
        return Errand(
            request,
            wanted,
            destination,
            wish,
            stage="MOVE",
            asked_by=asked_by,
            change=self._destinations.change_of(destination.name),
            deferring=self._deferring(destination, asked_by),
            recall_seconds=entity.recall_seconds,
            pending_and_close=entity.pending_and_close,
        )

    async def _got(self, entity: ApplicationEntity, request: Request, wanted: Wanted) -> Errand:
        """Have objects go to who asked, as they would if that were named as a move destination."""
        asked_by = _requestor(request)
        known = await self._destinations.find(asked_by)
        peer = request.exchange.connection.peer
        destination = Destination(known.name if known is not None else "", asked_by, peer, 0)
        wish = Wish((*self._preferred(destination), *_LOSSLESS), priority=request.command.priority or 0, over=request.exchange)
        return Errand(
            request,
            wanted,
            destination,
            wish,
            stage="GET",
            asked_by=asked_by,
            change=self._destinations.change_of(destination.name),
            recall_seconds=entity.recall_seconds,
        )

    def _deferring(self, destination: Destination, asked_by: str) -> Deferring | None:
        """Give who takes what cannot be sent, unless the export queue would know the destination by no name."""
        location = self._means.configuration.location
        return Deferring(self._means.broker, destination, location, asked_by) if destination.name else None

    def _preferred(self, destination: Destination) -> tuple[str, ...]:
        """Give the transfer syntaxes into which objects may be brought: those of the settings, then those without compression."""
        settings = self._means.configuration.destination(destination.name)
        return tuple(dict.fromkeys((*(SYNTAXES[name] for name in settings.transcode), *UNCOMPRESSED)))


def _requestor(request: Request) -> str:
    asked = request.exchange.connection.association.request
    return asked.calling_ae_title if asked is not None else ""
