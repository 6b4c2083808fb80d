"""A DICOM listener for a program of your own, without a broker: what it does with objects is the application's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

from gateway_client.commitment.brokerless import BrokerlessCommitment
from gateway_client.commitment.scu import hearing
from gateway_client.configuration import Configuration, Peer
from gateway_client.reception.application import Application
from gateway_client.reception.folder import InFolder
from gateway_client.reception.listeners import ListenerConfiguration
from gateway_client.reception.offering import Desk
from gateway_client.reception.scp import StorageSCP
from gateway_client.reception.spool import Spool
from runtime import Clock, ListenerSettings, ReactorThread, SystemClock, make_directories, tls_files


class ApplicationListener:
    """Listens from `start` to `stop`, or in a `with` statement.

    An object that the application gives no file of its own lies in the folder as its SOP Instance UID, with .dcm; so is what
    comes meanwhile, below `.incoming`. The folder is one listener's alone.

    Peers may ask for storage commitment; those whose `addresses` are known by their AE titles are told on a new association.
    Whom else it lets in, and TLS, is said as for a `[[gateway.listener]]`. Raises ValueError for what makes no sense there.
    """

    def __init__(
        self,
        application: Application,
        folder: Path,
        *,
        port: int = 11112,
        host: str = "127.0.0.1",
        ae_title: str = "MAGBROKER",
        called_ae_titles: tuple[str, ...] = (),
        calling_ae_titles: tuple[str, ...] = (),
        hosts: tuple[str, ...] = (),
        max_associations: int = 64,
        max_object_bytes: int = 4 << 30,
        network_timeout: float = 60.0,
        abort_after_refusal: tuple[str, ...] = (),
        addresses: Mapping[str, tuple[str, int]] | None = None,
        tls_certificate: Path | None = None,
        tls_key: Path | None = None,
        tls_client_authorities: Path | None = None,
        clock: Clock | None = None,
    ) -> None:
        said = {
            "ae_titles": called_ae_titles,
            "calling_ae_titles": calling_ae_titles,
            "hosts": hosts,
            "max_associations": max_associations,
            "tls_certificate": tls_certificate,
            "tls_key": tls_key,
            "tls_client_authorities": tls_client_authorities,
        }
        table = ListenerSettings.model_validate({"mnemonic": "", **said})
        listener = ListenerConfiguration(
            "",
            host,
            port,
            table.ae_titles,
            table.calling_ae_titles,
            table.hosts,
            max_associations,
            tls_files(table),
            chosen_by="Listener(port=...)",
        )
        self._configuration = Configuration(
            folder / ".incoming",
            folder,
            ae_title=ae_title,
            listeners=(listener,),
            max_object_bytes=max_object_bytes,
            network_timeout=network_timeout,
            abort_after_refusal=abort_after_refusal,
            peers={title: Peer(*address) for title, address in (addresses or {}).items()},
        )
        self._application = InFolder(application, folder)
        self._clock = clock or SystemClock()
        self._scp: StorageSCP | None = None
        self._undo: list[Callable[[], None]] = []

    @property
    def port(self) -> int:
        """The port that is listened on."""
        assert self._scp is not None
        return self._scp.port

    def start(self) -> None:
        """Listen. Raises PortInUse, PortRefused, BadCertificate, and SpoolError or JournalError where the folder is of no use."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        configuration = self._configuration
        make_directories(configuration.directory)
        spool = Spool(configuration.directory, self._clock, max_object_bytes=configuration.max_object_bytes)
        self._undo.append(spool.close)
        spool.clear()
        reactor = ReactorThread("dicom")
        self._undo.append(reactor.stop)
        commitment = BrokerlessCommitment(configuration, self._application, reactor, self._clock)
        self._undo.append(commitment.stop)
        desk = Desk(self._application, reactor.reactor)
        scp = StorageSCP(
            configuration, spool, lambda _file: None, reactor, desk, commitment=commitment.scp, services=hearing(desk.hear)
        )
        scp.start()
        self._undo.append(scp.stop)
        commitment.start()
        self._scp = scp

    def stop(self) -> None:
        """Take no new associations, let each peer finish its object, wait for the application."""
        self._scp = None
        while self._undo:
            self._undo.pop()()

    def __enter__(self) -> ApplicationListener:
        """Listen."""
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop."""
        self.stop()
