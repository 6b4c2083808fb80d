"""Objects that come by C-GET, offered to an application as those that come to a port are."""

from __future__ import annotations

import shutil
import tempfile
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from twisted.internet.defer import Deferred

from dul import Exchange, Request, Sink
from gateway_client.errors import SpoolError
from gateway_client.reception.application import Application
from gateway_client.reception.folder import InFolder
from gateway_client.reception.offering import Desk, Offered
from gateway_client.reception.receiving import Receiver
from gateway_client.reception.spool import Spool
from gateway_client.reception.spooling import SpoolThread
from runtime import SystemClock, make_directories


class Taking:
    """Takes objects within `with`; what comes lies meanwhile in a folder of its own, which goes with it.

    `begin` and what begins with an underscore belong to the reactor's thread, as do `store`, `established` and `ended`. Raises
    SpoolError when the folder cannot be used.
    """

    def __init__(self, application: Application, folder: Path, max_object_bytes: int) -> None:
        try:
            make_directories(folder.absolute())
            self._meanwhile = Path(tempfile.mkdtemp(prefix=".getting-", dir=folder.absolute()))
        except OSError as error:
            raise SpoolError(f"{folder} cannot be written: {error.strerror or error}.") from error
        self._application = InFolder(application, folder)
        self._max_object_bytes = max_object_bytes
        self._told: Deferred[Any] | None = None

    def __enter__(self) -> Taking:
        """Take nothing yet."""
        self._spool = Spool(self._meanwhile, SystemClock(), max_object_bytes=self._max_object_bytes)
        self._desk: Desk | None = None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Wait for the application, and leave nothing that was not taken."""
        if self._desk is not None:
            self._desk.stop()
            self._thread.stop()
        self._spool.close()
        shutil.rmtree(self._meanwhile, ignore_errors=True)

    def begin(self, reactor: Any) -> None:
        """Be ready for objects."""
        self._desk = Desk(self._application, reactor)
        self._thread = SpoolThread(self._spool, lambda _file: None, reactor.callFromThread)
        self._receiver = Receiver(self._thread)

    def established(self, exchange: Exchange) -> None:
        """Hear of the association over which they come."""
        assert self._desk is not None
        self._told = self._desk.attend(exchange)

    def store(self, request: Request) -> Sink:
        """Take a C-STORE up."""
        assert self._desk is not None
        return Offered(self._desk, self._thread, request, partial(self._receiver.answer, request))

    async def ended(self) -> None:
        """Wait until the application has heard how the association ended."""
        if self._told is not None:
            await self._told
