"""The archive's broker sessions: kept, opened again, bounded."""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import Clock

from gateway_client.archive.sessions import WAITING, Sessions, TooManyQuestions
from gateway_client.broker import KEEP_ALIVE
from runtime import ReactorThread
from tests.support.waiting import until
from tests.unit.gateway_client.fakes import FakeAnswer
from xwb import ApplicationError, Argument, ConnectionLost, SignOnRefused, TimedOut, XWBError


@dataclass
class Line:
    """A broker session whose calls may be lost, refused or held up."""

    number: int
    office: Office
    closed: bool = False
    calls: list[str] = field(default_factory=list)

    def call(self, name: str, *arguments: Argument) -> FakeAnswer:
        """Call a procedure."""
        self.calls.append(name)
        self.office.gate.wait(30)
        if self.number in self.office.dead:
            raise ConnectionLost
        if name in self.office.failing:
            raise self.office.failing[name]
        return FakeAnswer([f"{self.number}: {name} {arguments}"])

    def bye(self) -> None:
        """Take leave."""
        self.closed = True

    def close(self) -> None:
        """Close."""
        self.closed = True


@dataclass
class Office:
    """Opens sessions, and says what becomes of them."""

    lines: list[Line] = field(default_factory=list)
    dead: set[int] = field(default_factory=set)
    failing: dict[str, XWBError] = field(default_factory=dict)
    refuses: bool = False
    tries: int = 0
    gate: threading.Event = field(default_factory=threading.Event)

    def connect(self) -> Line:
        """Open a session."""
        self.tries += 1
        if self.refuses:
            raise SignOnRefused
        line = Line(len(self.lines) + 1, self)
        self.lines.append(line)
        return line


@pytest.fixture
def reactor() -> Iterator[ReactorThread]:
    thread = ReactorThread("sessions")
    yield thread
    thread.stop()


@pytest.fixture
def office() -> Office:
    made = Office()
    made.gate.set()
    return made


@pytest.fixture
def sessions(office: Office, reactor: ReactorThread) -> Iterator[Sessions]:
    made = Sessions(office.connect, 2, reactor.reactor)
    yield made
    office.gate.set()
    made.close()


def text(reactor: ReactorThread, ask: Callable[[], Coroutine[Any, Any, Any]]) -> str:
    answer: str = reactor.call(lambda: Deferred.fromCoroutine(ask())).text
    return answer


def test_a_session_is_kept_for_the_next_call(reactor: ReactorThread, office: Office, sessions: Sessions) -> None:
    assert text(reactor, lambda: sessions.call("MAGB QUERY", "one")) == "1: MAGB QUERY ('one',)"
    assert text(reactor, lambda: sessions.call("MAGB QUERY", "two")) == "1: MAGB QUERY ('two',)"
    assert len(office.lines) == 1


def test_a_question_is_asked_again_where_a_kept_session_is_lost(
    reactor: ReactorThread, office: Office, sessions: Sessions
) -> None:
    text(reactor, lambda: sessions.call("MAGB QUERY"))
    office.dead.add(1)
    assert text(reactor, lambda: sessions.call("MAGB QUERY")) == "2: MAGB QUERY ()"
    assert office.lines[0].closed


def test_a_session_that_is_lost_at_once_is_told(reactor: ReactorThread, office: Office, sessions: Sessions) -> None:
    office.dead |= {1, 2, 3}
    with pytest.raises(ConnectionLost):
        text(reactor, lambda: sessions.call("MAGB QUERY"))
    assert office.lines[0].closed
    assert office.tries == 1


def test_a_broker_that_does_not_answer_is_not_asked_again(reactor: ReactorThread, office: Office, sessions: Sessions) -> None:
    text(reactor, lambda: sessions.call("MAGB QUERY"))
    office.failing["MAGB QUERY"] = TimedOut()
    with pytest.raises(TimedOut):
        text(reactor, lambda: sessions.call("MAGB QUERY"))
    assert office.tries == 1


def test_a_session_goes_on_after_a_call_that_was_refused(reactor: ReactorThread, office: Office, sessions: Sessions) -> None:
    office.failing["MAGB QUERY"] = ApplicationError("no such level")
    with pytest.raises(ApplicationError, match="no such level"):
        text(reactor, lambda: sessions.call("MAGB QUERY"))
    assert text(reactor, lambda: sessions.call("MAGB RETRIEVE")).startswith("1:")


def test_what_may_be_carried_out_once_goes_over_a_session_that_has_said_that_it_is_there(
    reactor: ReactorThread, office: Office, sessions: Sessions
) -> None:
    text(reactor, lambda: sessions.call("MAGB QUERY"))
    office.dead.add(1)
    assert text(reactor, lambda: sessions.call_once("MAGB MPPS")) == "2: MAGB MPPS ()"
    assert office.lines[0].calls == ["MAGB QUERY", "XWB IM HERE"]
    assert text(reactor, lambda: sessions.call_once("MAGB MPPS")) == "2: MAGB MPPS ()"


def test_what_may_be_carried_out_once_is_not_repeated_when_it_is_lost(
    reactor: ReactorThread, office: Office, sessions: Sessions
) -> None:
    text(reactor, lambda: sessions.call("MAGB QUERY"))
    office.failing["MAGB MPPS"] = ConnectionLost()
    with pytest.raises(ConnectionLost):
        text(reactor, lambda: sessions.call_once("MAGB MPPS"))
    assert office.lines[0].calls == ["MAGB QUERY", "XWB IM HERE", "MAGB MPPS"]
    assert office.tries == 1


def test_codes_that_were_refused_are_not_tried_again_at_once(reactor: ReactorThread, office: Office, sessions: Sessions) -> None:
    office.refuses = True
    for _ in range(3):
        with pytest.raises(SignOnRefused):
            text(reactor, lambda: sessions.call("MAGB QUERY"))
    assert office.tries == 1


def test_as_many_calls_go_on_as_there_are_sessions_and_too_many_are_refused(
    reactor: ReactorThread, office: Office, sessions: Sessions
) -> None:
    office.gate.clear()
    most = 2 * (1 + WAITING)

    def ask() -> Deferred[Any]:
        asked = [Deferred.fromCoroutine(sessions.call("MAGB QUERY", number)) for number in range(most)]
        refused = Deferred.fromCoroutine(sessions.call("MAGB QUERY", "too many"))

        def release(failure: Any) -> Deferred[Any]:
            failure.trap(TooManyQuestions)
            until(lambda: len(office.lines) == 2)
            office.gate.set()
            return gatherResults(asked)

        return refused.addErrback(release)

    answers = reactor.call(ask)
    assert sorted(answer.text.split()[3] for answer in answers) == sorted(f"({number},)" for number in range(most))
    assert len(office.lines) == 2


def test_sessions_take_leave_at_the_end(reactor: ReactorThread, office: Office) -> None:
    sessions = Sessions(office.connect, 2, reactor.reactor)
    text(reactor, lambda: sessions.call("MAGB QUERY"))
    sessions.close()
    assert [line.closed for line in office.lines] == [True]
    with pytest.raises(XWBError, match="stops"):
        text(reactor, lambda: sessions.call("MAGB QUERY"))


class HandedClock(Clock):
    """A clock that takes what other threads hand to it at once."""

    def callFromThread(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Call it here."""
        function(*arguments)


def test_a_silent_session_says_that_it_is_there_and_one_that_is_lost_is_let_go(office: Office) -> None:
    clock = HandedClock()
    sessions = Sessions(office.connect, 1, clock)
    try:
        asked = Deferred.fromCoroutine(sessions.call("MAGB QUERY"))
        until(lambda: asked.called, "an answer")
        clock.advance(KEEP_ALIVE)
        until(lambda: office.lines[0].calls == ["MAGB QUERY", "XWB IM HERE"], "a word of the session")
        office.dead.add(1)
        clock.advance(KEEP_ALIVE)
        until(lambda: office.lines[0].closed, "its end")
    finally:
        sessions.close()
