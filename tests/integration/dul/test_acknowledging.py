"""A peer that keeps the rest of a message until what it sent is acknowledged, as DCMTK does, is not kept waiting."""

from __future__ import annotations

import fcntl
import socket
import ssl
import termios
from collections.abc import Callable
from functools import partial

import pytest

from dul import Command, CommandField, Exchange, encode_command
from dul.pdata import split
from tests.integration.dul.conftest import Port, Security
from tests.support.waiting import until
from tests.unit.dul.feeding import RQ

Listen = Callable[..., Port]
ECHO = b"".join(
    split(1, encode_command(Command(field=CommandField.C_ECHO_RQ, sop_class="1.2.840.10008.1.1", message_id=1)), None, 16384)
)


def unacknowledged(peer: socket.socket) -> int:
    """Count the bytes that a peer wrote and that nobody acknowledged (tcp(7), SIOCOUTQ)."""
    return int.from_bytes(fcntl.ioctl(peer.fileno(), termios.TIOCOUTQ, bytes(4)), "little")


def later(exchange: Exchange, moment: float) -> bool:
    """Tell whether a connection has heard of its peer since."""
    return exchange.connection.heard_at > moment


@pytest.mark.skipif(not hasattr(socket, "TCP_QUICKACK"), reason="on Linux alone the kernel can be told to wait less")
def test_half_a_message_is_acknowledged_at_once_on_a_connection_that_goes_to_and_fro(
    listen: Listen, security: Security | None
) -> None:
    port = listen(tls=security and security.listening())
    peer: socket.socket = socket.create_connection(("localhost", port.number), timeout=30)
    if security is not None:
        peer = security.of_python(ssl.Purpose.SERVER_AUTH).wrap_socket(peer, server_hostname="localhost")
    with peer:
        peer.sendall(RQ)
        assert peer.recv(65536)[0] == 2
        (exchange,) = port.listener.exchanges
        left = []
        for _ in range(20):
            heard = exchange.connection.heard_at
            peer.sendall(ECHO[:20])
            until(partial(later, exchange, heard), "it has come")
            left.append(unacknowledged(peer))
            peer.sendall(ECHO[20:])
            assert peer.recv(65536)[0] == 4
    assert left == [0] * 20
