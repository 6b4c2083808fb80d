"""Sessions in memory beside a model of them: requests, garbage, silences and cuts in any order that hypothesis thinks of.

However bytes come, every complete request gets its one answer, in order; no procedure runs outside its context; what is held
stays under its bound; and a connection ends when VistA's does, without a byte where VistA says none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from queue import Queue
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import delete, select
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from broker import Dispatcher, Hub, Limits, NSSession
from broker.old_session import OldSession
from fileman import SiteKey, Store, apply_site, parse_site
from fileman.files import SignOnLog
from rpcs import STANDARD, Access, Call, Environment, SiteCache, procedure
from runtime import FixedClock
from tests.oracle.pack import register
from xwb import (
    BYE,
    Cipher,
    ConnectAsked,
    Literal,
    Parameter,
    encode_bye,
    encode_call,
    encode_command,
    encode_connect,
    encode_old_bye,
    encode_old_call,
    encode_response,
)

NOON = datetime.fromisoformat("2026-11-18T12:00")
SITE = """
[site]
default_institution = 660
signon_attempts = 100000

[[institution]]
ien = 660
name = "SALT LAKE CITY"
station = "660"

[[user]]
duz = 1
name = "FIRST,FRED"
access = "FRED1"
verify = "1FRED!@#$"
verify_never_expires = true
divisions = [660]
contexts = ["MAIN"]

[[context]]
name = "XUS SIGNON"
rpcs = ["XUS SIGNON SETUP", "XUS AV CODE"]

[[context]]
name = "MAIN"
rpcs = ["ZZ INSIDE", "ZZ ORACLE ERROR", "XUS SIGNON SETUP", "XUS AV CODE"]

[[context]]
name = "ANOTHER"
rpcs = ["ZZ OUTSIDE"]
"""
LIMITS = Limits(message_bytes=4096, ahead_bytes=512)
#: The longest piece that one read delivers.
PIECE = 700
CIPHER = Cipher.standard()
SIGN_ON, MAIN = "XUS SIGNON", "MAIN"
NOT_CREATED = "Application context has not been created!"
BEFORE_CONNECT, BEFORE_SIGN_ON, SIGNED_ON, MID_MESSAGE = 14, 184, 184, 8.8

Expected = Callable[[bytes], bool]
SIGNED_ON_NOW = select(SignOnLog.ien).where(SignOnLog.signed_off == "")


class Turns:
    """The reactor's turns, taken by hand: what threads want done waits here."""

    def __init__(self) -> None:
        self.waiting: Queue[tuple[Callable[..., object], tuple[object, ...]]] = Queue()

    def callFromThread(self, work: Callable[..., object], *arguments: object) -> None:
        """Keep something for the next turn."""
        self.waiting.put((work, arguments))

    def take(self) -> None:
        """Wait for what a thread wants done, and do it."""
        work, arguments = self.waiting.get(timeout=20)
        work(*arguments)


class Wire(StringTransport):
    """A transport that keeps every write apart, and tells the session when it is closed."""

    def __init__(self, session: Any) -> None:
        super().__init__()
        self.session = session
        self.writes: list[bytes] = []
        self.open = True

    def write(self, data: bytes) -> None:
        """Keep what a peer would read."""
        if data and self.open:
            self.writes.append(data)

    def loseConnection(self) -> None:
        """Close at once: nothing is ever under way here."""
        if self.open:
            self.open = False
            if self.producer is not None:
                self.producer.stopProducing()
            self.session.connectionLost()


@dataclass
class Surroundings:
    """One broker's inside, for all examples, and what its procedures noted down."""

    dispatcher: Dispatcher
    turns: Turns
    ran: list[tuple[str, str, str]] = field(default_factory=list)

    def forget_sign_ons(self) -> None:
        """Empty the sign-on log, so that no example sees another's."""
        self.dispatcher.environment.store.write(lambda connection: connection.execute(delete(SignOnLog))).result(20)

    def nobody_is_signed_on(self) -> bool:
        """Tell whether every entry of the sign-on log is closed, once everything is written that was to be."""
        store = self.dispatcher.environment.store
        return store.write(lambda connection: connection.execute(SIGNED_ON_NOW).first()).result(20) is None


@pytest.fixture(params=["sqlite"])
def database_url(request: pytest.FixtureRequest, tmp_path: object) -> str:
    """What is tested here lies above the database."""
    return f"{request.param}:///{tmp_path}/magbroker.db"


@pytest.fixture
def surroundings(store: Store, site_key: SiteKey) -> Iterator[Surroundings]:
    store.transact(lambda connection: apply_site(connection, parse_site(SITE), site_key, NOON))
    registry = STANDARD.copy()
    register(registry)
    turns = Turns()
    environment = Environment(store, FixedClock(NOON), site_key, CIPHER, lambda: True, registry)
    inside = Surroundings(Dispatcher(registry, environment, SiteCache(store), turns), turns)
    for name in ("ZZ INSIDE", "ZZ OUTSIDE"):

        @procedure(name, access=Access.READS, routine="RUN^ZZ", parameters=("TEXT",), registry=registry)
        def run(call: Call) -> str:
            inside.ran.append((call.procedure.name, call.session.context, call.text(0)))
            return call.text(0)

    yield inside
    inside.dispatcher.workers.shutdown()


def exactly(data: bytes, security: str = "") -> Expected:
    return encode_response(data, security.encode()).__eq__


def beginning(data: bytes) -> Expected:
    return lambda answer: answer.startswith(b"\0\0" + data) and answer.endswith(b"\x04")


class SessionModel(RuleBasedStateMachine):
    """A session of `[XWB]` and what is known of it: whether it is connected and open, set up, whose, and in which context."""

    surroundings: Surroundings

    @initialize()
    def begin(self) -> None:
        """Connect."""
        self.clock = Clock()
        self.hub = Hub(self.surroundings.dispatcher, LIMITS, self.clock)
        self.session = self.make()
        self.wire = Wire(self.session)
        self.session.makeConnection(self.wire)  # twisted gives it no types
        self.surroundings.ran.clear()
        self.surroundings.forget_sign_ons()
        self.ran: list[tuple[str, str, str]] = []
        self.expected: list[Expected] = []
        self.connected, self.open, self.set_up, self.signed_on, self.context = False, True, False, False, SIGN_ON
        self.greet()

    def make(self) -> NSSession:
        return NSSession(self.hub)

    def greet(self) -> None:
        """Nothing is said before a client's first message."""

    def encode(self, name: str, *parameters: Parameter) -> bytes:
        return encode_call(name.encode(), parameters)

    # ---- the model: what comes of a request -----------------------------------------------------------------------------

    def answer(self, expected: Expected) -> None:
        if self.open:
            self.expected.append(expected)

    def refusal(self, name: str, allowed_in: tuple[str, ...]) -> str:
        """Say why a procedure does not run now; empty when it does."""
        if not self.signed_on:
            self.context = SIGN_ON
        if self.context in allowed_in:
            return ""
        if self.context == MAIN:
            return f"The remote procedure {name} is not registered to the option MAIN."
        return NOT_CREATED

    def call(self, name: str, *parameters: Parameter, allowed_in: tuple[str, ...] | None, expected: Expected) -> bytes:
        """Send a call; give its bytes. Where no context allows it, it is refused."""
        if self.open and not self.connected:
            self.reject()
        elif self.open:
            why = "" if allowed_in is None else self.refusal(name, allowed_in)
            self.answer(exactly(b"", why) if why else expected)
        return self.encode(name, *parameters)

    def reject(self) -> None:
        self.answer(exactly(b"reject"))
        self.open = False

    def runs(self, *contexts: str) -> bool:
        """Tell whether a procedure of these contexts runs now."""
        return self.open and self.connected and (self.context if self.signed_on else SIGN_ON) in contexts

    # ---- requests -------------------------------------------------------------------------------------------------------

    def connect(self, _text: bytes) -> bytes:
        if self.connected:
            self.answer(exactly(b"", "No RPC sent"))
        else:
            self.answer(exactly(b"accept"))
            self.connected = self.open
        return encode_connect(b"127.0.0.1", b"model")

    def unknown_command(self, _text: bytes) -> bytes:
        if self.connected:
            self.answer(exactly(b"", "No RPC sent"))
        elif self.open:
            self.reject()
        return encode_command(b"TCPNothing", [Literal(b"x")])

    def here(self, _text: bytes) -> bytes:
        return self.call("XWB IM HERE", allowed_in=None, expected=exactly(b"1"))

    def inside(self, text: bytes) -> bytes:
        if self.runs(MAIN):
            self.ran.append(("ZZ INSIDE", MAIN, text.decode("iso-8859-1")))
        return self.call("ZZ INSIDE", Literal(text), allowed_in=(MAIN,), expected=exactly(text))

    def inside_without_an_answer(self, text: bytes) -> bytes:
        """Set the digit for which VistA runs a procedure and says nothing."""
        expected = list(self.expected)
        request = self.inside(text)
        self.expected = expected if self.open else self.expected
        return request[:8] + b"1" + request[9:]

    def outside(self, text: bytes) -> bytes:
        return self.call("ZZ OUTSIDE", Literal(text), allowed_in=(), expected=exactly(text))

    def unknown(self, _text: bytes) -> bytes:
        why = "Remote Procedure 'NO SUCH RPC' doesn't exist on the server."
        return self.call("NO SUCH RPC", allowed_in=None, expected=exactly(b"", why))

    def m_error(self, _text: bytes) -> bytes:
        return self.call("ZZ ORACLE ERROR", allowed_in=(MAIN,), expected=beginning(b"\x18M  ERROR=ERR^ZZORACLE, Attempt"))

    def setup(self, _text: bytes) -> bytes:
        runs = self.runs(SIGN_ON, MAIN)
        expected = self.call("XUS SIGNON SETUP", allowed_in=(SIGN_ON, MAIN), expected=beginning(b"VISTA\r\n"))
        if runs:
            self.set_up, self.signed_on = True, False
        return expected

    def right_codes(self, _text: bytes) -> bytes:
        return self.codes(b"FRED1;1FRED!@#$", b"1\r\n0\r\n0\r\n\r\n0\r\n0\r\n", right=True)

    def wrong_codes(self, _text: bytes) -> bytes:
        return self.codes(
            b"FRED1;1WRONG!@", b"0\r\n0\r\n0\r\nNot a valid ACCESS CODE/VERIFY CODE pair.\r\n0\r\n0\r\n", right=False
        )

    def codes(self, codes: bytes, answer: bytes, *, right: bool) -> bytes:
        runs = self.runs(SIGN_ON, MAIN)
        expected = beginning(answer if self.set_up else b"\x18M  ERROR=INHIB1+1^XUSRB, Undefined local variable: XQVOL")
        request = self.call("XUS AV CODE", Literal(CIPHER.encipher(codes)), allowed_in=(SIGN_ON, MAIN), expected=expected)
        if runs and self.set_up:
            self.signed_on = right
        elif runs:
            self.after_an_m_error()
        return request

    def after_an_m_error(self) -> None:
        """The user stays signed on."""

    def enter_main(self, _text: bytes) -> bytes:
        request = self.call("XWB CREATE CONTEXT", Literal(CIPHER.encipher(b"MAIN")), allowed_in=None, expected=exactly(b"1"))
        self.context = MAIN if self.open and self.connected else self.context
        return request

    def enter_nothing(self, _text: bytes) -> bytes:
        why = "The context 'NO SUCH' does not exist on server."
        expected = exactly(why.encode(), why)
        request = self.call("XWB CREATE CONTEXT", Literal(CIPHER.encipher(b"NO SUCH")), allowed_in=None, expected=expected)
        self.context = "" if self.open and self.connected else self.context
        return request

    def enter_another(self, _text: bytes) -> bytes:
        """Ask for a context that is not the user's; before a sign-on nobody looks."""
        why = "User FIRST,FRED does not have access to option ANOTHER"
        expected = exactly(why.encode(), why) if self.signed_on else exactly(b"1")
        request = self.call("XWB CREATE CONTEXT", Literal(CIPHER.encipher(b"ANOTHER")), allowed_in=None, expected=expected)
        self.context = "" if self.open and self.connected else self.context
        return request

    def bye(self, _text: bytes) -> bytes:
        """Say goodbye; as the first message it is no request for a session."""
        self.answer(exactly(BYE if self.connected else b"reject"))
        self.open = False
        return encode_bye()

    def garbage(self, text: bytes) -> bytes:
        """Send junk, five bytes of it or ten: it is passed over without a word."""
        return b"junk!" * (1 + len(text) % 2)

    def endless(self, _text: bytes) -> bytes:
        """Announce more than a message may have: the connection is closed without a byte."""
        self.open = False
        return b"[XWB]11902\x051.108\x09ZZ INSIDE50" + b"000009999" + b"x" * 50

    #: What a client may send. Rules draw from it, garbage and ends less often than the rest.
    requests = (
        *("connect", "here", "inside", "inside", "inside_without_an_answer", "outside", "unknown", "m_error"),
        *("setup", "setup", "right_codes", "right_codes", "wrong_codes", "enter_main", "enter_main", "enter_nothing"),
        *("enter_another", "unknown_command", "garbage", "bye", "endless"),
    )

    # ---- rules ----------------------------------------------------------------------------------------------------------

    texts = st.binary(max_size=30).map(lambda text: text.replace(b"\x04", b"")) | st.just(b"x" * 400)

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def sign_on_and_enter(self, data: st.DataObject) -> None:
        """Take the usual way into a session, so that rules see the inside of one."""
        usual = ("setup", "right_codes", "enter_main")
        self.send_all([(name, b"") for name in ((*usual,) if self.connected else ("connect", *usual))], data)

    @precondition(lambda self: self.open)
    @rule(data=st.data(), number=st.integers(1, 6))
    def send(self, data: st.DataObject, number: int) -> None:
        """Send some requests together, cut anywhere, and go on sending while they are answered."""
        self.send_all([(data.draw(st.sampled_from(self.requests)), data.draw(self.texts)) for _ in range(number)], data)

    def send_all(self, wanted: list[tuple[str, bytes]], data: st.DataObject) -> None:
        wire = b"".join([getattr(self, name)(text) for name, text in wanted])
        cuts = data.draw(st.lists(st.integers(0, len(wire)), max_size=8))
        ends = sorted({0, len(wire), *cuts, *range(0, len(wire), PIECE)})
        for start, end in pairwise(ends):
            self.deliver(wire[start:end])
            if data.draw(st.booleans()):
                self.settle()
        self.settle()

    def deliver(self, piece: bytes) -> None:
        """Hand bytes over, as a transport does: not to a session that has asked for a pause, nor to a closed one."""
        while self.wire.open and self.wire.producerState == "paused":
            self.surroundings.turns.take()
        if self.wire.open:
            self.session.dataReceived(piece)
            assert self.session.held <= LIMITS.ahead_bytes + PIECE or not self.session.busy
            assert self.session.retained <= LIMITS.message_bytes + LIMITS.ahead_bytes + PIECE

    def settle(self) -> None:
        """Let everything be answered that is complete."""
        while self.session.busy and self.wire.open:
            self.surroundings.turns.take()

    @precondition(lambda self: self.open)
    @rule(size=st.integers(1, 60))
    def fall_silent_in_a_message(self, size: int) -> None:
        """A message that stays short is borne for some seconds; then the connection is closed without a byte."""
        self.deliver(self.encode("ZZ INSIDE", Literal(b"x" * 80))[:size])
        self.wait(MID_MESSAGE - 0.1)
        assert self.wire.open
        self.wait(1)
        self.open = False

    @precondition(lambda self: self.open)
    @rule()
    def fall_silent_between_messages(self) -> None:
        """A connection may be silent for as long as its state allows."""
        self.wait(self.bearable() - 1)
        assert self.wire.open
        self.wait(2)
        self.last_words()
        self.open = False

    def bearable(self) -> float:
        """Give the seconds of silence that are borne between messages."""
        if not self.connected:
            return BEFORE_CONNECT
        return SIGNED_ON if self.signed_on else BEFORE_SIGN_ON

    def last_words(self) -> None:
        """Nothing is said to a silent client."""

    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.hub.watch()

    @precondition(lambda self: self.open)
    @rule(size=st.integers(0, 60))
    def hang_up(self, size: int) -> None:
        """Go away, in a message or between two."""
        self.deliver(self.encode("ZZ INSIDE", Literal(b"x" * 80))[:size])
        self.wire.loseConnection()
        self.open = False

    @precondition(lambda self: self.runs(SIGN_ON, MAIN) and self.set_up)
    @rule()
    def hang_up_while_signing_on(self) -> None:
        """Go away before the codes are looked at: nobody stays signed on."""
        self.deliver(self.encode("XUS AV CODE", Literal(CIPHER.encipher(b"FRED1;1FRED!@#$"))))
        self.wire.loseConnection()
        self.open = False
        while self.session.busy:
            self.surroundings.turns.take()

    @precondition(lambda self: not self.open)
    @rule()
    def connect_anew(self) -> None:
        """Begin again."""
        self.begin()

    # ---- what always holds ----------------------------------------------------------------------------------------------

    @invariant()
    def every_request_has_its_answer(self) -> None:
        """Answers are those that the model foresaw, in number and order."""
        answers = self.wire.writes
        assert len(answers) == len(self.expected), f"{len(answers)} answers to {len(self.expected)} requests: {answers}"
        for answer, expected in zip(answers, self.expected, strict=True):
            assert expected(answer), answer
        self.wire.writes, self.expected = [], []

    @invariant()
    def nothing_ran_out_of_its_context(self) -> None:
        """What ran is what the model foresaw, in its context; `ZZ OUTSIDE` never does."""
        assert self.surroundings.ran == self.ran

    @invariant()
    def the_connection_ends_when_it_should(self) -> None:
        """It is open as long as the model says; closed, it holds nothing."""
        assert self.wire.open == self.open
        assert self.hub.connections == ({self.session} if self.open else set())
        assert self.hub.retained == (self.session.weight if self.open else 0)
        assert self.open or self.surroundings.nobody_is_signed_on()

    def teardown(self) -> None:
        """Go away."""
        if self.wire.open:
            self.wire.loseConnection()


class OldSessionModel(SessionModel):
    """The same of an old-style session, which is connected from the start, forgets its user at an M error, and says goodbye."""

    def make(self) -> NSSession:
        """Begin where the client was called back."""
        return OldSession(self.hub, ConnectAsked(b"TCPconnect", b"127.0.0.1", b"9300", b"model", b"1.108"), "127.0.0.1")

    def greet(self) -> None:
        """A session is connected when it begins."""
        assert self.hub.admits("127.0.0.1")
        self.connected = True

    def encode(self, name: str, *parameters: Parameter) -> bytes:
        """Write the old protocol's form."""
        return encode_old_call(name.encode(), parameters)

    def after_an_m_error(self) -> None:
        """The user is signed off."""
        self.signed_on = False

    def m_error(self, text: bytes) -> bytes:
        """An error is the end of a sign-on."""
        runs = self.runs(MAIN)
        request = super().m_error(text)
        if runs:
            self.after_an_m_error()
        return request

    def nothing(self, _text: bytes) -> bytes:
        """Send a message without text."""
        self.answer(exactly(b"", "Required input reference is NULL"))
        return b"{XWB}00008|\x01000000"

    def bye(self, _text: bytes) -> bytes:
        """Take leave."""
        self.answer(exactly(BYE))
        self.open = False
        return encode_old_bye()

    def bare_bye(self, _text: bytes) -> bytes:
        """Take leave without waiting for an answer: there is none."""
        self.open = False
        return BYE

    def garbage(self, _text: bytes) -> bytes:
        """Send what is no request: a goodbye is the answer."""
        self.answer(exactly(BYE))
        self.open = False
        return b"[XWB]11302\x05"

    def endless(self, _text: bytes) -> bytes:
        """Announce more than a message may have."""
        self.open = False
        return b"{XWB}00000|\x01099999" + b"x" * 50

    def last_words(self) -> None:
        """Say why the connection ends."""
        lines = b"0\r\n1\r\n\r\nTIME-OUT\r\n"
        self.answer(exactly(BYE + b"\x04") if self.signed_on else exactly(lines))

    def bearable(self) -> float:
        """Old clients have half the time to sign on."""
        return SIGNED_ON if self.signed_on else 94

    requests = (
        *("here", "inside", "inside", "outside", "unknown", "m_error", "setup", "setup", "right_codes", "right_codes"),
        *("wrong_codes", "enter_main", "enter_main", "enter_nothing", "enter_another", "nothing", "garbage", "bye", "bare_bye"),
        "endless",
    )


@pytest.mark.parametrize("model", [SessionModel, OldSessionModel])
def test_sessions_do_what_their_model_says(surroundings: Surroundings, model: type[SessionModel]) -> None:
    machine = type(model.__name__, (model,), {"surroundings": surroundings})
    options = settings(max_examples=150, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(machine, settings=options)  # hypothesis gives it no types
