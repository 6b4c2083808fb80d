"""Messages that no client should send, on a broker without VistA's pauses: each has VistA's answer, and the next call its own."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest

from rpcs import Access, Answer, Call, procedure
from tests.integration.rpcs.conftest import MakeBroker
from tests.support.broker import RunningBroker
from xwb import Cipher, Literal, ResultType, encode_call, encode_connect

IM_HERE, HERE = encode_call(b"XWB IM HERE"), b"\0\x001\x04"
CONNECTED = b"\0\0accept\x04"
OK_CALL = b"[XWB]11302\x051.108\x10ZZ ORACLE SINGLE50003abcf\x04"


def refused(text: bytes) -> bytes:
    return b"%c%b\0\x04" % (len(text), text)


def not_registered(name: bytes) -> bytes:
    return refused(b"The remote procedure %b is not registered to the option MAIN." % name)


def rpc(name: bytes) -> bytes:
    """Write a message that ends after its RPC chunk."""
    return b"[XWB]11302\x051.108%c%b\x04" % (len(name), name)


class Peer:
    """A client that sends what it likes."""

    def __init__(self, broker: RunningBroker) -> None:
        self.socket = socket.create_connection(("127.0.0.1", broker.port), timeout=10)

    def say(self, *parts: bytes, answers: int = 1) -> bytes:
        """Send; give so many answers."""
        for part in parts:
            self.socket.sendall(part)
        got = b""
        while got.count(b"\x04") < answers and (piece := self.socket.recv(65536)):
            got += piece
        return got

    def sign_on(self) -> Peer:
        """Connect, sign on and enter a context."""
        cipher = Cipher.standard()
        self.say(encode_connect(b"127.0.0.1", b"peer"))
        self.say(encode_call(b"XUS SIGNON SETUP"))
        self.say(encode_call(b"XUS AV CODE", (Literal(cipher.encipher(b"FRED1;1FRED!@#$")),)))
        assert self.say(encode_call(b"XWB CREATE CONTEXT", (Literal(cipher.encipher(b"MAIN")),))) == HERE
        return self


MakePeer = Callable[[RunningBroker], Peer]


@pytest.fixture(params=["sqlite"])
def database_url(request: pytest.FixtureRequest, tmp_path: object) -> str:
    """What is tested here lies above the database."""
    return f"{request.param}:///{tmp_path}/magbroker.db"


@pytest.fixture
def make_peer() -> Iterator[MakePeer]:
    peers: list[Peer] = []

    def make(broker: RunningBroker) -> Peer:
        peers.append(Peer(broker))
        return peers[-1]

    yield make
    for peer in peers:
        peer.socket.close()


def params(first: bytes) -> bytes:
    """Write what ZZ ORACLE PARAMS answers to a list with one node."""
    return b"\0\0P1=\r\nP1(%b)=v\r\nP2 undefined\r\nP3 undefined\r\n\x04" % first


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        (b"[XWB]11309\x031.1\x10ZZ ORACLE SINGLE50003abcf\x04", refused(b"Invalid Chunk")),
        (b"[XWB]1130\x04", refused(b"Invalid Chunk")),
        (rpc(b"NO SUCH RPC"), refused(b"Remote Procedure 'NO SUCH RPC' doesn't exist on the server.")),
        (rpc(b"XUS INTRO MSG"), not_registered(b"XUS INTRO MSG")),
        (rpc(b""), refused(b"No RPC sent")),
        (b"[XWB]11301\x01a\x01b\x04", refused(b"No RPC sent")),
        (b"[XWB]10304\x03FOO\x04", refused(b"No RPC sent")),
        (b"[XWB]10304\nTCPConnect50009127.0.0.1f\x04", refused(b"No RPC sent")),
        (b"[XWB]10304\nTCPConnect\x04", b"\0\0\x04"),
        (
            b"[XWB]11302\x051.108\x10ZZ ORACLE PARAMS52003DUZ001vf\x04",
            params(b"1"),
        ),
        (
            b"[XWB]11302\x051.108\x10ZZ ORACLE PARAMS52003U,2001vf\x04",
            params(b'"^",2'),
        ),
        (b"[XWB]11302\x051.108\x10ZZ ORACLE SINGLE51008XWBAPVERf\x04", b"\0\0[1.108]\x04"),
        (b"[XWB]11302\x051.108\x10ZZ ORACLE SINGLE51007$G(DUZ)f\x04", b"\0\0[1]\x04"),
    ],
    ids=repr,
)
def test_odd_messages_have_their_answer_and_the_next_call_its_own(
    make_broker: MakeBroker, make_peer: MakePeer, message: bytes, answer: bytes
) -> None:
    peer = make_peer(make_broker()).sign_on()
    assert peer.say(message) == answer
    assert peer.say(message + IM_HERE, answers=2) == answer + HERE
    assert peer.say(message[:7], message[7:], IM_HERE, answers=2) == answer + HERE
    assert peer.say(OK_CALL) == b"\0\0[abc]\x04"


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (rpc(b"ZZ ORACLE SINGLE"), b'XWB("PARAM")'),
        (b"[XWB]11302\x051.108\x10ZZ ORACLE PARAMS52006NOSUCH001af\x04", b"Undefined local variable: NOSUCH,"),
        (b"[XWB]11312\x051.108\x0fZZ ORACLE ERROR54f\x04", b"Attempt to divide by zero"),
    ],
    ids=repr,
)
def test_m_errors_are_answered_whatever_return_type_was_asked_for(
    make_broker: MakeBroker, make_peer: MakePeer, message: bytes, says: bytes
) -> None:
    peer = make_peer(make_broker()).sign_on()
    assert says in peer.say(message, answers=2)
    assert peer.say(IM_HERE) == HERE


@pytest.mark.parametrize("name", [b"ZZ ORACLE SINGLE", b"XUS SET SHARED"])
def test_another_return_type_has_no_answer(make_broker: MakeBroker, make_peer: MakePeer, name: bytes) -> None:
    peer = make_peer(make_broker()).sign_on()
    assert peer.say(b"[XWB]11312\x051.108%c%b54f\x04" % (len(name), name) + IM_HERE) == HERE
    assert peer.say(encode_call(b"XUS SET SHARED")) == b"\0\0\x04"


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        (b"[XWB]10304\x05#BYE#\x04", b"\0\0reject\x04"),
        (b"[XWB]1030X\x04", b"\0\0reject\x04"),
        (b"[XWB]11302\x051.108\x0bXWB IM HERE54f\x04", b"\0\0reject\x04"),
        (b"[XWB]11302\x051.108\x0bXWB IM HERE4\nTCPConnect54f\x04", CONNECTED),
        (b"[XWB]10304\nTCPConnect\x04", CONNECTED),
    ],
    ids=repr,
)
def test_the_first_message_is_judged_by_its_command_alone(
    make_broker: MakeBroker, make_peer: MakePeer, message: bytes, answer: bytes
) -> None:
    peer = make_peer(make_broker())
    assert peer.say(message) == answer
    assert peer.say(b"" if answer != CONNECTED else IM_HERE) == (b"" if answer != CONNECTED else HERE)


def test_a_global_parameter_is_the_name_of_a_global_with_its_nodes_below(make_broker: MakeBroker, make_peer: MakePeer) -> None:
    broker = make_broker()

    @procedure("ZZ ORACLE SINGLE", access=Access.SESSION, routine="ANY^ZZ", parameters=("X",), registry=broker.registry)
    def nodes(call: Call) -> str:
        return ",".join(call.list(0).values())

    peer = make_peer(broker).sign_on()
    call = b"[XWB]11302\x051.108%c%b50001af30011002g1t0012002g2f\x04"
    name, value = peer.say(call % (16, b"ZZ ORACLE PARAMS")).split(b"\r\n")[:2]
    assert name == b"\0\0P1=a"
    assert value.startswith(b'P2=^TMP("XWBA",')
    assert value.endswith(b",1)")
    assert peer.say(b"[XWB]11302\x051.108\x10ZZ ORACLE SINGLE530011002g1t0012002g2f\x04") == b"\0\0g1,g2\x04"


def test_an_answer_may_choose_its_return_type(make_broker: MakeBroker, make_peer: MakePeer) -> None:
    broker = make_broker()

    @procedure("ZZ ORACLE SINGLE", access=Access.SESSION, routine="ANY^ZZ", parameters=("X",), registry=broker.registry)
    def any_type(call: Call) -> Answer:
        if call.text(0) == "lines":
            return Answer(["a", "b"], returns=ResultType.ARRAY)
        return Answer(["a", "b"], returns=ResultType.WORD_PROCESSING, word_wrap=False)

    peer = make_peer(broker).sign_on()
    assert peer.say(encode_call(b"ZZ ORACLE SINGLE", (Literal(b"lines"),))) == b"\0\0a\r\nb\r\n\x04"
    assert peer.say(encode_call(b"ZZ ORACLE SINGLE", (Literal(b"text"),))) == b"\0\0ab\x04"
