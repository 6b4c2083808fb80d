"""The blocking client talks to a broker on a real socket."""

import socket
import threading

import pytest

from xwb import (
    AnswerTooLong,
    ApplicationError,
    BrokerClient,
    CannotEncode,
    Cipher,
    ConnectionLost,
    ConnectionRejected,
    MError,
    SecurityRefused,
    SignOnRefused,
    TimedOut,
)
from xwb.testing import ScriptedBroker

DEADLINE = 10


def fail(error):
    def handler(arguments):
        raise error

    return handler


@pytest.fixture
def broker():
    handlers = {
        "ECHO": lambda arguments: [repr(argument) for argument in arguments],
        "SINGLE": lambda arguments: f"[{arguments[0]}]",
        "BYTES": lambda arguments: b"ab\x04cd",
        "NOTHING": lambda arguments: None,
        "LONG": lambda arguments: "y" * 300_000,
        "REFUSED": fail(SecurityRefused("No access.", b"No access.")),
        "APPLICATION": fail(ApplicationError("Bad thing.", b"data")),
        "M": fail(MError("TAG^ROUTINE, text", "^X(1)")),
        "FAULTY": lambda arguments: arguments[7],
        "DIES": fail(ConnectionLost()),
    }
    with ScriptedBroker(handlers, users={"FAKE1;1CODE!": 9001}) as running:
        yield running


@pytest.fixture
def client(broker):
    with BrokerClient(broker.host, broker.port, timeout=DEADLINE) as connected:
        yield connected


def test_a_session_from_sign_on_to_bye(broker):
    with BrokerClient(broker.host, broker.port, timeout=DEADLINE) as client:
        signed_on = client.sign_on("FAKE1", "1CODE!")
        client.create_context("MAG DICOM GATEWAY FULL")
        assert client.call("SINGLE", "x").text == "[x]"
    assert signed_on.duz == 9001
    assert not client.connected
    (session,) = broker.sessions
    assert (session.duz, session.context, session.closed) == (9001, "MAG DICOM GATEWAY FULL", True)
    assert [name for name, _ in broker.calls] == ["XUS SIGNON SETUP", "XUS AV CODE", "XWB CREATE CONTEXT", "SINGLE"]


def test_codes_do_not_go_in_clear(broker, client):
    client.sign_on("FAKE1", "1CODE!")
    ((codes,),) = broker.calls_of("XUS AV CODE")
    assert "FAKE1" not in codes
    assert Cipher.standard().decipher(codes.encode("iso-8859-1")) == b"FAKE1;1CODE!"


def test_a_wrong_code_is_refused_and_may_be_tried_again(client):
    with pytest.raises(SignOnRefused, match="Not a valid"):
        client.sign_on("FAKE1", "WRONG")
    assert client.sign_on("FAKE1", "1CODE!").duz == 9001


def test_arguments_arrive_as_they_were_given(client):
    answer = client.call("ECHO", "a", 2, {1: "x", "A B": "\xe4", ("T", 0): ""}, ["one"], "")
    assert answer.lines == ["'a'", "'2'", "{'1': 'x', 'A B': '\xe4', ('T', '0'): ''}", "{'1': 'one'}", "''"]


@pytest.mark.parametrize(("name", "text"), [("BYTES", "ab\x04cd"), ("NOTHING", ""), ("LONG", "y" * 300_000)])
def test_answers_of_any_size_arrive_whole(client, name, text):
    assert client.call(name).text == text


def test_a_value_too_long_for_three_digits_is_sent_with_more(client):
    assert client.call("SINGLE", "z" * 200_000).text == "[" + "z" * 200_000 + "]"


@pytest.mark.parametrize(
    ("name", "kind", "text"),
    [
        ("REFUSED", SecurityRefused, "No access."),
        ("APPLICATION", ApplicationError, "Bad thing."),
        ("M", MError, "TAG^ROUTINE, text"),
        ("FAULTY", MError, "IndexError: list index out of range"),
        ("NO SUCH", SecurityRefused, "Remote Procedure 'NO SUCH' doesn't exist on the server."),
    ],
)
def test_an_error_is_raised_and_the_session_goes_on(client, name, kind, text):
    with pytest.raises(kind) as caught:
        client.call(name)
    assert str(caught.value) == text
    assert client.call("SINGLE", "on").text == "[on]"


def test_a_lost_connection_is_raised_and_a_new_one_can_be_made(broker, client):
    with pytest.raises(ConnectionLost):
        client.call("DIES")
    assert not client.connected
    with pytest.raises(ConnectionLost, match="no connection"):
        client.call("SINGLE", "x")
    client.connect()
    assert client.call("SINGLE", "x").text == "[x]"
    broker.drop_connections()
    with pytest.raises(ConnectionLost):
        client.call("SINGLE", "x")


def test_an_answer_that_does_not_come_in_time_closes_the_connection(broker):
    release = threading.Event()
    broker.handlers["SLOW"] = lambda arguments: str(release.wait(DEADLINE))
    with BrokerClient(broker.host, broker.port, timeout=0.05) as client:
        with pytest.raises(TimedOut):
            client.call("SLOW")
        assert not client.connected
    release.set()


def test_an_answer_over_the_limit_closes_the_connection(broker):
    with BrokerClient(broker.host, broker.port, timeout=DEADLINE, limit_bytes=1000) as client:
        with pytest.raises(AnswerTooLong):
            client.call("LONG")
        assert not client.connected


def test_nobody_there_is_a_lost_connection():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectionLost, match=f"127.0.0.1:{port}"):
        BrokerClient("127.0.0.1", port, timeout=DEADLINE).connect()


def answering(answer):
    """Serve one connection: read something, answer these bytes, close."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        with listener, listener.accept()[0] as connection:
            connection.recv(4096)
            connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    return listener.getsockname()[1], thread


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(b"\0\0reject\x04", ConnectionRejected), (b"", ConnectionLost), (b"\0\0acc", ConnectionLost)],
)
def test_a_broker_that_does_not_accept_is_an_error(answer, kind):
    port, thread = answering(answer)
    with pytest.raises(kind):
        BrokerClient("127.0.0.1", port, timeout=DEADLINE).connect()
    thread.join(DEADLINE)
    assert not thread.is_alive()


def test_an_argument_without_a_form_on_the_wire_is_refused_before_anything_is_sent(broker, client):
    with pytest.raises(CannotEncode):
        client.call("N" * 256)
    assert client.call("SINGLE", "x").text == "[x]"


def test_leaving_a_closed_connection_is_no_error(broker, client):
    broker.drop_connections()
    client.bye()
    client.bye()
    assert not client.connected


def test_who_observes_sees_what_went_and_came_of_each_exchange(broker):
    seen = []
    with BrokerClient(broker.host, broker.port, timeout=DEADLINE, observe=lambda *exchange: seen.append(exchange)) as client:
        client.call("SINGLE", "x")
        with pytest.raises(ConnectionLost):
            client.call("DIES")
    assert [received for _, received, _ in seen] == [b"\0\0accept\x04", b"\0\0[x]\x04", b""]
    assert seen[1][0] == b"[XWB]11302\x051.108\x06SINGLE50001xf\x04"
    assert all(0 <= seconds < DEADLINE for *_, seconds in seen)


def test_a_client_knows_that_the_broker_left_it(broker, client):
    assert client.call("SINGLE", "x").text == "[x]"
    assert not client.was_left()
    broker.drop_connections()
    assert client.was_left()
    assert client.connected, "it was not told so by a call"


def test_a_call_that_is_broken_off_takes_the_connection_with_it(broker, client, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(client, "_read", interrupted)
    with pytest.raises(KeyboardInterrupt):
        client.call("SINGLE", "x")
    assert not client.connected, "its answer would be taken for the next one's"
