"""Old-style clients: called back by the broker, they get the sessions of everybody else."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from broker import Limits, Listener
from runtime import TLSFiles, server_context
from tests.integration.rpcs.conftest import MakeBroker
from tests.support.broker import RunningBroker, in_reactor
from tests.support.certificates import Authority
from tests.support.waiting import until
from xwb import (
    Cipher,
    ListParameter,
    Literal,
    Parameter,
    ResponseDecoder,
    ResponseReceived,
    encode_old_action,
    encode_old_bye,
    encode_old_call,
    encode_old_connect,
)

#: What waits for seconds waits for hundredths of them.
PACE = 50.0
ACCEPT, REJECT, GOODBYE = (ResponseReceived(b"", b"", data) for data in (b"accept", b"reject", b"#BYE#"))


@pytest.fixture(params=["sqlite"])
def database_url(request: pytest.FixtureRequest, tmp_path: object) -> str:
    """What is tested here lies above the database."""
    return f"{request.param}:///{tmp_path}/magbroker.db"


@dataclass
class OldClient:
    """A client with a port of its own, on which it waits for the broker."""

    port: int
    decoder: ResponseDecoder = field(default_factory=ResponseDecoder)
    listening: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    session: socket.socket | None = None

    def ask(self, message: bytes) -> socket.socket:
        """Say something to the listener."""
        asking = socket.create_connection(("127.0.0.1", self.port), timeout=15)
        asking.sendall(message)
        return asking

    def connect(self, *, named: bytes = b"127.0.0.1", version: bytes = b"1.108") -> None:
        """Ask to be called back, and wait for the call."""
        self.listening.settimeout(15)
        with self.ask(encode_old_connect(named, self.listening.getsockname()[1], b"old-client", version)) as asking:
            assert self.read(asking) == ACCEPT
            self.session, (address, _port) = self.listening.accept()
            assert asking.recv(64) == b""
        assert address == "127.0.0.1"
        self.session.settimeout(15)

    def call(self, name: str, *parameters: Parameter) -> ResponseReceived:
        """Call a procedure."""
        return self.exchange(encode_old_call(name.encode(), parameters))

    def exchange(self, message: bytes) -> ResponseReceived:
        """Send something on the session, and read the answer."""
        assert self.session is not None
        self.session.sendall(message)
        return self.read(self.session)

    def read(self, connection: socket.socket) -> ResponseReceived:
        """Read one answer."""
        while (answer := self.decoder.next_event()) is None:
            data = connection.recv(65536)
            assert data, "the broker closed"
            self.decoder.receive_data(data)
        return answer

    def read_to_end(self) -> bytes:
        """Read what still comes until the broker closes."""
        assert self.session is not None
        received = b""
        while data := self.session.recv(65536):
            received += data
        return received

    def sign_on(self) -> None:
        """Sign on, and enter the context."""
        cipher = Cipher.standard()
        self.call("XUS SIGNON SETUP")
        assert self.call("XUS AV CODE", Literal(cipher.encipher(b"FRED1;1FRED!@#$"))).data.startswith(b"1\r\n")
        assert self.call("XWB CREATE CONTEXT", Literal(cipher.encipher(b"MAIN"))).data == b"1"

    def close(self) -> None:
        """Close everything."""
        self.listening.close()
        if self.session is not None:
            self.session.close()


@contextlib.contextmanager
def client_of(broker: RunningBroker) -> Iterator[OldClient]:
    client = OldClient(broker.port)
    try:
        yield client
    finally:
        client.close()


def nothing_is_left(broker: RunningBroker) -> None:
    hub = broker.service.hub
    until(lambda: in_reactor(lambda: not hub.connections and not hub.visitors._open), "no connection is left", seconds=15)


def test_a_session_of_the_old_kind(make_broker: MakeBroker) -> None:
    broker = make_broker()
    with client_of(broker) as client:
        client.connect(named=b"192.0.2.1")  # the broker calls the address that it sees, not the one that it is told
        assert client.call("ZZ ORACLE PARAMS").security == b"Application context has not been created!"
        client.sign_on()
        long_list = ListParameter(tuple((b"%d" % number, b"v" * 900) for number in range(1, 300)))
        answer = client.call("ZZ ORACLE PARAMS", Literal(b"one"), Literal(b""), long_list)
        assert answer.data.startswith(b"P1=one\r\nP2=\r\nP3=\r\nP3(1)=vvv")
        assert answer.data.count(b"\r\n") == 302
        assert client.call("ZZ ORACLE PARAMS", ListParameter(((b'"A",1', b""),))).data.startswith(b'P1=\r\nP1("A",1)=\r\n')
        assert client.call("NO SUCH RPC").security == b"Remote Procedure 'NO SUCH RPC' doesn't exist on the server."
        assert client.call("XUS SET SHARED") == ResponseReceived(b"", b"", b"")
        assert client.exchange(b"{XWB}00000|\x01000000") == ResponseReceived(b"Required input reference is NULL", b"", b"")
        assert client.exchange(encode_old_bye()) == GOODBYE
        assert client.read_to_end() == b""
    nothing_is_left(broker)


def test_requests_sent_ahead_are_answered_in_order(make_broker: MakeBroker) -> None:
    with client_of(make_broker()) as client:
        client.connect()
        client.sign_on()
        assert client.session is not None
        client.session.sendall(b"".join(encode_old_call(b"ZZ ORACLE SINGLE", [Literal(b"%d" % n)]) for n in range(50)))
        received = b""
        while received.count(b"\x04") < 50:
            received += client.session.recv(65536)
        assert received == b"".join(b"\0\0[%d]\x04" % number for number in range(50))


def test_an_m_error_signs_the_user_off_and_the_connection_goes_on(make_broker: MakeBroker) -> None:
    with client_of(make_broker()) as client:
        client.connect()
        client.sign_on()
        assert b"DIVZERO" in client.call("ZZ ORACLE ERROR").data
        assert client.call("ZZ ORACLE SINGLE").security == b"Application context has not been created!"
        client.sign_on()
        assert client.call("ZZ ORACLE SINGLE", Literal(b"x")).data == b"[x]"
        assert b"LINST" in client.call("ZZ ORACLE PARAMS", ListParameter(((b"BARE", b"x"),))).data


@pytest.mark.parametrize("last", [b"#BYE#", b"#BYE#\x04"])
def test_a_bare_bye_is_not_answered(make_broker: MakeBroker, last: bytes) -> None:
    with client_of(make_broker()) as client:
        client.connect()
        assert client.session is not None
        client.session.sendall(last)
        assert client.read_to_end() == b""


def test_what_is_no_request_is_bidden_farewell(make_broker: MakeBroker) -> None:
    with client_of(make_broker()) as client:
        client.connect()
        assert client.exchange(b"[XWB]10304\x05#BYE#\x04") == GOODBYE
        assert client.read_to_end() == b""


def test_vista_loses_what_is_sent_ahead_and_answers_a_refusal_after_five_seconds_of_silence(make_broker: MakeBroker) -> None:
    with client_of(make_broker(settings='timing = "vista"', pace=PACE)) as client:
        client.connect()
        client.sign_on()
        single = encode_old_call(b"ZZ ORACLE SINGLE", [Literal(b"a")])
        assert client.exchange(single + encode_old_call(b"ZZ ORACLE SINGLE", [Literal(b"b")])).data == b"[a]"
        started = time.monotonic()
        assert client.call("NO SUCH RPC").security.startswith(b"Remote Procedure")
        assert time.monotonic() - started >= 5 / PACE
        assert client.exchange(single).data == b"[a]"


def test_a_list_that_does_not_come_is_empty(make_broker: MakeBroker) -> None:
    with client_of(make_broker(pace=PACE)) as client:
        client.connect()
        client.sign_on()
        whole = encode_old_call(b"ZZ ORACLE PARAMS", [ListParameter()])
        assert client.exchange(whole[:-3]).data == b"P1=\r\nP2 undefined\r\nP3 undefined\r\n"


def test_who_is_silent_is_told_so_before_it_is_closed(make_broker: MakeBroker) -> None:
    broker = make_broker(pace=PACE)
    with client_of(broker) as client:
        client.connect()
        assert client.read_to_end() == b"\0\x000\r\n1\r\n\r\nTIME-OUT\r\n\x04"
    with client_of(broker) as client:
        client.connect()
        client.sign_on()
        assert client.read_to_end() == b"\0\0#BYE#\x04\x04"
    with client_of(broker) as client:
        client.connect()
        assert client.session is not None
        client.session.sendall(encode_old_call(b"XWB IM HERE")[:20])
        assert client.read_to_end() == b""
    nothing_is_left(broker)


@pytest.mark.parametrize("said", [b"{XWB}00", b"{XWB}00044|\x051.108"])
def test_half_a_connect_message_is_closed_without_a_byte(make_broker: MakeBroker, said: bytes) -> None:
    broker = make_broker(pace=PACE)
    with client_of(broker) as client, client.ask(said) as asking:
        assert asking.recv(64) == b""
    nothing_is_left(broker)


@pytest.mark.parametrize(("action", "answer"), [(b"TCPdebug", b"accept"), (b"TCPshutdown", b"ack"), (b"TCPother", None)])
def test_other_messages_are_acknowledged_and_change_nothing(make_broker: MakeBroker, action: bytes, answer: bytes | None) -> None:
    broker = make_broker()
    with client_of(broker) as client:
        with client.ask(encode_old_action(action)) as asking:
            if answer is not None:
                assert client.read(asking).data == answer
            assert asking.recv(64) == b""
        client.connect()


@pytest.mark.parametrize(
    ("settings", "limits", "others"),
    [
        ("", Limits(call_back=False), 0),
        ("logons_inhibited = true", Limits(), 0),
        ("", Limits(sessions=1), 1),
        ("", Limits(sessions_per_address=1), 0),
    ],
    ids=["calling back is off", "logons are inhibited", "it is full", "the address has its connections"],
)
def test_who_cannot_be_called_back_is_rejected_and_the_log_says_why(
    make_broker: MakeBroker, settings: str, limits: Limits, others: int, caplog: pytest.LogCaptureFixture
) -> None:
    broker = make_broker(settings=settings, limits=limits)
    with contextlib.ExitStack() as stack:
        for _ in range(others):
            stack.enter_context(socket.create_connection(("127.0.0.1", broker.port)))
        client = stack.enter_context(client_of(broker))
        until(lambda: in_reactor(lambda: len(broker.service.hub.connections) == others), "the others are there")
        asking = stack.enter_context(client.ask(encode_old_connect(b"127.0.0.1", 9300, b"x")))
        assert client.read(asking) == REJECT
        assert asking.recv(64) == b""
    assert any("asks to be called back" in record.getMessage() for record in caplog.records)
    nothing_is_left(broker)


@pytest.mark.parametrize("port", [0, 22, 70000, -1])
def test_a_port_that_is_no_clients_is_not_called(make_broker: MakeBroker, port: int, caplog: pytest.LogCaptureFixture) -> None:
    broker = make_broker()
    with client_of(broker) as client, client.ask(encode_old_connect(b"127.0.0.1", port, b"x")) as asking:
        assert client.read(asking) == ACCEPT
        assert asking.recv(64) == b""
    assert any("cannot be called back" in record.getMessage() for record in caplog.records)
    nothing_is_left(broker)


def test_where_nobody_listens_nothing_is_left(make_broker: MakeBroker, caplog: pytest.LogCaptureFixture) -> None:
    broker = make_broker()
    with client_of(broker) as client:
        client.listening.close()
        with client.ask(encode_old_connect(b"127.0.0.1", 65533, b"x")) as asking:
            assert client.read(asking) == ACCEPT
            assert asking.recv(64) == b""
    assert any("could not be called back" in record.getMessage() for record in caplog.records)
    nothing_is_left(broker)


def test_a_call_that_nobody_takes_ends_with_the_broker(make_broker: MakeBroker) -> None:
    broker = make_broker()
    hub = broker.service.hub
    with contextlib.ExitStack() as stack:
        deaf = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):  # fill what the system takes on the listener's behalf: the next one waits for ever
            filling = stack.enter_context(socket.socket())
            filling.setblocking(False)
            filling.connect_ex(deaf.getsockname())
        client = stack.enter_context(client_of(broker))
        with client.ask(encode_old_connect(b"127.0.0.1", deaf.getsockname()[1], b"x")) as asking:
            assert client.read(asking) == ACCEPT
        until(lambda: in_reactor(lambda: len(hub.connections) == 1), "the front is gone and the call is on its way")
        broker.stop()
        until(lambda: in_reactor(lambda: not hub.connections and not hub.visitors._open), "the call is off", seconds=5)


def test_a_client_that_came_over_tls_is_not_called_back_in_clear(make_broker: MakeBroker, tmp_path: Path) -> None:
    authority = Authority.create(tmp_path)
    tls = server_context(TLSFiles(*authority.issue("localhost")))
    broker = make_broker(listeners={"broker_tls": Listener(0, tls=tls)})
    trusting = ssl.create_default_context(cafile=str(authority.file))
    with client_of(broker) as client:
        plain = socket.create_connection(("127.0.0.1", broker.service.ports["broker_tls"]), timeout=15)
        with trusting.wrap_socket(plain, server_hostname="localhost") as asking:
            asking.sendall(encode_old_connect(b"127.0.0.1", client.listening.getsockname()[1], b"x"))
            assert client.read(asking) == REJECT


def test_a_client_of_the_oldest_kind_knows_no_time_out(make_broker: MakeBroker) -> None:
    broker = make_broker(pace=PACE)
    hub = broker.service.hub
    with client_of(broker) as client:
        client.connect(version=b"1.0")
        [session] = in_reactor(lambda: list(hub.connections))
        assert in_reactor(session.patience) == 36000
        assert client.exchange(encode_old_bye()) == GOODBYE
