"""The storage SCP: takes every storage SOP class in every transfer syntax as it comes, and answers when it is on disk."""

from __future__ import annotations

import contextlib
import logging
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IOpenSSLContextFactory

from dul import (
    NO_REASON,
    VERIFICATION,
    AssociateReject,
    AssociateRequest,
    CommandField,
    Decision,
    Exchange,
    Listener,
    Listening,
    Policy,
    Request,
    Service,
    Sink,
    Timeouts,
    echo,
    may_be_stored,
    negotiate,
    none_beside,
)
from gateway_client.commitment.scp import CommitmentSCP
from gateway_client.commitment.taking import CommitmentInProcess
from gateway_client.commitment.transaction import choose_commitment, commitment_roles
from gateway_client.configuration import Configuration
from gateway_client.objects.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION
from gateway_client.reception.listeners import ListenerConfiguration
from gateway_client.reception.offering import Desk, Offered
from gateway_client.reception.receiving import Receiver
from gateway_client.reception.spool import Origin, Spool, SpooledFile
from gateway_client.reception.spooling import SpoolThread
from runtime import ReactorThread, port_problem, server_context

log = logging.getLogger(__name__)

#: The longest PDU that a peer is told it may send; DCMTK sends no longer ones.
MAXIMUM_PDU = 131072
#: Seconds between looks at what still goes on while the port is closed.
_STOP_LOOK = 0.02


class _Open(NamedTuple):
    """One listener, and its TLS context if it has one."""

    configuration: ListenerConfiguration
    listener: Listener
    tls: IOpenSSLContextFactory | None


class StorageSCP:
    """The gateway's DICOM ports. `received` hears of every object once it is durable, before its sender does.

    It is called from the thread that writes. A `desk` asks an application about connections and objects; it stops with the
    ports. The other methods are for other threads than the reactor's. `beside` is that of Listening, by the listener's number;
    `services` are further ones.
    """

    def __init__(
        self,
        configuration: Configuration,
        spool: Spool,
        received: Callable[[SpooledFile], None],
        reactor: ReactorThread | None = None,
        desk: Desk | None = None,
        beside: Callable[[int, int], int] = lambda _listener, associations: none_beside(associations),
        commitment: CommitmentSCP | CommitmentInProcess | None = None,
        services: Mapping[CommandField, Service] | None = None,
    ) -> None:
        self._beside = beside
        self._configuration = configuration
        self._commitment = commitment
        self._services = services or {}
        self._own = reactor is None
        self._reactor = reactor or ReactorThread("dicom")
        self._spooling = SpoolThread(spool, received, self._reactor.soon, configuration.header_paths)
        self._desk = desk
        self._receiver = Receiver(self._spooling, configuration.abort_after_refusal)
        self._open: list[_Open] = []
        self._listening: list[Any] = []
        #: The ports that are listened on, by their instruments; the default one, of no instrument, if any.
        self.ports: dict[str, int] = {}

    @property
    def port(self) -> int:
        """The first of the ports."""
        return next(iter(self.ports.values()))

    def open(self) -> None:
        """Be ready for connections that are accepted elsewhere. Raises BadCertificate."""
        services: dict[CommandField, Service] = {CommandField.C_ECHO_RQ: echo, CommandField.C_STORE_RQ: self._store}
        if self._commitment is not None:
            services |= self._commitment.services
        services |= self._services
        for number, configuration in enumerate(self._configuration.all_listeners):
            listening = Listening(
                partial(self._answer, configuration),
                services,
                associations=configuration.max_associations,
                maximum_pdu=MAXIMUM_PDU,
                timeouts=Timeouts(idle=self._configuration.network_timeout),
                response_seconds=self._configuration.dimse_timeout,
                established=self._established,
                beside=partial(self._beside, number),
                name=configuration.instrument,
            )
            tls = server_context(configuration.tls) if configuration.tls is not None else None
            self._open.append(_Open(configuration, Listener(listening, self._reactor.reactor), tls))

    def adopt(self, number: int, connection: socket.socket, ended: Callable[[], None]) -> None:
        """Take a connection that is accepted, for the listener of a number, and tell when it has ended."""
        self._reactor.soon(self._adopt, self._open[number], connection, ended)

    def _adopt(self, listener: _Open, connection: socket.socket, ended: Callable[[], None]) -> None:
        adopted = None
        with connection, contextlib.suppress(OSError):  # one whose peer has gone already
            factory = listener.listener.secured(listener.tls)
            adopted = self._reactor.reactor.adoptStreamConnection(connection.fileno(), connection.family, factory)
        if adopted is None:
            ended()
        else:
            protocol = adopted.protocol if listener.tls is None else adopted.protocol.wrappedProtocol
            protocol.gone.addCallback(lambda _none: ended())

    def start(self) -> None:
        """Listen. Raises PortInUse, PortRefused or BadCertificate, with no port left open."""
        try:
            self.open()
            for listener in self._open:
                self._listen(listener)
        except BaseException:
            self._close_ports()
            self._open = []
            self._end()
            raise

    def _listen(self, listener: _Open) -> None:
        configuration = listener.configuration
        try:
            port = self._reactor.call(listener.listener.listen, configuration.port, configuration.host, listener.tls)
        except OSError as error:
            raise port_problem(error, configuration.port, "DICOM", configuration.setting) from error
        self._listening.append(port)
        self.ports[configuration.instrument] = number = int(port.getHost().port)
        name = configuration.instrument or self._configuration.ae_title
        log.info("%s listens on %s:%d%s", name, configuration.host, number, " over TLS" if configuration.tls else "")

    def _close_ports(self) -> None:
        for port in self._listening:
            self._reactor.call(port.stopListening)
        self._listening = []

    def stop(self, seconds: float | None = None) -> None:
        """Take no new connections, let each peer finish the object that it is sending, then end the associations.

        The peers have so many seconds, or those of the configuration.
        """
        if not self._open:
            return
        listeners, self._open = [it.listener for it in self._open], []
        self._close_ports()
        end = time.monotonic() + (self._configuration.stop_seconds if seconds is None else seconds)
        while self._reactor.call(_abort_resting, listeners) and time.monotonic() < end:
            time.sleep(_STOP_LOOK)
        self._reactor.call(_abort_all, listeners)
        self._end()

    def _end(self) -> None:
        if self._desk is not None:
            self._desk.stop()
            self._reactor.call(_nothing)  # what its last calls came to is done before
        self._spooling.stop()
        if self._own:
            self._reactor.stop()

    def _store(self, request: Request) -> Sink:
        if self._desk is None:
            return self._receiver.store(request)
        return Offered(self._desk, self._spooling, request, lambda problem: self._receiver.answer(request, problem))

    def _established(self, exchange: Exchange) -> None:
        if self._desk is not None:
            self._desk.attend(exchange)
        if self._commitment is not None:
            self._commitment.established(exchange)

    def _answer(
        self, configuration: ListenerConfiguration, request: AssociateRequest, peer: str
    ) -> Decision | Deferred[Decision]:
        calling, called = request.calling_ae_title, request.called_ae_title
        if not configuration.lets_in(peer):
            log.warning("%s at %s is rejected: it is none of the hosts of %s", calling, peer, configuration.setting)
            return NO_REASON
        policy = Policy(
            choose=_choose if self._commitment is None or not self._commitment.takes(request) else _choose_with_commitment,
            roles=commitment_roles,
            called_ae_titles=configuration.called_ae_titles or None,
            calling_ae_titles=configuration.calling_ae_titles or None,
            maximum_length=MAXIMUM_PDU,
            implementation_class_uid=IMPLEMENTATION_CLASS_UID,
            implementation_version_name=IMPLEMENTATION_VERSION,
        )
        decision = negotiate(request, policy)
        if isinstance(decision, AssociateReject):
            log.warning("%s at %s, which calls %s, is rejected: %s", calling, peer, called, decision.text)
            return decision
        if self._desk is None:
            return decision
        return self._desk.admit(Origin(calling, called, peer, configuration.instrument), decision)


def _choose(abstract_syntax: str, transfer_syntaxes: tuple[str, ...]) -> str | None:
    """Take what may be stored as its sender has it, and C-ECHO."""
    return transfer_syntaxes[0] if abstract_syntax == VERIFICATION or may_be_stored(abstract_syntax) else None


def _choose_with_commitment(abstract_syntax: str, transfer_syntaxes: tuple[str, ...]) -> str | None:
    return choose_commitment(abstract_syntax, transfer_syntaxes) or _choose(abstract_syntax, transfer_syntaxes)


def _abort_resting(listeners: Sequence[Listener]) -> int:
    """End the associations on which nothing goes on; give how many are left."""
    for exchange in [exchange for listener in listeners for exchange in listener.exchanges]:
        if not exchange.busy:
            exchange.abort()
    return sum(len(listener.exchanges) for listener in listeners)


def _nothing() -> None:
    pass


def _abort_all(listeners: Sequence[Listener]) -> None:
    for exchange in [exchange for listener in listeners for exchange in listener.exchanges]:
        exchange.abort()
