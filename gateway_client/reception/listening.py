"""A DICOM listener for a program of your own, without a broker: what it does with objects is the application's."""

from __future__ import annotations

import re
from pathlib import Path
from types import TracebackType

from gateway_client.configuration import Configuration
from gateway_client.errors import NotAnObject
from gateway_client.objects.part10 import FileMeta
from gateway_client.reception.application import Application, Keep, Place, StoredObject
from gateway_client.reception.scp import StorageSCP
from gateway_client.reception.spool import Origin, Spool
from runtime import Clock, SystemClock, make_directories

#: What may name a file; the standard allows no other UID (PS3.5 9.1).
_UID = re.compile(r"[0-9][0-9.]{0,63}")


class ApplicationListener:
    """Listens from `start` to `stop`, or in a `with` statement.

    An object that the application gives no file of its own lies in the folder as its SOP Instance UID, with .dcm; so is what
    comes meanwhile, below `.incoming`. The folder is one listener's alone.
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
        max_associations: int = 64,
        max_object_bytes: int = 4 << 30,
        network_timeout: float = 60.0,
        abort_after_refusal: tuple[str, ...] = (),
        clock: Clock | None = None,
    ) -> None:
        self._configuration = Configuration(
            folder / ".incoming",
            folder,
            dicom_port=port,
            dicom_host=host,
            ae_title=ae_title,
            called_ae_titles=called_ae_titles,
            max_associations=max_associations,
            max_object_bytes=max_object_bytes,
            network_timeout=network_timeout,
            abort_after_refusal=abort_after_refusal,
        )
        self._application = _InFolder(application, folder.absolute())
        self._clock = clock or SystemClock()
        self._running: tuple[StorageSCP, Spool] | None = None

    @property
    def port(self) -> int:
        """The port that is listened on."""
        assert self._running is not None
        return self._running[0].port

    def start(self) -> None:
        """Listen. Raises PortInUse, and SpoolError where the folder cannot be used."""
        configuration = self._configuration
        make_directories(configuration.directory)
        spool = Spool(configuration.directory, self._clock, max_object_bytes=configuration.max_object_bytes)
        try:
            spool.clear()
            scp = StorageSCP(configuration, spool, lambda _file: None, application=self._application)
            scp.start()
        except BaseException:
            spool.close()
            raise
        self._running = scp, spool

    def stop(self) -> None:
        """Take no new associations, let each peer finish its object, wait for the application."""
        running, self._running = self._running, None
        if running is not None:
            scp, spool = running
            scp.stop()
            spool.close()

    def __enter__(self) -> ApplicationListener:
        """Listen."""
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop."""
        self.stop()


class _InFolder(Application):
    """An application whose objects lie in a folder where it names no other place."""

    def __init__(self, application: Application, folder: Path) -> None:
        self._application = application
        self._folder = folder

    def accept_connection(self, origin: Origin) -> bool:
        return self._application.accept_connection(origin)

    def accept_object(self, stored: StoredObject) -> bool:
        return self._application.accept_object(stored)

    def timed_out(self, origin: Origin) -> None:
        self._application.timed_out(origin)

    def disconnected(self, origin: Origin) -> None:
        self._application.disconnected(origin)

    def choose_place(self, meta: FileMeta, origin: Origin) -> Place:
        """Name the file of an object that the application leaves to the listener."""
        place = self._application.choose_place(meta, origin)
        if place is not Keep.SPOOL:
            return place
        if not _UID.fullmatch(meta.sop_instance_uid):
            raise NotAnObject(f"{meta.sop_instance_uid!r} is no UID.")
        return self._folder / f"{meta.sop_instance_uid}.dcm"
