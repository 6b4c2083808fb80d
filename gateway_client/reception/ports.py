"""The gateway's DICOM ports: each lets in whom it may, and answers what its offer says."""

from __future__ import annotations

import contextlib
import logging
import socket
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IOpenSSLContextFactory

from dul import (
    NO_REASON,
    AssociateReject,
    AssociateRequest,
    Decision,
    Exchange,
    Listener,
    Listening,
    Timeouts,
    negotiate,
    none_beside,
)
from gateway_client.archive.offers import MAXIMUM_PDU, Offer
from gateway_client.configuration import Configuration
from gateway_client.reception.listeners import ListenerConfiguration
from gateway_client.reception.offering import Desk
from gateway_client.reception.spool import Origin
from runtime import ReactorThread, port_problem, server_context

log = logging.getLogger(__name__)

#: Seconds between looks at what still goes on while the ports are closed.
_STOP_LOOK = 0.02

Beside = Callable[[int, int], int]
"""Is told how many associations a listener has, by its number, and gives those of others that share its limit."""


class Opening(NamedTuple):
    """A port that is to be opened, and what it answers."""

    listener: ListenerConfiguration
    offer: Offer


class _Open(NamedTuple):
    """One listener, and its TLS context if it has one."""

    configuration: ListenerConfiguration
    listener: Listener
    tls: IOpenSSLContextFactory | None


class Ports:
    """Ports that are opened and closed together. A `desk` asks an application about connections.

    `established` hears of each association in the reactor's thread; the methods are for other threads.
    """

    def __init__(
        self,
        configuration: Configuration,
        openings: Sequence[Opening],
        reactor: ReactorThread,
        desk: Desk | None = None,
        established: Callable[[Exchange], None] = lambda _exchange: None,
        beside: Beside = lambda _listener, associations: none_beside(associations),
    ) -> None:
        self._configuration = configuration
        self._openings = openings
        self._reactor = reactor
        self._desk = desk
        self._heard = established
        self._beside = beside
        self._open: list[_Open] = []
        self._listening: list[Any] = []
        #: The numbers of the ports that are listened on, in the order of the openings.
        self.numbers: list[int] = []

    def open(self) -> None:
        """Be ready for connections that are accepted elsewhere. Raises BadCertificate."""
        for number, (configuration, offer) in enumerate(self._openings):
            listening = Listening(
                partial(self._answer, configuration, offer),
                offer.services,
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
            self._close()
            self._open = []
            raise

    def _listen(self, listener: _Open) -> None:
        configuration = listener.configuration
        try:
            port = self._reactor.call(listener.listener.listen, configuration.port, configuration.host, listener.tls)
        except OSError as error:
            raise port_problem(error, configuration.port, "DICOM", configuration.setting) from error
        self._listening.append(port)
        number = int(port.getHost().port)
        self.numbers.append(number)
        name = configuration.name or self._configuration.ae_title
        log.info("%s listens on %s:%d%s", name, configuration.host, number, " over TLS" if configuration.tls else "")

    def _close(self) -> None:
        for port in self._listening:
            self._reactor.call(port.stopListening)
        self._listening = []

    def stop(self, seconds: float | None = None) -> None:
        """Take no new connections, let each peer finish what goes on, then end the associations.

        The peers have so many seconds, or those of the configuration.
        """
        listeners, self._open = [it.listener for it in self._open], []
        self._close()
        end = time.monotonic() + (self._configuration.stop_seconds if seconds is None else seconds)
        while listeners and self._reactor.call(_abort_resting, listeners) and time.monotonic() < end:
            time.sleep(_STOP_LOOK)
        self._reactor.call(_abort_all, listeners)

    def _established(self, exchange: Exchange) -> None:
        if self._desk is not None:
            self._desk.attend(exchange)
        self._heard(exchange)

    def _answer(
        self, configuration: ListenerConfiguration, offer: Offer, request: AssociateRequest, peer: str
    ) -> Decision | Deferred[Decision]:
        calling, called = request.calling_ae_title, request.called_ae_title
        if not configuration.lets_in(peer):
            log.warning("%s at %s is rejected: it is none of the hosts of %s", calling, peer, configuration.setting)
            return NO_REASON
        policy = offer.policy(request, configuration.called_ae_titles or None, configuration.calling_ae_titles or None)
        decision = negotiate(request, policy)
        if isinstance(decision, AssociateReject):
            log.warning("%s at %s, which calls %s, is rejected: %s", calling, peer, called, decision.text)
            return decision
        if self._desk is None:
            return decision
        return self._desk.admit(Origin(calling, called, peer, configuration.instrument), decision)


def _abort_resting(listeners: Sequence[Listener]) -> int:
    """End the associations on which nothing goes on; give how many are left."""
    for exchange in [exchange for listener in listeners for exchange in listener.exchanges]:
        if not exchange.busy:
            exchange.abort()
    return sum(len(listener.exchanges) for listener in listeners)


def _abort_all(listeners: Sequence[Listener]) -> None:
    for exchange in [exchange for listener in listeners for exchange in listener.exchanges]:
        exchange.abort()
