"""Connections that begin a message and then send one byte a second: `python -m bench.slow_senders PORT COUNT BURST`."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

from xwb import ListParameter, encode_call, encode_connect

CONNECT = encode_connect(b"127.0.0.1", b"slow")
NODE = b"x" * 60_000


@contextlib.contextmanager
def slow_senders(port: int, count: int, burst: int) -> Iterator[None]:
    """Run the senders in a process of their own until the block ends.

    Raises:
        RuntimeError: They did not begin, or died before the end.
    """
    command = [sys.executable, "-m", "bench.slow_senders", str(port), str(count), str(burst)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout is None or process.stdout.readline() != "ready\n":
                raise RuntimeError("the slow senders did not begin")
            yield
            if process.poll() is not None:
                raise RuntimeError("the slow senders died")
        finally:
            process.kill()


def endless_message(size: int) -> bytes:
    """Give the first bytes of a call with a list; what comes next would be the middle of a value."""
    nodes = tuple((b"%d" % number, NODE) for number in range(1, size // len(NODE) + 3))
    message = encode_call(b"MAG DICOM GET DOMAIN", [ListParameter(nodes)])
    return message[: 100 + size]


def send_slowly(port: int, count: int, burst: int) -> None:
    """Hold `count` connections, each with a message of which `burst` bytes came; then send a byte on each per second.

    It prints "ready" when all have begun. What the broker cuts is opened again, so that the pressure stays; it never ends.
    """
    begun = endless_message(burst)
    peers = [_begin(port, begun) for _ in range(count)]
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        started = time.monotonic()
        for place, peer in enumerate(peers):
            try:
                if peer is None:
                    raise ConnectionError  # the last try to connect failed
                peer.send(b"x")
            except OSError:
                if peer is not None:
                    peer.close()
                peers[place] = _begin(port, begun)
        time.sleep(max(0.0, 1 - (time.monotonic() - started)))


def _begin(port: int, begun: bytes) -> socket.socket | None:
    try:
        peer = socket.create_connection(("127.0.0.1", port), timeout=10)
        peer.sendall(CONNECT)
        if peer.recv(64) != b"\0\0accept\x04":
            peer.close()
            return None
        peer.sendall(begun)
    except OSError:
        return None
    peer.setblocking(False)
    return peer


if __name__ == "__main__":
    send_slowly(*(int(number) for number in sys.argv[1:4]))
