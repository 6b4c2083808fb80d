"""The storage SCP: takes every storage SOP class in every transfer syntax as it comes, and answers when it is on disk."""

from __future__ import annotations

import contextlib
import logging
import socket
import time
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

from dul import (
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
    Sink,
    Timeouts,
    echo,
    may_be_stored,
    negotiate,
    none_beside,
)
from gateway_client.application import Application
from gateway_client.configuration import Configuration
from gateway_client.offering import Desk, Offered
from gateway_client.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION
from gateway_client.receiving import Receiver
from gateway_client.spool import Origin, Spool, SpooledFile
from gateway_client.spooling import SpoolThread
from runtime import PortInUse, ReactorThread

log = logging.getLogger(__name__)

#: The longest PDU that a peer is told it may send; DCMTK sends no longer ones.
MAXIMUM_PDU = 131072
#: Seconds between looks at what still goes on while the port is closed.
_STOP_LOOK = 0.02


class StorageSCP:
    """The gateway's DICOM port. `received` hears of every object once it is durable, before its sender does.

    It is called from the thread that writes. An `application` is asked about connections and objects. The other
    methods are for other threads than the reactor's. `beside` is that of Listening.
    """

    def __init__(
        self,
        configuration: Configuration,
        spool: Spool,
        received: Callable[[SpooledFile], None],
        reactor: ReactorThread | None = None,
        application: Application | None = None,
        beside: Callable[[int], int] = none_beside,
    ) -> None:
        self._beside = beside
        self._configuration = configuration
        self._application = application
        self._own = reactor is None
        self._reactor = reactor or ReactorThread("dicom")
        self._spooling = SpoolThread(spool, received, self._reactor.soon, configuration.header_paths)
        self._desk = Desk(application, self._reactor.reactor) if application is not None else None
        self._receiver = Receiver(self._spooling, configuration.abort_after_refusal)
        self._listener: Listener | None = None
        self._port: Any = None

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._port.getHost().port)

    def open(self) -> None:
        """Be ready for connections that are accepted elsewhere."""
        configuration = self._configuration
        services = {CommandField.C_ECHO_RQ: echo, CommandField.C_STORE_RQ: self._store}
        listening = Listening(
            self._answer,
            services,
            associations=configuration.max_associations,
            maximum_pdu=MAXIMUM_PDU,
            timeouts=Timeouts(idle=configuration.network_timeout),
            response_seconds=configuration.dimse_timeout,
            established=self._established,
            beside=self._beside,
        )
        self._listener = Listener(listening, self._reactor.reactor)

    def adopt(self, connection: socket.socket, ended: Callable[[], None]) -> None:
        """Take a connection that is accepted, and tell when it has ended."""
        self._reactor.soon(self._adopt, connection, ended)

    def _adopt(self, connection: socket.socket, ended: Callable[[], None]) -> None:
        adopted = None
        with connection, contextlib.suppress(OSError):  # one whose peer has gone already
            reactor = self._reactor.reactor
            adopted = reactor.adoptStreamConnection(connection.fileno(), connection.family, self._listener)
        if adopted is None:
            ended()
        else:
            adopted.protocol.gone.addCallback(lambda _none: ended())

    def start(self) -> None:
        """Listen. Raises PortInUse."""
        configuration = self._configuration
        self.open()
        assert self._listener is not None
        try:
            self._port = self._reactor.call(self._listener.listen, configuration.dicom_port, configuration.dicom_host)
        except OSError as error:
            self._end()
            raise PortInUse(configuration.dicom_port, "DICOM", "gateway.dicom_port") from error
        log.info("%s listens on %s:%d", configuration.ae_title, configuration.dicom_host, self.port)

    def stop(self, seconds: float | None = None) -> None:
        """Take no new connections, let each peer finish the object that it is sending, then end the associations.

        The peers have so many seconds, or those of the configuration.
        """
        if self._listener is None:
            return
        listener, self._listener = self._listener, None
        if self._port is not None:
            self._reactor.call(self._port.stopListening)
        end = time.monotonic() + (self._configuration.stop_seconds if seconds is None else seconds)
        while self._reactor.call(_abort_resting, listener) and time.monotonic() < end:
            time.sleep(_STOP_LOOK)
        self._reactor.call(_abort_all, listener)
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

    def _answer(self, request: AssociateRequest, peer: str) -> Decision | Deferred[Decision]:
        configuration = self._configuration
        policy = Policy(
            choose=_choose,
            called_ae_titles=configuration.called_ae_titles or None,
            maximum_length=MAXIMUM_PDU,
            implementation_class_uid=IMPLEMENTATION_CLASS_UID,
            implementation_version_name=IMPLEMENTATION_VERSION,
        )
        decision = negotiate(request, policy)
        if self._desk is None or isinstance(decision, AssociateReject):
            return decision
        return self._desk.admit(Origin(request.calling_ae_title, request.called_ae_title, peer), decision)


def _choose(abstract_syntax: str, transfer_syntaxes: tuple[str, ...]) -> str | None:
    """Take what may be stored as its sender has it, and C-ECHO."""
    return transfer_syntaxes[0] if abstract_syntax == VERIFICATION or may_be_stored(abstract_syntax) else None


def _abort_resting(listener: Listener) -> int:
    """End the associations on which nothing goes on; give how many are left."""
    for exchange in list(listener.exchanges):
        if not exchange.busy:
            exchange.abort()
    return len(listener.exchanges)


def _nothing() -> None:
    pass


def _abort_all(listener: Listener) -> None:
    for exchange in list(listener.exchanges):
        exchange.abort()
