"""The brokers for tests behave as a broker does."""

import socket

import pytest
from twisted.internet.protocol import Factory, Protocol

import xwb
from xwb import (
    BrokerClient,
    ConnectionLost,
    ConnectionRejected,
    ListParameter,
    LocalArray,
    MError,
    SecurityRefused,
    SignOnRefused,
    encode_connect,
    encode_response,
)
from xwb.testing import InMemoryBroker, ScriptedBroker, ScriptedSession, connect_in_memory

IM_HERE = b"[XWB]11302\x051.108\x0bXWB IM HERE54f\x04"
SILENT_IM_HERE = b"[XWB]11312\x051.108\x0bXWB IM HERE54f\x04"


def test_a_session_in_memory_from_sign_on_to_bye():
    broker = InMemoryBroker({"ECHO": lambda arguments: [repr(argument) for argument in arguments]}, {"A;B": 7})
    connection = broker.connect()
    assert connection.sign_on("A", "B").duz == 7
    connection.create_context("ANY")
    assert connection.call("ECHO", "x", {2: "b", 1: "a"}).lines == [
        "'x'",
        repr(LocalArray("", {("1",): "a", ("2",): "b"})),
    ]
    assert broker.calls[-1] == ("ECHO", ["x", LocalArray("", {("1",): "a", ("2",): "b"})])
    connection.bye()
    with pytest.raises(ConnectionLost):
        connection.call("ECHO")


def test_errors_in_memory_are_those_of_a_client():
    connection = InMemoryBroker({"M": lambda arguments: 1 / 0}, users={}).connect()
    with pytest.raises(SignOnRefused):
        connection.sign_on("A", "B")
    with pytest.raises(MError, match="ZeroDivisionError"):
        connection.call("M")
    with pytest.raises(SecurityRefused):
        connection.call("NO SUCH")
    with pytest.raises(MError, match="ABC"):
        connection.call("M", ListParameter(((b"ABC", b"x"),)))
    assert connection.call("XWB IM HERE").text == "1"


def test_two_connections_to_one_broker_share_its_calls_only():
    broker = InMemoryBroker({})
    first, second = broker.connect(), broker.connect()
    assert first.sign_on("A", "B").duz == 1
    assert second.call("XUS GET USER INFO").lines[0] == "0"
    assert [name for name, _ in broker.calls] == ["XUS SIGNON SETUP", "XUS AV CODE", "XUS GET USER INFO"]


class Rejecting(Protocol):
    def dataReceived(self, data):
        self.transport.write(encode_response(b"reject"))


class Silent(Protocol):
    def dataReceived(self, data):
        self.factory.heard.append((self.transport.getPeer().host, data))


def test_any_factory_can_be_connected_to_and_may_reject():
    with pytest.raises(ConnectionRejected):
        connect_in_memory(Factory.forProtocol(Rejecting))


def test_a_server_that_waits_is_reported_and_sees_the_given_address():
    factory = Factory.forProtocol(Silent)
    factory.heard = []
    with pytest.raises(ConnectionLost, match="clock"):
        connect_in_memory(factory, address="10.1.2.3")
    assert factory.heard == [("10.1.2.3", encode_connect(b"10.1.2.3", b"xwb"))]


@pytest.mark.parametrize(
    ("data", "answer", "closed"),
    [
        (IM_HERE, b"\0\x001\x04", False),
        (IM_HERE * 2, b"\0\x001\x04" * 2, False),
        (SILENT_IM_HERE, b"", False),
        (b"HELLO" + IM_HERE, b"\0\x001\x04", False),
        (b"#BYE#" + IM_HERE, b"\0\0#BYE#\x04", True),
        (b"[XWB]10304\x03FOO54f\x04", b"\x0bNo RPC sent\0\x04", False),
        (b"[XWB]11309", b"\x0bNo RPC sent\0\x04", False),
        (b"[XWB]1190" + b"50" + b"999999999", b"", True),
    ],
)
def test_a_scripted_session_answers_bytes(data, answer, closed):
    session = ScriptedSession({})
    assert session.receive_data(data) == answer
    assert session.closed is closed


def test_a_scripted_broker_serves_several_clients_and_stops_listening():
    with ScriptedBroker({"ADD": lambda arguments: str(sum(map(int, arguments)))}) as broker:
        clients = [BrokerClient(broker.host, broker.port, timeout=10).connect() for _ in range(3)]
        assert [client.call("ADD", 1, number).text for number, client in enumerate(clients)] == ["1", "2", "3"]
        assert broker.calls_of("ADD") == [["1", "0"], ["1", "1"], ["1", "2"]]
    for client in clients:
        with pytest.raises(ConnectionLost):
            client.call("ADD")
    with pytest.raises(OSError, match=r"refused|111"):
        socket.create_connection((broker.host, broker.port), timeout=10)


def test_the_package_is_complete():
    assert all(hasattr(xwb, name) for name in xwb.__all__)
    assert len(xwb.__all__) == len(set(xwb.__all__))
