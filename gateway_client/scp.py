"""The storage SCP: takes every storage SOP class in every transfer syntax as it comes, and answers when it is on disk."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from pynetdicom import AE, _config, evt
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made by pynetdicom at import
from pynetdicom.transport import RequestHandler, ThreadedAssociationServer

from gateway_client.configuration import Configuration
from gateway_client.errors import GatewayError, NotAnObject, ObjectTooLarge, SpoolError, SpoolFull, UIDMismatch
from gateway_client.header import identify
from gateway_client.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION
from gateway_client.scp_wire import MAXIMUM_PDU, BoundedSocket, IncomingDataSet, SpoolingProvider, tune
from gateway_client.spool import Spool, SpooledFile, SpoolWriter
from runtime import PortInUse

log = logging.getLogger(__name__)

SUCCESS = 0x0000
#: PS3.4 B.2.3: out of resources, the data set does not match the SOP class, cannot understand.
OUT_OF_RESOURCES, MISMATCH, CANNOT_UNDERSTAND = 0xA700, 0xA900, 0xC000
_STATUS: dict[type[GatewayError], int] = {
    SpoolFull: OUT_OF_RESOURCES,
    SpoolError: OUT_OF_RESOURCES,
    ObjectTooLarge: OUT_OF_RESOURCES,
    UIDMismatch: MISMATCH,
    NotAnObject: CANNOT_UNDERSTAND,
}
_ACSE_TIMEOUT = 15.0


class _Handler(RequestHandler):
    """Makes the association of an accepted connection."""

    def _create_association(self) -> Association:
        server = self.server
        assert isinstance(server, _Server)
        association = super()._create_association()
        tune(self.request, server.timeout_of_peers)
        association.dul.socket.__class__ = BoundedSocket  # a second one would announce the connection a second time
        association.dimse = SpoolingProvider(association, server.spool.begin)
        return association


class _Server(ThreadedAssociationServer):
    """Listens; refuses connections, not only associations, beyond a number."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, ae: AE, *arguments: Any, spool: Spool, timeout_of_peers: float, **options: Any) -> None:
        self.spool = spool
        self.timeout_of_peers = timeout_of_peers
        super().__init__(ae, *arguments, **options)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Take no more than twice as many connections as associations."""
        return len(self.active_associations) < 2 * self.ae.maximum_associations


class StorageSCP:
    """The gateway's DICOM port. `received` hears of every object once it is durable, before its sender does."""

    def __init__(self, configuration: Configuration, spool: Spool, received: Callable[[SpooledFile], None]) -> None:
        self._configuration = configuration
        self._spool = spool
        self._received = received
        self._server: _Server | None = None
        self._busy = 0
        self._lock = threading.Condition()

    @property
    def port(self) -> int:
        """The port that is listened on."""
        assert self._server is not None
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Listen. Raises PortInUse.

        pynetdicom's unrestricted storage service is switched on for the whole process: any SOP class that is not another
        service's is taken for storage, private ones too, in the first transfer syntax that the peer proposes.
        """
        _config.UNRESTRICTED_STORAGE_SERVICE = True
        _config.LOG_HANDLER_LEVEL = "none"
        logging.getLogger("pynetdicom.dul").setLevel(logging.CRITICAL)  # six bytes of junk are a line of its log
        configuration = self._configuration
        address = (configuration.dicom_host, configuration.dicom_port)
        handlers = [
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_C_ECHO, lambda event: SUCCESS),
            (evt.EVT_REQUESTED, self._requested),
            (evt.EVT_CONN_CLOSE, _abandon),
            (evt.EVT_ABORTED, _abandon),
        ]
        try:
            self._server = _Server(
                self._application_entity(),
                address,
                configuration.ae_title,
                self._contexts(),
                evt_handlers=handlers,
                request_handler=_Handler,
                spool=self._spool,
                timeout_of_peers=configuration.network_timeout,
            )
        except OSError as error:
            raise PortInUse(configuration.dicom_port, "DICOM", "gateway.dicom_port") from error
        self._server.ae._servers.append(self._server)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="dicom-listener", daemon=True).start()
        log.info("%s listens on %s:%d", configuration.ae_title, configuration.dicom_host, self.port)

    def stop(self) -> None:
        """Take no new connections, let each peer finish the object that it is sending, then end the associations."""
        server = self._server
        if server is None:
            return
        server.shutdown()
        end = time.monotonic() + self._configuration.stop_seconds
        while (open_ones := server.active_associations) and time.monotonic() < end:
            for association in open_ones:
                provider = association.dimse
                if not (self._busy or (isinstance(provider, SpoolingProvider) and provider.receiving)):
                    _give_up_waiting(association)
                    association.abort()
            with self._lock:
                self._lock.wait(0.02)
        for association in server.active_associations:
            association.abort()
        self._server = None

    def _application_entity(self) -> AE:
        configuration = self._configuration
        entity = AE(configuration.ae_title)
        entity.implementation_class_uid = IMPLEMENTATION_CLASS_UID
        entity.implementation_version_name = IMPLEMENTATION_VERSION
        entity.maximum_pdu_size = MAXIMUM_PDU
        entity.maximum_associations = configuration.max_associations
        entity.network_timeout = configuration.network_timeout
        entity.acse_timeout = _ACSE_TIMEOUT
        entity.dimse_timeout = configuration.dimse_timeout
        entity.require_called_aet = bool(configuration.called_ae_titles)
        return entity

    @staticmethod
    def _contexts() -> Any:
        entity = AE()
        entity.add_supported_context(Verification)
        return entity.supported_contexts

    def _requested(self, event: Event) -> None:
        """Take any of the listed AE titles for ours; pynetdicom rejects the others (PS3.8 9.3.4)."""
        request = event.assoc.requestor.primitive
        called = request.called_ae_title.strip() if request is not None else ""
        if called in self._configuration.called_ae_titles:
            event.assoc.acceptor.ae_title = called

    def _store(self, event: Event) -> int:
        """Answer a C-STORE: success only when the object is durable."""
        with self._lock:
            self._busy += 1
        try:
            return self._keep(getattr(event.request, "DataSet", None))
        finally:
            with self._lock:
                self._busy -= 1
                self._lock.notify_all()

    def _keep(self, data: Any) -> int:
        if not isinstance(data, IncomingDataSet):
            return CANNOT_UNDERSTAND
        data.settle()
        try:
            if data.problem is not None:
                raise data.problem
            file = _admit(data.writer)
        except GatewayError as error:
            log.error("An object was not taken: %s", error)
            return _STATUS.get(type(error), OUT_OF_RESOURCES)
        self._received(file)
        return SUCCESS


def _admit(writer: SpoolWriter | None) -> SpooledFile:
    """Identify and keep an object. Raises NotAnObject or SpoolError with nothing kept."""
    if writer is None:
        raise NotAnObject("The request has no data set.")
    try:
        identify(writer.head, writer.meta)
    except GatewayError:
        writer.discard()
        raise
    return writer.commit()


def _abandon(event: Event) -> None:
    """Forget what was half received when an association ends."""
    provider = event.assoc.dimse
    if isinstance(provider, SpoolingProvider):
        provider.abandon()
    _give_up_waiting(event.assoc)


def _give_up_waiting(association: Association) -> None:
    """Wake a thread that still waits for an association request; pynetdicom takes None for the end of its patience."""
    if not association.is_established:
        association.dul.to_user_queue.put(None)
