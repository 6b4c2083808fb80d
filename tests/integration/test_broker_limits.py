"""Time-outs, bounds and TLS of the broker's listeners. Time passes twenty times as fast."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from broker import Limits, Listener, text_listener
from fileman import SiteKey, Store
from runtime import BadCertificate, TLSFiles, server_context
from tests.integration.test_broker_bad_input import connect, read_to_end, still_works
from tests.oracle.state_hook import setting
from tests.support.broker import RunningBroker, in_reactor
from tests.support.certificates import Authority
from tests.support.waiting import until
from xwb import BrokerClient, ConnectionLost, ListParameter, encode_call, encode_connect

PACE = 20.0
CONNECT = encode_connect(b"127.0.0.1", b"test")

DAMAGED = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"

MakeLimited = Callable[..., RunningBroker]


@pytest.fixture(params=["sqlite"])
def database_url(request: pytest.FixtureRequest, tmp_path: object) -> str:
    """What is tested here lies above the database."""
    return f"{request.param}:///{tmp_path}/magbroker.db"


@pytest.fixture
def make(oracle_store: Store, site_key: SiteKey) -> Iterator[MakeLimited]:
    running: list[RunningBroker] = []

    def start(**options: Any) -> RunningBroker:
        broker = RunningBroker(oracle_store, site_key, **options)
        running.append(broker)
        return broker

    yield start
    for broker in running:
        broker.stop()


def accepted(port: int) -> socket.socket:
    peer = connect(port)
    peer.sendall(CONNECT)
    assert peer.recv(64) == b"\0\0accept\x04"
    return peer


@pytest.mark.parametrize("said", [b"", b"[XW", CONNECT[:9]], ids=["nothing", "half a header", "half a message"])
def test_who_says_nothing_more_is_closed_without_a_byte(make: MakeLimited, said: bytes) -> None:
    with connect(make(pace=PACE).port) as peer:
        peer.sendall(said)
        assert read_to_end(peer) == b""


def test_a_message_that_stays_short_is_closed_and_the_log_says_where(make: MakeLimited, caplog: pytest.LogCaptureFixture) -> None:
    with accepted(make(pace=PACE).port) as peer:
        peer.sendall(b"[XWB]11302\x051.108\x0bXWB IM HERE50009abc")
        assert read_to_end(peer) == b""
    until(lambda: any("a value of 9 bytes, got b'abc'" in record.getMessage() for record in caplog.records), "the log tells")


def test_junk_is_skipped_and_told_of_once(make: MakeLimited, caplog: pytest.LogCaptureFixture) -> None:
    with accepted(make().port) as peer:
        peer.sendall(b"JUNK!" * 1000 + encode_call(b"XWB IM HERE"))
        assert peer.recv(64) == b"\0\x001\x04"
    told = [record.getMessage() for record in caplog.records if "where [XWB] was expected" in record.getMessage()]
    assert len(told) == 1
    assert f"sent b'JUNK!' at byte {len(CONNECT)} of the connection" in told[0]


def test_a_message_that_comes_a_byte_at_a_time_for_ever_is_cut(make: MakeLimited) -> None:
    broker = make(pace=PACE)
    with accepted(broker.port) as peer:
        peer.sendall(b"[XWB]11302\x051.108\x0bXWB IM HERE50999")
        deadline = time.monotonic() + 30
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            while time.monotonic() < deadline:
                peer.sendall(b"x")
                time.sleep(0.02)  # the pace of the sender is what is tested
        assert time.monotonic() < deadline
    assert still_works(broker)


def test_the_memory_for_requests_is_bounded_and_those_who_hold_most_are_cut(make: MakeLimited) -> None:
    broker = make(limits=Limits(held_bytes=1024 * 1024))
    peers = [accepted(broker.port) for _ in range(4)]
    value = b"x" * 90_000
    half = encode_call(b"XUS INTRO MSG", [ListParameter(tuple((b"%d" % number, value) for number in range(1, 5)))])[:-400]
    for peer in peers:
        peer.sendall(half)
    hub = broker.service.hub
    until(
        lambda: in_reactor(lambda: 0 < hub.retained <= 1024 * 1024 and len(hub.connections) < 4), "the memory is below its bound"
    )
    assert still_works(broker)
    for peer in peers:
        peer.close()
    until(lambda: in_reactor(lambda: hub.retained == 0), "nothing is held")


def test_a_client_that_does_not_let_itself_be_closed_is_cut(make: MakeLimited, oracle_store: Store, site_key: SiteKey) -> None:
    oracle_store.transact(lambda connection: setting(timing="prompt")(connection, site_key))
    broker = make(pace=PACE)
    with socket.socket() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.connect(("127.0.0.1", broker.port))
        peer.settimeout(1)
        peer.sendall(CONNECT)
        with contextlib.suppress(TimeoutError, ConnectionResetError, BrokenPipeError):
            peer.sendall(encode_call(b"XUS INTRO MSG") * 300_000)  # answers that nobody reads
        hub = broker.service.hub
        until(lambda: in_reactor(lambda: not hub.connections), "the connection is gone")
        assert still_works(broker)


def test_an_address_has_a_bound_of_its_own(make: MakeLimited) -> None:
    broker = make(limits=Limits(sessions_per_address=2))
    with accepted(broker.port), accepted(broker.port), connect(broker.port) as third:
        assert read_to_end(third) == b""
    hub = broker.service.hub
    until(lambda: in_reactor(lambda: not hub.connections), "there is room again")
    assert still_works(broker)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.create(tmp_path)


def tls_listeners(authority: Authority, *, clients: bool = False) -> dict[str, Listener]:
    certificate, key = authority.issue("localhost")
    context = server_context(TLSFiles(certificate, key, authority.file if clients else None))
    return {"broker_tls": Listener(0, tls=context), "text_tls": text_listener(0, tls=context)}


def test_sessions_over_tls_are_sessions(make: MakeLimited, authority: Authority) -> None:
    broker = make(listeners=tls_listeners(authority))
    trusting = ssl.create_default_context(cafile=str(authority.file))
    with BrokerClient("localhost", broker.service.ports["broker_tls"], tls=trusting) as client:
        assert client.sign_on("FAKEGW1", "1GWY!@#$").duz == 9002
        client.create_context("MAG DICOM GATEWAY FULL")
        assert client.call("MAG DICOM GET DOMAIN").text == "ORACLE.DOMAIN.EXT"
    with trusting.wrap_socket(connect(broker.service.ports["text_tls"]), server_hostname="localhost") as peer:
        peer.sendall(b"SIGNON^FAKEGW1^1GWY!@#$\n")
        assert peer.recv(1000).startswith(b"OK ")
    assert still_works(broker)


def test_who_is_over_a_bound_is_closed_before_the_handshake(make: MakeLimited, authority: Authority) -> None:
    port = make(listeners=tls_listeners(authority), limits=Limits(sessions_per_address=1)).service.ports["broker_tls"]
    with connect(port), connect(port) as second:
        assert read_to_end(second) == b""


def test_who_does_not_trust_the_certificate_does_not_connect(make: MakeLimited, authority: Authority) -> None:
    broker = make(listeners=tls_listeners(authority))
    with pytest.raises(ConnectionLost, match="CERTIFICATE_VERIFY_FAILED"):
        BrokerClient("localhost", broker.service.ports["broker_tls"], tls=ssl.create_default_context()).connect()
    assert still_works(broker)


def test_clear_bytes_on_a_tls_port_and_a_silent_peer_are_closed(make: MakeLimited, authority: Authority) -> None:
    broker = make(listeners=tls_listeners(authority), pace=PACE)
    with connect(broker.service.ports["broker_tls"]) as peer:
        peer.sendall(CONNECT)
        assert b"accept" not in read_to_end(peer)
    with connect(broker.service.ports["broker_tls"]) as peer:
        assert read_to_end(peer) == b""


def test_a_listener_may_want_client_certificates(make: MakeLimited, authority: Authority) -> None:
    broker = make(listeners=tls_listeners(authority, clients=True))
    trusting = ssl.create_default_context(cafile=str(authority.file))
    with pytest.raises(ConnectionLost):
        BrokerClient("localhost", broker.service.ports["broker_tls"], tls=trusting).connect()
    certificate, key = authority.issue("gateway")
    trusting.load_cert_chain(certificate, key)
    with BrokerClient("localhost", broker.service.ports["broker_tls"], tls=trusting) as client:
        assert client.call("XWB IM HERE").text == "1"


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_with_a_client_certificate_is_resumed(make: MakeLimited, authority: Authority, newest: ssl.TLSVersion) -> None:
    port = make(listeners=tls_listeners(authority, clients=True)).service.ports["broker_tls"]
    trusting = ssl.create_default_context(cafile=str(authority.file))
    trusting.maximum_version = newest
    trusting.load_cert_chain(*authority.issue("gateway"))
    session, resumed = None, []
    for _ in range(3):
        with trusting.wrap_socket(connect(port), server_hostname="localhost", session=session) as peer:
            peer.sendall(CONNECT)
            assert peer.recv(64) == b"\0\0accept\x04"
            session = peer.session
            resumed.append(peer.session_reused)
    assert resumed == [False, True, True]


def test_tls_older_than_1_2_is_refused_and_the_log_says_so(
    make: MakeLimited, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    broker = make(listeners=tls_listeners(authority))
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    for name in ("broker_tls", "text_tls"):
        with connect(broker.service.ports[name]) as peer, pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
            old.wrap_socket(peer)
    until(lambda: any("TLS failed (unsupported protocol)" in it.getMessage() for it in caplog.records), "the log says why")
    assert sum("TLS failed" in record.getMessage() for record in caplog.records) == 1, "once a minute for an address"
    assert still_works(broker)


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda certificate, key: certificate.unlink(), "cannot be read"),
        (lambda certificate, key: certificate.write_text("nothing"), "holds no certificate"),
        (
            lambda certificate, key: certificate.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            "damaged",
        ),
        (lambda certificate, key: key.write_text("nothing"), "no private key"),
    ],
)
def test_a_file_that_is_no_certificate_is_named(authority: Authority, damage: Callable[[Path, Path], object], why: str) -> None:
    certificate, key = authority.issue("localhost")
    damage(certificate, key)
    with pytest.raises(BadCertificate, match=why):
        server_context(TLSFiles(certificate, key))


def test_a_key_of_another_certificate_is_refused(authority: Authority) -> None:
    certificate, _key = authority.issue("localhost")
    _other, key = authority.issue("other")
    with pytest.raises(BadCertificate, match="no private key of"):
        server_context(TLSFiles(certificate, key))
