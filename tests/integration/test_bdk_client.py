"""A client written here from the Broker Development Kit's framing: lengths of five digits, type 0, procedure version 0."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence

import pytest

from tests.support.broker import RunningBroker

ROWS_AT = 31  # a cipher row's number is sent as chr(number + 31)


def short(text: bytes) -> bytes:
    return bytes([len(text)]) + text


def long(value: bytes) -> bytes:
    return b"%05d" % len(value) + value


class Kit:
    """One connection as VA's client library keeps it; nothing of the project's own codecs is used."""

    def __init__(self, port: int, rows: Sequence[bytes]) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.rows = rows

    def enciphered(self, text: bytes) -> bytes:
        first, second = self.rows[4], self.rows[16]
        return bytes([5 + ROWS_AT]) + text.translate(bytes.maketrans(first, second)) + bytes([17 + ROWS_AT])

    def exchange(self, message: bytes) -> tuple[bytes, bytes, bytes]:
        """Send a message; give security segment, application segment and data."""
        self.socket.sendall(message)
        answer = b""
        while not answer.endswith(b"\x04"):
            data = self.socket.recv(240)
            assert data, "the broker closed the connection"
            answer += data
        security_end = 1 + answer[0]
        application_end = security_end + 1 + answer[security_end]
        return answer[1:security_end], answer[security_end + 1 : application_end], answer[application_end:-1]

    def command(self, name: bytes, *values: bytes) -> bytes:
        chunk = b"5" + b"".join(b"0" + long(value) + b"f" for value in values) if values else b""
        return self.exchange(b"[XWB]10504" + short(name) + chunk + b"\x04")[2]

    def call(self, name: bytes, *parameters: bytes | list[tuple[bytes, bytes]]) -> bytes:
        chunk = b"".join(map(self.parameter, parameters)) or b"4f"
        security, application, data = self.exchange(b"[XWB]10502" + short(b"0") + short(name) + b"5" + chunk + b"\x04")
        assert (security, application) == (b"", b"")
        return data

    def parameter(self, value: bytes | list[tuple[bytes, bytes]]) -> bytes:
        if isinstance(value, bytes):
            return b"0" + long(value) + b"f"
        pairs = [long(subscript) + long(node or b"\x01") for subscript, node in value]
        return b"2" + (b"t".join(pairs) if pairs else long(b"")) + b"f"


@pytest.fixture
def kit(oracle_broker: RunningBroker) -> Iterator[Kit]:
    rows = oracle_broker.service.hub.dispatcher.environment.cipher._rows
    kit = Kit(oracle_broker.port, rows)
    yield kit
    kit.socket.close()


def test_a_session_in_the_order_of_vas_own_clients(kit: Kit) -> None:
    assert kit.command(b"TCPConnect", b"127.0.0.1", b"0", b"WORKSTATION") == b"accept"
    assert kit.call(b"XUS SIGNON SETUP", b"", b"").split(b"\r\n")[4:8] == [b"5", b"0", b"ORACLE.DOMAIN.EXT", b"0"]
    assert kit.call(b"XUS INTRO MSG").endswith(b"Third intro line\r\n")
    assert kit.call(b"XUS AV CODE", kit.enciphered(b"FAKEDOC1;1DOC!@#$")).split(b"\r\n")[:4] == [b"9001", b"0", b"0", b""]
    assert kit.call(b"XUS GET USER INFO").split(b"\r\n")[:2] == [b"9001", b"ALEXANDER,ROBERT"]
    assert kit.call(b"XUS DIVISION GET") == b"0\r\n"
    assert kit.call(b"XWB GET BROKER INFO") == b"180\r\n"
    assert kit.call(b"XWB CREATE CONTEXT", kit.enciphered(b"")) == b"1"
    assert kit.call(b"XWB CREATE CONTEXT", kit.enciphered(b"ZZ ORACLE TEST")) == b"1"
    assert kit.call(b"XWB IM HERE") == b"1"
    assert kit.command(b"#BYE#") == b"#BYE#"
    assert kit.socket.recv(10) == b""


def test_parameters_as_the_kit_sends_them(kit: Kit) -> None:
    kit.command(b"TCPConnect", b"127.0.0.1", b"0", b"WORKSTATION")
    kit.call(b"XUS SIGNON SETUP")
    kit.call(b"XUS AV CODE", kit.enciphered(b"FAKEDOC1;1DOC!@#$"))
    kit.call(b"XWB CREATE CONTEXT", kit.enciphered(b"ZZ ORACLE TEST"))
    pairs = [(b"2", b"two"), (b"1", b""), (b'"KEY"', b"v")]
    expected = b'P1=lit\r\nP2=\r\nP2(1)=\r\nP2(2)=two\r\nP2("KEY")=v\r\nP3=\r\n'
    assert kit.call(b"ZZ ORACLE PARAMS", b"lit", pairs, b"") == expected
    assert kit.call(b"ZZ ORACLE PARAMS", []) == b"P1=\r\nP2 undefined\r\nP3 undefined\r\n"
    assert kit.call(b"ZZ ORACLE SINGLE", b"x" * 99_997) == b"[" + b"x" * 99_997 + b"]"
