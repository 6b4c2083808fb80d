"""A DICOM peer, associations with it, and what goes wrong with them in words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

from dul import (
    AssociationRejected,
    CommandField,
    DulError,
    Exchange,
    NoContext,
    RequestFailed,
    Roles,
    Service,
    Timeouts,
    connect,
    propose,
)
from gateway_client.errors import GatewayError, NoAssociation, PeerFailed
from gateway_client.objects.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION
from gateway_client.query_retrieve.words import named, told_status
from gateway_client.transmission.object_file import WINDOW
from runtime import format_address

if TYPE_CHECKING:
    from gateway_client.query_retrieve.tls import Secured

Contexts = Sequence[tuple[str, Sequence[str]]]
"""SOP classes, each with the transfer syntaxes of one presentation context."""
#: The longest PDU that a peer is told it may send; DCMTK sends no longer ones.
_MAXIMUM_PDU = 131072
#: Seconds that a connection may take, where an answer may take longer.
_CONNECT = 10.0
#: Seconds in which a peer that is listened to sends something, where an answer may take less.
_SILENT = 60.0


@dataclass(frozen=True, slots=True)
class Peer:
    """Where a peer is, who is called and who calls. `timeout` is the seconds that an answer may take."""

    host: str
    port: int
    called: str = "ANY-SCP"
    calling: str = "MAGBROKER"
    tls: Secured | None = None
    timeout: float = 30.0

    def __str__(self) -> str:
        return f"{self.called} at {format_address(self.host, self.port)}"

    @asynccontextmanager
    async def association(
        self,
        reactor: Any,
        contexts: Contexts,
        roles: Mapping[str, Roles] | None = None,
        services: Mapping[CommandField, Service] | None = None,
    ) -> AsyncIterator[Exchange]:
        """Open an association, and release it; one on which something is cut short is aborted.

        What the upper layer raises within comes out as GatewayError.
        """
        exchange = None
        try:
            exchange = await self._connect(reactor, contexts, roles, services)
            yield exchange
            await exchange.release()
        except (DulError, GatewayError) as error:
            if exchange is not None:
                await exchange.release()
            if isinstance(error, GatewayError):
                raise
            raise self.told(error, begun=exchange is not None) from error
        except BaseException:
            if exchange is not None:
                exchange.abort()
            raise

    def syntax_for(self, exchange: Exchange, sop_class: str) -> str:
        """Give the transfer syntax that was accepted for a SOP class. Raises PeerFailed where it was not accepted."""
        context = exchange.context_for(sop_class)
        if context is None:
            raise PeerFailed(f"{self} does not take {named(sop_class)}.")
        return exchange.connection.association.contexts[context].transfer_syntax

    def _connect(
        self,
        reactor: Any,
        contexts: Contexts,
        roles: Mapping[str, Roles] | None,
        services: Mapping[CommandField, Service] | None,
    ) -> Deferred[Exchange]:
        request = propose(
            self.called,
            self.calling,
            contexts,
            roles,
            maximum_length=_MAXIMUM_PDU,
            operations_window=(WINDOW, 1),
            implementation_class_uid=IMPLEMENTATION_CLASS_UID,
            implementation_version_name=IMPLEMENTATION_VERSION,
        )
        return connect(
            reactor,
            (self.host, self.port),
            request,
            services=services,
            timeouts=Timeouts(artim=self.timeout, idle=max(self.timeout, _SILENT)),
            connect_seconds=min(self.timeout, _CONNECT),
            response_seconds=self.timeout,
            tls=self.tls.creator(self.host) if self.tls is not None else None,
        )

    def told(self, error: DulError, *, begun: bool) -> GatewayError:
        """Say what failed of an association with it, or of a request once that had `begun`."""
        if isinstance(error, RequestFailed):
            status = told_status(error.status, error.comment).rstrip(".")
            return PeerFailed(f"{self} answered {status}.")
        if isinstance(error, NoContext):
            return PeerFailed(f"{self} does not do this: {error}")
        if isinstance(error, AssociationRejected):
            return NoAssociation(f"{self} rejects the association: {error}.")
        if not begun:
            return NoAssociation(f"No association with {self}: {error}")
        return NoAssociation(f"The association with {self} was lost: {error}")
