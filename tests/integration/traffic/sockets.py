"""Sockets at both ends of a proxy, in the hands of a test; every wait has a deadline."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from console.traffic import Exchange, Masker, MockBroker, Playback, Pseudonyms, Recorder, Recording
from console.traffic.pseudonyms import Substitutes
from tests.support.broker import in_reactor, reactor
from xwb import Cipher

DEADLINE = 10.0


def connect(port: int) -> socket.socket:
    """Connect to a port of this machine."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def read(connection: socket.socket, count: int) -> bytes:
    """Read so many bytes, fewer only at the end."""
    data = b""
    while len(data) < count and (piece := connection.recv(count - len(data))):
        data += piece
    return data


def read_all(connection: socket.socket) -> bytes:
    """Read to the end."""
    return b"".join(iter(lambda: connection.recv(65536), b""))


def abort(connection: socket.socket) -> None:
    """Cut a connection: the peer sees a reset, not an end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@dataclass
class RunningRecorder:
    """A recorder in the test's reactor."""

    port: int
    path: Path
    recorder: Recorder
    told: list[Exchange | str] = field(default_factory=list)


@contextmanager
def recording(
    upstream: int, path: Path, *, keep_phi: bool = False, substitutes: Substitutes | None = None, **settings: Any
) -> Iterator[RunningRecorder]:
    """Record a broker's port into a file; when it ends, all is written."""
    masker = Masker(substitutes or Pseudonyms(b"a key for tests"), Cipher.standard(), keep_phi=keep_phi)
    told: list[Exchange | str] = []
    recorder = Recorder(
        reactor,  # the test's reactor is typed as an object
        ("127.0.0.1", upstream),
        Recording(path, masker, Cipher.standard()),
        told.append,
        **settings,
    )
    port = in_reactor(lambda: recorder.start(0))
    try:
        yield RunningRecorder(port, path, recorder, told)
    finally:
        in_reactor(recorder.stop)


@contextmanager
def serving(exchanges: list[Exchange], missed: Callable[[str], None] = lambda _name: None) -> Iterator[int]:
    """Serve a recording; gives the port."""
    mock = MockBroker(reactor, Playback(exchanges, Cipher.standard()), missed)
    port = in_reactor(lambda: mock.start(0))
    try:
        yield port
    finally:
        in_reactor(mock.stop)


@contextmanager
def listening() -> Iterator[socket.socket]:
    """Listen on a port of this machine, with a deadline for whoever connects."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(DEADLINE)
        yield listener


def accept(listener: socket.socket) -> socket.socket:
    """Take a connection."""
    connection, _ = listener.accept()
    connection.settimeout(DEADLINE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def port_of(listener: socket.socket) -> int:
    """Give the port that is listened on."""
    return int(listener.getsockname()[1])


def gone(connection: socket.socket) -> bool:
    """Tell whether the peer is gone, by an end or a reset; close then."""
    with connection, suppress(ConnectionError):
        return connection.recv(1) == b""
    return True


def cut_at_once(port: int) -> bool:
    """Tell whether a client that connects is cut; the reset may come before the connection is seen to be made."""
    try:
        return gone(connect(port))
    except ConnectionResetError:
        return True
