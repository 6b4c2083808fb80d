"""A peer that keeps the rest of a message until what it sent is acknowledged, as DCMTK does, is not kept waiting."""

from __future__ import annotations

import fcntl
import socket
import ssl
import termios
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from dul import Asked, Command, CommandField, Exchange, connect, encode_command
from dul.pdata import split
from runtime import ReactorThread
from tests.integration.dul.conftest import Port, Security
from tests.support.waiting import until
from tests.unit.dul.feeding import AC, REQUEST, RQ, VERIFICATION

pytestmark = pytest.mark.skipif(not hasattr(socket, "TCP_QUICKACK"), reason="on Linux alone the kernel can be told to wait less")

Listen = Callable[..., Port]
ROUNDS = 20
ECHO = Command(field=CommandField.C_ECHO_RQ, sop_class=VERIFICATION, message_id=1)


def written(command: Command) -> bytes:
    """Write a message without data."""
    return b"".join(split(1, encode_command(command), None, 16384))


def answer(number: int) -> bytes:
    """Write the answer to a C-ECHO."""
    return written(Command(field=CommandField.C_ECHO_RQ | 0x8000, sop_class=VERIFICATION, responds_to=number, status=0))


def unacknowledged(peer: socket.socket) -> int:
    """Count the bytes that a peer wrote and that nobody acknowledged (tcp(7), SIOCOUTQ)."""
    return int.from_bytes(fcntl.ioctl(peer.fileno(), termios.TIOCOUTQ, bytes(4)), "little")


def later(exchange: Exchange, moment: float) -> bool:
    """Tell whether a connection has heard of its peer since."""
    return exchange.connection.heard_at > moment


def test_half_a_request_is_acknowledged_at_once_after_many_others(listen: Listen, security: Security | None) -> None:
    port = listen(tls=security and security.listening())
    peer: socket.socket = socket.create_connection(("localhost", port.number), timeout=30)
    if security is not None:
        peer = security.of_python(ssl.Purpose.SERVER_AUTH).wrap_socket(peer, server_hostname="localhost")
    left = []
    with peer:
        peer.sendall(RQ)
        assert peer.recv(65536)[0] == 2
        (exchange,) = port.listener.exchanges
        for _ in range(ROUNDS):
            heard = exchange.connection.heard_at
            peer.sendall(written(ECHO)[:20])
            until(partial(later, exchange, heard), "half of it has come")
            left.append(unacknowledged(peer))
            peer.sendall(written(ECHO)[20:])
            assert peer.recv(65536)[0] == 4
    assert left == [0] * ROUNDS


def test_half_an_answer_is_acknowledged_at_once_after_many_others(reactor: ReactorThread) -> None:
    def ask(exchange: Exchange) -> Asked:
        return exchange.ask(1, Command(field=CommandField.C_ECHO_RQ, sop_class=VERIFICATION))

    left = []
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as asking:
        wanted = asking.submit(reactor.call, lambda: connect(reactor.reactor, server.getsockname(), REQUEST))
        peer, _ = server.accept()
        with peer:
            assert peer.recv(65536)[0] == 1
            peer.sendall(AC)
            exchange: Exchange = wanted.result(30)
            for number in range(1, ROUNDS + 1):
                asked = reactor.call(ask, exchange)
                assert peer.recv(65536)[0] == 4
                heard = exchange.connection.heard_at
                peer.sendall(answer(number)[:20])
                until(partial(later, exchange, heard), "half of it has come")
                left.append(unacknowledged(peer))
                peer.sendall(answer(number)[20:])
                assert reactor.call(asked.response).command.status == 0
            reactor.call(exchange.abort)
    assert left == [0] * ROUNDS
