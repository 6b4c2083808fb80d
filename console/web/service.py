"""The web as a service of the serving process: a port for tokens, and a socket in the data directory for its owner."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import gatherResults, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IOpenSSLContextFactory

from broker import Hub, PortTaken
from console.web.api import Api
from console.web.bodies import BoundedSite
from console.web.callers import Callers
from console.web.feed import Feed
from console.web.gauges import Gauges
from console.web.health import Health
from console.web.runner import Runner
from runtime import SOCKET, TLSFactory

if TYPE_CHECKING:
    from console.web.dicomweb import DicomWeb, DicomWebSettings

#: Connections over the port at once, and over the owner's socket.
CONNECTIONS, OWNERS_CONNECTIONS = 200, 50
BACKLOG = 128


@dataclass(slots=True)
class WebService:
    """Listens on a port, if it has one, and on the owner's socket; `port` is the number that the system gave."""

    api: Api
    #: None without a port.
    dicom_web: DicomWeb | None
    reactor: Any
    data: Path
    port: int | None
    interface: str = "127.0.0.1"
    tls: IOpenSSLContextFactory | None = None
    _open: list[IListeningPort] = field(default_factory=list)
    _directory: int | None = None

    @property
    def ports(self) -> dict[str, int]:
        """The ports that are listened on, by name."""
        return {} if self.port is None else {"web": self.port}

    def start(self) -> None:
        """Open both. Raises PortTaken."""
        self._listen_on_socket()
        self.api.feed.start()
        if self.port is None or self.dicom_web is None:
            return
        self.dicom_web.start()
        factory: Any = BoundedSite(self.api.app.resource(), CONNECTIONS, self.dicom_web.intake)
        if self.tls is not None:
            factory = TLSFactory(self.tls, False, factory)
        try:
            listening = self.reactor.listenTCP(self.port, factory, BACKLOG, self.interface)
        except CannotListenError as error:
            self.stop()
            raise PortTaken(self.port) from error
        self._open.append(listening)
        self.port = int(listening.getHost().port)

    def _listen_on_socket(self) -> None:
        """Listen in the data directory, by a path that no directory is too deep for."""
        (self.data / SOCKET).unlink(missing_ok=True)  # who owns the directory owns what another process left of it
        self._directory = os.open(self.data, os.O_DIRECTORY | os.O_RDONLY)
        intakes = self.dicom_web.intake if self.dicom_web is not None else None
        site = BoundedSite(self.api.app.resource(), OWNERS_CONNECTIONS, intakes)
        path = f"/proc/self/fd/{self._directory}/{SOCKET}"
        self._open.append(self.reactor.listenUNIX(path, site, BACKLOG, 0o600))

    def stop(self) -> None:
        """Take no more connections, and let the listeners go."""
        self.api.feed.stop()
        if self.dicom_web is not None:
            self.dicom_web.close()
        stopped = [maybeDeferred(listening.stopListening) for listening in self._open]
        self._open.clear()
        directory, self._directory = self._directory, None
        if directory is not None:  # by which the system finds the socket's path until it is closed
            gatherResults(stopped, consumeErrors=True).addBoth(lambda _stopped: os.close(directory))


def web_service(
    hub: Hub,
    reactor: Any,
    data: Path,
    port: int | None,
    interface: str = "127.0.0.1",
    tls: IOpenSSLContextFactory | None = None,
    gateway: DicomWebSettings | None = None,
) -> WebService:
    """Build the web of a broker; nothing listens yet. `gateway` is whom objects are handed to that are stored over it.

    Pages and DICOMweb are there with a port only: a broker without one does without what they load.
    """
    runner = Runner(hub.dispatcher, lambda: secrets.token_hex(8))
    callers, feed = Callers(runner), Feed(runner)
    api = Api(runner, callers, Health(runner, data), feed, Gauges(runner, hub))
    dicom_web = None
    if port is not None:
        from console.web.dicomweb import DicomWeb, DicomWebSettings
        from console.web.pages import pages_of

        dicom_web = DicomWeb(runner, callers.caller, data, gateway or DicomWebSettings())
        dicom_web.lay(api.app)
        api.add(pages_of(runner, callers, feed, dicom_web))
    return WebService(api, dicom_web, reactor, data, port, interface, tls)
