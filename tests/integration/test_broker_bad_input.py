"""What a broker does with peers that are wrong, endless, many or silent: a clear answer or an end, and everybody else goes on."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest

from broker import Limits
from fileman import SiteKey, Store
from tests.support.broker import RunningBroker
from xwb import ConnectionRejected, ListParameter, Literal, SecurityRefused, SignOnRefused, encode_call, encode_connect

LIMIT = 65536


@pytest.fixture(params=["sqlite"])
def database_url(request: pytest.FixtureRequest, tmp_path: object) -> str:
    """What is tested here lies above the database."""
    return f"{request.param}:///{tmp_path}/magbroker.db"


@pytest.fixture
def broker(oracle_store: Store, site_key: SiteKey) -> Iterator[RunningBroker]:
    broker = RunningBroker(oracle_store, site_key, limits=Limits(message_bytes=LIMIT, ahead_bytes=4096, sessions=3))
    yield broker
    broker.stop()


def connect(port: int) -> socket.socket:
    peer = socket.create_connection(("127.0.0.1", port), timeout=15)
    peer.settimeout(15)
    return peer


def read_to_end(peer: socket.socket) -> bytes:
    """Read until the broker closes; a reset is an end too."""
    received = b""
    try:
        while data := peer.recv(65536):
            received += data
    except ConnectionResetError:
        pass
    return received


def still_works(broker: RunningBroker) -> bool:
    with broker.client() as client:
        return client.call("XWB IM HERE").text == "1"


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\n\r\n", b"\0" * 64, b"\x16\x03\x01\x02\0" * 20, b"[XWB]10304\nTCPConnect50009"], ids=repr
)
def test_bytes_that_are_no_session_are_closed_or_waited_for_and_disturb_nobody(broker: RunningBroker, data: bytes) -> None:
    with connect(broker.port) as peer:
        peer.sendall(data)
        assert still_works(broker)


def test_what_does_not_begin_like_a_message_is_closed_without_a_byte(broker: RunningBroker) -> None:
    with connect(broker.port) as peer:
        peer.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert read_to_end(peer) == b""


def test_a_message_beyond_the_limit_is_cut_off(broker: RunningBroker) -> None:
    with connect(broker.port) as peer:
        peer.sendall(encode_connect(b"127.0.0.1", b"test"))
        assert peer.recv(64).endswith(b"accept\x04")
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            peer.sendall(encode_call(b"XUS INTRO MSG", [Literal(b"x" * (4 * LIMIT))], width=6))
        read_to_end(peer)
    assert still_works(broker)


def test_an_endless_list_is_cut_off(broker: RunningBroker) -> None:
    with connect(broker.port) as peer:
        peer.sendall(encode_connect(b"127.0.0.1", b"test"))
        assert peer.recv(64).endswith(b"accept\x04")
        items = tuple((str(number).encode(), b"x" * 100) for number in range(5000))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            peer.sendall(encode_call(b"XUS INTRO MSG", [ListParameter(items)])[:-1])
        read_to_end(peer)
    assert still_works(broker)


def test_more_sessions_than_allowed_are_rejected_until_one_ends(broker: RunningBroker) -> None:
    clients = [broker.client() for _ in range(3)]
    with pytest.raises(ConnectionRejected):
        broker.client()
    clients.pop().bye()
    assert still_works(broker)
    for client in clients:
        client.bye()


def test_wrong_codes_are_refused_in_the_words_of_vista(broker: RunningBroker) -> None:
    with pytest.raises(SignOnRefused, match="Not a valid ACCESS CODE/VERIFY CODE pair"):
        broker.client(verify="WRONG1!")


def test_procedures_need_a_context_that_allows_them(broker: RunningBroker) -> None:
    with broker.client(context="") as client, pytest.raises(SecurityRefused, match="Application context has not been created!"):
        client.call("MAG DICOM GET DOMAIN")
    with broker.client() as client:
        with pytest.raises(SecurityRefused, match="Remote Procedure 'NO SUCH RPC' doesn't exist on the server"):
            client.call("NO SUCH RPC")
        assert client.call("XWB IM HERE").text == "1"


def test_a_client_that_does_not_read_is_not_read_from(broker: RunningBroker) -> None:
    """Calls far ahead of their answers wait in the peer's own buffers; the others are served."""
    with connect(broker.port) as peer:
        peer.sendall(encode_connect(b"127.0.0.1", b"test"))
        assert peer.recv(64).endswith(b"accept\x04")
        peer.settimeout(2)
        sent = 0
        call = encode_call(b"XUS INTRO MSG") * 1000
        try:
            while sent < 64 << 20:
                sent += peer.send(call)
        except TimeoutError:
            pass
        assert sent < 64 << 20
        assert still_works(broker)
