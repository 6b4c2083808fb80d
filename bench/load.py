"""A load generator for the broker: many connections, each with one request under way, in one thread without a library."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from xwb import Cipher, Literal, encode_call, encode_connect

EOT = b"\x04"


@dataclass(frozen=True, slots=True)
class Rate:
    """What came of a run: requests answered, in how many seconds, and the slowest times in milliseconds."""

    answered: int
    seconds: float
    median_ms: float
    p99_ms: float

    @property
    def per_second(self) -> float:
        """Requests per second over all connections."""
        return self.answered / self.seconds


def signed_on(port: int, access: str, verify: str, context: str, name: str = "bench") -> socket.socket:
    """Open a connection, sign on and enter a context."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    cipher = Cipher.standard()
    code, option = cipher.encipher(f"{access};{verify}".encode()), cipher.encipher(context.encode())
    steps = [
        encode_connect(b"127.0.0.1", name.encode()),
        encode_call(b"XUS SIGNON SETUP"),
        encode_call(b"XUS AV CODE", [Literal(code)]),
        encode_call(b"XWB CREATE CONTEXT", [Literal(option)]),
    ]
    for step in steps:
        connection.sendall(step)
        answer = b""
        while not answer.endswith(EOT):
            answer += connection.recv(65536)
    return connection


def run_load(connections: list[socket.socket], requests: Iterator[bytes], seconds: float, check: Callable[[bytes], bool]) -> Rate:
    """Keep every connection busy for some seconds; each answer is checked, a wrong one ends the run with an error."""
    selector = selectors.EpollSelector()
    pending: dict[int, tuple[socket.socket, float, bytes]] = {}
    took: list[float] = []
    started = time.perf_counter()
    for connection in connections:
        connection.setblocking(False)
        selector.register(connection, selectors.EVENT_READ)
        connection.sendall(next(requests))
        pending[connection.fileno()] = (connection, time.perf_counter(), b"")
    until = started + seconds
    while pending:
        for key, _events in selector.select(timeout=10):
            connection, sent, have = pending[key.fd]
            have += connection.recv(65536)
            now = time.perf_counter()
            if not have.endswith(EOT):
                pending[key.fd] = (connection, sent, have)
                continue
            if not check(have):
                raise RuntimeError(f"a wrong answer under load: {have[:200]!r}")
            took.append(now - sent)
            if now < until:
                connection.sendall(next(requests))
                pending[key.fd] = (connection, now, b"")
            else:
                del pending[key.fd]
    elapsed = time.perf_counter() - started
    selector.close()
    took.sort()
    return Rate(len(took), elapsed, 1000 * took[len(took) // 2], 1000 * took[int(len(took) * 0.99)])
