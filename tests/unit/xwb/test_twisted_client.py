"""The Twisted client answers calls in order and fails them together."""

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.defer import CancelledError
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import ConnectionDone
from twisted.internet.error import ConnectionLost as TransportLost
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.error import TimeoutError as ConnectTimeout
from twisted.internet.interfaces import ITCPTransport
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from zope.interface import directlyProvides

from xwb import (
    AnswerTooLong,
    BrokerProtocol,
    CannotEncode,
    ConnectionLost,
    ConnectionRejected,
    Literal,
    SecurityRefused,
    TimedOut,
    connect_broker,
    encode_bye,
    encode_call,
    encode_connect,
    encode_response,
)


class Outcome:
    """What a Deferred has given so far."""

    def __init__(self, deferred):
        self.results = []
        deferred.addBoth(self.results.append)

    @property
    def value(self):
        (result,) = self.results
        return result

    @property
    def error(self):
        assert isinstance(self.value, Failure)
        return self.value.value


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def client(clock):
    protocol = BrokerProtocol(clock=clock, timeout=30, limit_bytes=1000)
    protocol.makeConnection(StringTransport())
    return protocol


def sent(client):
    """Take what the client has written."""
    data = client.transport.value()
    client.transport.clear()
    return data


def lose(client, reason=None):
    client.connectionLost(Failure(reason or ConnectionDone()))


def test_calls_are_sent_one_at_a_time_and_answered_in_order(client):
    first, second = Outcome(client.call("A", "x")), Outcome(client.call("B"))
    assert sent(client) == encode_call(b"A", [Literal(b"x")])
    client.dataReceived(encode_response(b"one")[:3])
    assert not first.results
    client.dataReceived(encode_response(b"one")[3:])
    assert first.value.text == "one"
    assert sent(client) == encode_call(b"B")
    client.dataReceived(encode_response(b"two"))
    assert second.value.text == "two"
    assert sent(client) == b""


def test_an_error_fails_its_call_only(client):
    first, second = Outcome(client.call("A")), Outcome(client.call("B"))
    client.dataReceived(encode_response(b"", security=b"No."))
    client.dataReceived(encode_response(b"two"))
    assert isinstance(first.error, SecurityRefused)
    assert second.value.text == "two"


def test_a_lost_connection_fails_everything_that_waits(client):
    outcomes = [Outcome(client.call(name)) for name in "ABC"]
    closed = Outcome(client.closed)
    lose(client, TransportLost("cable cut"))
    assert [type(outcome.error) for outcome in outcomes] == [ConnectionLost] * 3
    assert "cable cut" in str(outcomes[0].error)
    assert closed.results == [None]
    assert isinstance(Outcome(client.call("D")).error, ConnectionLost)


def test_an_answer_that_does_not_come_in_time_drops_the_connection(client, clock):
    outcomes = [Outcome(client.call("A")), Outcome(client.call("B"))]
    clock.advance(29)
    assert not client.transport.disconnecting
    clock.advance(1)
    assert client.transport.disconnecting
    lose(client)
    assert [type(outcome.error) for outcome in outcomes] == [TimedOut] * 2


def test_the_time_counts_from_the_sending_and_ends_with_the_answer(client, clock):
    Outcome(client.call("A"))
    second = Outcome(client.call("B"))
    clock.advance(29)
    client.dataReceived(encode_response(b"one"))
    clock.advance(29)
    client.dataReceived(encode_response(b"two"))
    clock.advance(100)
    assert second.value.text == "two"
    assert not clock.getDelayedCalls()
    assert not client.transport.disconnecting


def test_a_cancelled_call_that_waits_is_never_sent(client):
    Outcome(client.call("A"))
    deferred = client.call("B")
    second, third = Outcome(deferred), Outcome(client.call("C"))
    deferred.cancel()
    assert isinstance(second.error, CancelledError)
    sent(client)
    client.dataReceived(encode_response(b"one"))
    assert sent(client) == encode_call(b"C")
    client.dataReceived(encode_response(b"three"))
    assert third.value.text == "three"


def test_the_answer_of_a_cancelled_call_is_thrown_away(client):
    deferred = client.call("A")
    first, second = Outcome(deferred), Outcome(client.call("B"))
    deferred.cancel()
    client.dataReceived(encode_response(b"one"))
    client.dataReceived(encode_response(b"two"))
    assert isinstance(first.error, CancelledError)
    assert second.value.text == "two"


def test_an_answer_over_the_limit_drops_the_connection(client):
    outcome = Outcome(client.call("A"))
    client.dataReceived(b"\0\0" + b"x" * 1000)
    assert client.transport.disconnecting
    lose(client)
    assert isinstance(outcome.error, AnswerTooLong)


def test_data_that_nobody_asked_for_drops_the_connection(client):
    client.dataReceived(encode_response(b"hello"))
    assert client.transport.disconnecting
    assert isinstance(Outcome(client.call("A")).error, ConnectionLost)


def test_an_argument_without_a_form_on_the_wire_raises_at_once(client):
    with pytest.raises(CannotEncode):
        client.call("N" * 256)
    assert sent(client) == b""


def test_bye_is_answered_before_the_connection_ends(client):
    outcome = Outcome(client.bye())
    assert sent(client) == encode_bye()
    client.dataReceived(encode_response(b"#BYE#"))
    assert client.transport.disconnecting
    assert not outcome.results
    lose(client)
    assert outcome.results == [None]
    assert Outcome(client.bye()).results == [None]


def test_small_messages_are_sent_at_once():
    transport = StringTransport()
    calls = []
    transport.setTcpNoDelay = calls.append
    directlyProvides(transport, ITCPTransport)
    BrokerProtocol().makeConnection(transport)
    assert calls == [True]


def connect():
    reactor = MemoryReactorClock()
    outcome = Outcome(connect_broker(TCP4ClientEndpoint(reactor, "127.0.0.1", 9430), clock=reactor, name="tests"))
    return reactor, outcome


def introduced(reactor):
    """Let the connection be made, and give its protocol."""
    factory = reactor.tcpClients[0][2]
    protocol = factory.buildProtocol(None)
    protocol.makeConnection(StringTransport(hostAddress=IPv4Address("TCP", "192.168.1.1", 50000)))
    return protocol


def test_connecting_introduces_the_client():
    reactor, outcome = connect()
    wrapper = introduced(reactor)
    assert wrapper.transport.value() == encode_connect(b"192.168.1.1", b"tests")
    assert not outcome.results
    wrapper.dataReceived(encode_response(b"accept"))
    assert isinstance(outcome.value, BrokerProtocol)


def test_a_rejected_connection_fails_and_is_dropped():
    reactor, outcome = connect()
    wrapper = introduced(reactor)
    wrapper.dataReceived(encode_response(b"reject"))
    assert isinstance(outcome.error, ConnectionRejected)
    assert wrapper.transport.disconnecting


@pytest.mark.parametrize(("reason", "kind"), [(Refused(), ConnectionLost), (ConnectTimeout(), TimedOut)])
def test_no_connection_fails_with_an_error_of_this_package(reason, kind):
    reactor, outcome = connect()
    factory = reactor.tcpClients[0][2]
    factory.clientConnectionFailed(None, Failure(reason))
    assert type(outcome.error) is kind
    assert outcome.error.__cause__ is reason
