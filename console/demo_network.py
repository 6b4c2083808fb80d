"""The demo's own DICOM ends: a destination that keeps what it receives, and a modality that sends the samples."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from twisted.internet.defer import Deferred

from console.demo_samples import Sample
from console.errors import ConsoleError
from dul import (
    CommandField,
    DulError,
    Listener,
    Listening,
    Policy,
    Request,
    RequestFailed,
    Sink,
    c_store,
    connect,
    echo,
    negotiate,
    propose,
)
from gateway_client.part10 import read_meta
from runtime import ReactorThread

SUCCESS, OUT_OF_RESOURCES = 0x0000, 0xA700
MODALITY_AE_TITLE = "DEMOMOD"


class DemoSink:
    """A storage SCP that writes every data set to a directory, named by its SOP Instance UID."""

    def __init__(self, port: int, directory: Path) -> None:
        self.port = port
        self.directory = directory

    def __enter__(self) -> DemoSink:
        """Listen."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self._reactor = ReactorThread("demo-sink")
        policy = Policy(choose=lambda _abstract_syntax, transfer_syntaxes: transfer_syntaxes[0])
        services = {CommandField.C_ECHO_RQ: echo, CommandField.C_STORE_RQ: self._store}
        listener = Listener(Listening(lambda request, _peer: negotiate(request, policy), services), self._reactor.reactor)
        self._reactor.call(listener.listen, self.port, "127.0.0.1")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop listening."""
        self._reactor.stop()

    def _store(self, request: Request) -> Sink:
        return _SunkObject(request, self.directory)

    @staticmethod
    def received(directory: Path) -> frozenset[str]:
        """Give the SOP Instance UIDs that a sink's directory holds."""
        return frozenset(path.stem for path in directory.glob("*.dcm") if not path.name.startswith("."))


class _SunkObject:
    """One object on its way into a sink's directory; the demo's are small, so that they are written as they come."""

    def __init__(self, request: Request, directory: Path) -> None:
        self._request = request
        uid = os.path.basename(request.command.sop_instance or "unknown")
        self._temporary, self._path = directory / f".{uid}.{os.getpid()}", directory / f"{uid}.dcm"
        self._file: BinaryIO | None = None
        self._failed = False

    def write(self, data: memoryview) -> None:
        """Write a piece."""
        try:
            if self._file is None:
                self._file = self._temporary.open("wb")
            self._file.write(data)
        except OSError:
            self._failed = True

    def finish(self) -> None:
        """Put the file in its place, and answer."""
        self._close()
        try:
            if not self._failed:
                self._temporary.replace(self._path)
        except OSError:
            self._failed = True
        self._request.respond(OUT_OF_RESOURCES if self._failed else SUCCESS)

    def abandon(self) -> None:
        """Forget it."""
        self._close()
        self._temporary.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()


def send_samples(host: str, port: int, samples: Sequence[Sample], told: Callable[[], None]) -> None:
    """Send every sample as a modality would. Raises ConsoleError when one is refused."""
    thread = ReactorThread("demo-modality")

    def send(sample: Sample) -> Deferred[None]:
        return Deferred.fromCoroutine(_send(thread.reactor, (host, port), sample))

    try:
        for sample in samples:
            thread.call(send, sample)
            told()
    finally:
        thread.stop()


async def _send(reactor: Any, address: tuple[str, int], sample: Sample) -> None:
    meta = read_meta(sample.path)
    request = propose("MAGBROKER", MODALITY_AE_TITLE, [(meta.sop_class_uid, [meta.transfer_syntax])])
    data = sample.path.read_bytes()[meta.offset :]
    try:
        exchange = await connect(reactor, address, request)
        try:
            await c_store(exchange, meta.sop_class_uid, meta.sop_instance_uid, meta.transfer_syntax, data)
        finally:
            await exchange.release()
    except RequestFailed as error:
        raise ConsoleError(f"The gateway refused {sample.file_name}: {error}") from error
    except DulError as error:
        raise ConsoleError(f"The gateway on port {address[1]} did not accept {sample.file_name}: {error}") from error
