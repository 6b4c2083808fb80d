"""Behind a proxy that sends PROXY headers, sessions, bounds and locks go by the clients' addresses."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from broker import Limits, Listener
from broker.proxies import ProxiedFactory
from fileman import SiteKey, Store
from fileman.files import SignOnLog
from runtime import TLSFiles, server_context
from tests.integration.test_broker_bad_input import read_to_end
from tests.oracle.state_hook import setting
from tests.support.broker import RunningBroker, in_reactor
from tests.support.certificates import Authority
from tests.support.proxy_headers import LOCAL, SIGNATURE, first_version, header, second_version
from tests.support.waiting import until
from xwb import BrokerClient, SignOnRefused, encode_call, encode_connect
from xwb.results import ResponseReceived

#: For what is to time out, and for what is not, however slow the machine.
PACE, SLOW = 20.0, 0.05
#: The proxy's address, and one of a machine that is none.
PROXY, STRANGER = "127.0.0.1", "127.0.0.2"
CONNECT = encode_connect(b"192.0.2.7", b"test")
ACCEPT = b"\0\0accept\x04"
CODES = ("FAKEGW1", "1GWY!@#$")

MakeProxied = Callable[..., RunningBroker]


@pytest.fixture(params=["sqlite"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """What is tested here lies above the database."""
    return f"{request.param}:///{tmp_path}/magbroker.db"


@pytest.fixture
def make(oracle_store: Store, site_key: SiteKey, tmp_path: Path) -> Iterator[MakeProxied]:
    running: list[RunningBroker] = []
    certificate, key = Authority.create(tmp_path).issue("localhost")
    proxies = (ip_network(f"{PROXY}/32"), ip_network("2001:db8::/32"))
    tls = server_context(TLSFiles(certificate, key))
    listeners = {"proxied": Listener(0, proxies=proxies), "proxied_tls": Listener(0, tls=tls, proxies=proxies)}

    def start(**options: Any) -> RunningBroker:
        broker = RunningBroker(oracle_store, site_key, listeners=listeners, **options)
        running.append(broker)
        return broker

    yield start
    for broker in running:
        broker.stop()


def connect(broker: RunningBroker, said: bytes, source: str = PROXY, name: str = "proxied") -> socket.socket:
    peer = socket.create_connection(("127.0.0.1", broker.service.ports[name]), timeout=15, source_address=(source, 0))
    peer.sendall(said)
    return peer


class ProxiedClient(BrokerClient):
    """A client whose connection comes through a proxy."""

    def __init__(self, broker: RunningBroker, header: bytes) -> None:
        super().__init__("127.0.0.1", broker.service.ports["proxied"], name="test")
        self.header = header

    def _exchange(self, request: bytes) -> ResponseReceived:
        said, self.header = self.header + request, b""
        return super()._exchange(said)


def addresses(store: Store) -> list[str]:
    return list(store.read(lambda connection: connection.execute(select(SignOnLog.address).order_by(SignOnLog.ien)).scalars()))


@pytest.mark.parametrize(
    ("said", "address"),
    [
        (second_version("192.0.2.7"), "192.0.2.7"),
        (first_version("192.0.2.7"), "192.0.2.7"),
        (second_version("2001:db8::7", "2001:db8::1"), "2001:db8::7"),
        (LOCAL, PROXY),
    ],
    ids=["version 2", "version 1", "IPv6", "the proxy itself"],
)
def test_a_session_has_the_clients_address(make: MakeProxied, oracle_store: Store, said: bytes, address: str) -> None:
    with ProxiedClient(make(), said) as client:
        client.sign_on(*CODES)
        assert addresses(oracle_store) == [address]


def test_a_header_may_come_in_pieces_and_the_session_with_its_end(make: MakeProxied) -> None:
    with connect(make(pace=SLOW), b"") as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in second_version("192.0.2.7", added=b"\x04\x00\x01\x00") + CONNECT:
            peer.sendall(bytes((byte,)))
        assert peer.recv(64) == ACCEPT


def test_a_client_behind_a_proxy_may_stop_sending_before_its_answer(make: MakeProxied) -> None:
    with connect(make(), second_version("192.0.2.7") + CONNECT + encode_call(b"XWB IM HERE")) as peer:
        peer.shutdown(socket.SHUT_WR)
        assert read_to_end(peer) == ACCEPT + b"\0\x001\x04"


def test_the_header_comes_before_tls(make: MakeProxied, oracle_store: Store, tmp_path: Path) -> None:
    trusting = ssl.create_default_context(cafile=str(tmp_path / "authority.pem"))
    plain = connect(make(), second_version("192.0.2.7"), name="proxied_tls")
    with trusting.wrap_socket(plain, server_hostname="localhost") as peer:
        peer.sendall(CONNECT)
        assert peer.recv(64) == ACCEPT
        peer.unwrap()


def test_who_is_no_proxy_connects_as_ever_and_cannot_claim_an_address(make: MakeProxied, oracle_store: Store) -> None:
    broker = make()
    with connect(broker, CONNECT, STRANGER) as peer:
        assert peer.recv(64) == ACCEPT
    for said in (first_version("192.0.2.7"), second_version("192.0.2.7"), LOCAL):
        with connect(broker, said + CONNECT, STRANGER) as peer:
            assert read_to_end(peer) == b""


@pytest.mark.parametrize(
    "said",
    [CONNECT, b"\x16\x03\x01\x02\x00", first_version("192.0.2.7").replace(b"192.0.2.7", b"localhost"), header(0x2F, 0x11)],
    ids=["no header", "TLS", "no address", "no command"],
)
@pytest.mark.parametrize("name", ["proxied", "proxied_tls"])
def test_a_proxy_that_sends_no_good_header_is_cut_and_told_of_once(
    make: MakeProxied, caplog: pytest.LogCaptureFixture, said: bytes, name: str
) -> None:
    broker = make()
    for _ in range(3):
        with connect(broker, said, name=name) as peer:
            assert read_to_end(peer) == b""
    told = [record.getMessage() for record in caplog.records if "proxy_protocol_from" in record.getMessage()]
    assert len(told) == 1
    assert told[0].startswith(f"connections from {PROXY} are refused: ")
    with ProxiedClient(broker, second_version("192.0.2.7")) as client:
        assert client.call("XWB IM HERE").text == "1"


@pytest.mark.parametrize("said", [b"", b"PROXY TCP4 192.", SIGNATURE], ids=["silent", "half a line", "half a header"])
def test_a_header_that_does_not_come_is_not_waited_for(make: MakeProxied, caplog: pytest.LogCaptureFixture, said: bytes) -> None:
    with connect(make(pace=PACE), said) as peer:
        assert read_to_end(peer) == b""
    assert any("did not come in time" in record.getMessage() for record in caplog.records)


def test_a_header_that_drips_is_cut(make: MakeProxied) -> None:
    with connect(make(pace=PACE), b"PROXY ") as peer:
        deadline = time.monotonic() + 30
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            while time.monotonic() < deadline:
                peer.sendall(b"U")
                time.sleep(0.02)  # the pace of the sender is what is tested
        assert time.monotonic() < deadline


def waiting(broker: RunningBroker) -> int:
    (factory,) = [port.factory for port in broker.service._open if isinstance(port.factory, ProxiedFactory)][:1]
    return in_reactor(lambda: len(factory.waiting))


def test_those_who_wait_for_their_header_are_bounded(make: MakeProxied) -> None:
    broker = make(limits=Limits(sessions=2), pace=SLOW)
    with connect(broker, b""), connect(broker, b"") as second:
        until(lambda: waiting(broker) == 2, "two wait")
        with connect(broker, second_version("192.0.2.7") + CONNECT) as third:
            assert read_to_end(third) == b""
        second.sendall(second_version("192.0.2.7") + CONNECT)
        assert second.recv(64) == ACCEPT
    until(lambda: waiting(broker) == 0, "nobody waits")


@pytest.mark.parametrize("name", ["proxied", "proxied_tls"])
def test_bounds_by_address_are_those_of_clients(make: MakeProxied, name: str) -> None:
    broker = make(limits=Limits(sessions_per_address=1))
    one, other = second_version("192.0.2.7"), second_version("192.0.2.8")
    with connect(broker, one, name=name), connect(broker, other, name=name):
        until(lambda: in_reactor(lambda: len(broker.service.hub.visitors._open)) == 2, "both are counted")
        with connect(broker, one, name=name) as again:
            assert read_to_end(again) == b""


def test_wrong_codes_lock_the_clients_address_and_no_others(make: MakeProxied, oracle_store: Store, site_key: SiteKey) -> None:
    oracle_store.transact(lambda connection: setting(lock_addresses=True, timing="prompt")(connection, site_key))
    broker = make()
    with ProxiedClient(broker, second_version("192.0.2.7")) as client:
        for _ in range(6):
            refused = refusal(client)
    assert refused.startswith("Device/IP address is locked")
    with ProxiedClient(broker, second_version("192.0.2.7")) as client:
        assert refusal(client, *CODES).startswith("Device/IP address is locked")
    with ProxiedClient(broker, second_version("192.0.2.8")) as client:
        assert client.sign_on(*CODES).duz == 9002


def refusal(client: BrokerClient, access: str = "FAKEGW1", verify: str = "WRONG!@#1") -> str:
    with pytest.raises(SignOnRefused) as refused:
        client.sign_on(access, verify)
    return str(refused.value)


def test_stopping_cuts_those_who_wait_for_their_header(make: MakeProxied) -> None:
    broker = make(pace=SLOW)
    with connect(broker, b"PROXY ") as peer:
        until(lambda: waiting(broker) == 1, "it waits")
        broker.stop()
        assert read_to_end(peer) == b""
