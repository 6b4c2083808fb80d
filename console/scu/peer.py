"""A DICOM peer as the command line names it, associations with it, and what it is when there is none."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from twisted.internet.defer import Deferred

from console.addresses import format_address
from console.errors import ConsoleError
from console.scu.words import named, told_status
from dul import (
    AssociationRejected,
    CommandField,
    DulError,
    Exchange,
    RequestFailed,
    Roles,
    Service,
    Timeouts,
    connect,
    propose,
)
from gateway_client import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION, WINDOW
from runtime import ReactorThread

if TYPE_CHECKING:
    from console.scu.tls import Secured

T = TypeVar("T")
Contexts = Sequence[tuple[str, Sequence[str]]]
"""SOP classes, each with the transfer syntaxes of one presentation context."""
#: The longest PDU that a peer is told it may send; DCMTK sends no longer ones.
_MAXIMUM_PDU = 131072
#: Seconds that a connection may take, where an answer may take longer.
_CONNECT = 10.0
#: Seconds in which a peer that is listened to sends something, where an answer may take less.
_SILENT = 60.0


class NoAssociation(ConsoleError):
    """There is no association with the peer, or none any more."""

    status = 4


class PeerFailed(ConsoleError):
    """The peer did not do what it was asked."""


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

        What the upper layer raises within comes out as ConsoleError.
        """
        exchange = None
        try:
            exchange = await self._connect(reactor, contexts, roles, services)
            yield exchange
            await exchange.release()
        except (DulError, ConsoleError) as error:
            if exchange is not None:
                await exchange.release()
            if isinstance(error, ConsoleError):
                raise
            raise self._told(error, begun=exchange is not None) from error
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

    def _told(self, error: DulError, *, begun: bool) -> ConsoleError:
        if isinstance(error, RequestFailed):
            return PeerFailed(f"{self} answered {told_status(error.status, error.comment)}.")
        if isinstance(error, AssociationRejected):
            return NoAssociation(f"{self} rejects the association: {error}.")
        if not begun:
            return NoAssociation(f"No association with {self}: {error}")
        return NoAssociation(f"The association with {self} was lost: {error}")


def run(work: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine, which is given a reactor, to its end; give what it gives, or raise what it raises.

    Ctrl-C cancels it and lets it end in order, with a C-CANCEL for a query; a second one does not wait.
    """
    thread = ReactorThread("scu")
    begun: list[Deferred[T]] = []

    def begin() -> Deferred[T]:
        begun.append(Deferred.fromCoroutine(work(thread.reactor)))
        return begun[0]

    def cancel() -> Deferred[None]:
        ended: Deferred[None] = Deferred()
        for deferred in begun:
            deferred.addBoth(lambda _result: ended.callback(None))
            deferred.cancel()
        return ended

    try:
        result: T = thread.call(begin)
    except KeyboardInterrupt:
        if begun:
            thread.call(cancel)
        raise
    finally:
        thread.stop()
    return result
