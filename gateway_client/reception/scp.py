"""The storage SCP: takes every storage SOP class in every transfer syntax, and answers when it is on disk."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from functools import partial

from dul import AssociateRequest, CommandField, Exchange, Request, Service, Sink, echo, none_beside
from gateway_client.archive.offers import Offer, Providers, ServiceClass, Services, offer_of
from gateway_client.commitment.scp import CommitmentSCP
from gateway_client.commitment.taking import CommitmentInProcess
from gateway_client.configuration import Configuration
from gateway_client.objects.compression_rules import check_compressed
from gateway_client.reception.listeners import ListenerConfiguration
from gateway_client.reception.offering import Desk, Offered
from gateway_client.reception.port_offers import offer_at
from gateway_client.reception.ports import Beside, Opening, Ports
from gateway_client.reception.receiving import Receiver
from gateway_client.reception.spool import Spool, SpooledFile
from gateway_client.reception.spooling import SpoolThread
from runtime import ReactorThread


class StorageSCP:
    """The ports at which objects are received. `received` hears of every object once it is durable, before its sender does.

    It is called from the thread that writes. A `desk` asks an application about connections and objects; it stops with the
    ports. The other methods are for other threads than the reactor's. `beside` is that of Listening, by the listener's number;
    `services` are further ones at all ports but the receiver's, and what is `provided` of queries is so at the default one.
    """

    def __init__(
        self,
        configuration: Configuration,
        spool: Spool,
        received: Callable[[SpooledFile], None],
        reactor: ReactorThread | None = None,
        desk: Desk | None = None,
        beside: Beside = lambda _listener, associations: none_beside(associations),
        commitment: CommitmentSCP | CommitmentInProcess | None = None,
        services: Mapping[CommandField, Service] | None = None,
        provided: Providers | None = None,
    ) -> None:
        self._configuration = configuration
        self._commitment = commitment
        self._services = services or {}
        self._provided = provided or {}
        self._own = reactor is None
        self._reactor = reactor or ReactorThread("dicom")
        self._spooling = SpoolThread(spool, received, self._reactor.soon, configuration.header_paths)
        self._desk = desk
        self._receiver = Receiver(self._spooling, frozenset(configuration.abort_after_refusal).__contains__)
        openings = [Opening(listener, self._offer(listener)) for listener in configuration.all_listeners]
        self._ports = Ports(configuration, openings, self._reactor, desk, self._established, beside)
        self._running = False

    @property
    def ports(self) -> dict[str, int]:
        """The ports that are listened on, by their instruments; the default one, of no instrument, if any."""
        listeners = zip(self._configuration.all_listeners, self._ports.numbers, strict=False)
        return {listener.instrument: number for listener, number in listeners if listener.entity is None}

    @property
    def entity_ports(self) -> dict[str, int]:
        """The port of the archive's receiver, by its role, if there is one."""
        listeners = zip(self._configuration.all_listeners, self._ports.numbers, strict=False)
        return {listener.entity.role: number for listener, number in listeners if listener.entity is not None}

    @property
    def port(self) -> int:
        """The first of the ports."""
        return next(iter(self.ports.values()))

    def open(self) -> None:
        """Be ready for connections that are accepted elsewhere. Raises BadCertificate."""
        self._ports.open()
        self._running = True

    def adopt(self, number: int, connection: socket.socket, ended: Callable[[], None]) -> None:
        """Take a connection that is accepted, for the listener of a number, and tell when it has ended."""
        self._ports.adopt(number, connection, ended)

    def start(self) -> None:
        """Listen. Raises PortInUse, PortRefused or BadCertificate, with no port left open."""
        try:
            self._ports.start()
            self._running = True
        except BaseException:
            self._end()
            raise

    def stop(self, seconds: float | None = None) -> None:
        """Take no new connections, let each peer finish the object that it is sending, then end the associations.

        The peers have so many seconds, or those of the configuration.
        """
        if self._running:
            self._running = False
            self._ports.stop(seconds)
            self._end()

    def _end(self) -> None:
        if self._desk is not None:
            self._desk.stop()
            self._reactor.call(_nothing)  # what its last calls came to is done before
        self._spooling.stop()
        if self._own:
            self._reactor.stop()

    def _offer(self, listener: ListenerConfiguration) -> Offer:
        """Say what a port answers: the archive's receiver what that role does, another one all that there is."""
        if listener.entity is not None:
            aborts = listener.entity.abort_after_refusal
            rule = check_compressed if listener.entity.check_compressed else None
            receiver = Receiver(self._spooling, lambda _calling: aborts, rule)
            return offer_of(
                listener.entity,
                {
                    ServiceClass.VERIFICATION: lambda _entity: {CommandField.C_ECHO_RQ: echo},
                    ServiceClass.STORAGE: lambda _entity: {CommandField.C_STORE_RQ: partial(self._store, receiver)},
                },
            )
        commitment = self._commitment
        services: Services = {
            CommandField.C_ECHO_RQ: echo,
            CommandField.C_STORE_RQ: partial(self._store, self._receiver),
            **(commitment.services if commitment is not None else {}),
            **self._services,
        }
        return offer_at(self._configuration, listener, services, self._provided, self._takes_commitment)

    def _takes_commitment(self, request: AssociateRequest) -> bool:
        return self._commitment is not None and self._commitment.takes(request)

    def _store(self, receiver: Receiver, request: Request) -> Sink:
        if self._desk is None:
            return receiver.store(request)
        return Offered(self._desk, self._spooling, request, partial(receiver.answer, request), receiver.rule)

    def _established(self, exchange: Exchange) -> None:
        if self._commitment is not None:
            self._commitment.established(exchange)


def _nothing() -> None:
    pass
