"""A call that waits goes on once: when it is woken, when its time is over, and never after its session has ended."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.task import Clock

from broker.waiting import LONGEST, Waits
from fileman import Sleepers
from rpcs import AskWhenWoken


class Reactor(Clock):
    """A clock that the test moves; what another thread wants called is called at once."""

    def callFromThread(self, function: Any, *arguments: Any) -> None:
        function(*arguments)


@pytest.fixture
def waits() -> Waits:
    return Waits(Sleepers(), Reactor())


def begin(waits: Waits, session: str = "1", seconds: float = 20.0, *, missed: int = 0) -> list[str]:
    ran: list[str] = []
    asked = AskWhenWoken(("EXPORT 660", "EXPORT 688"), seconds, waits.sleepers.count - missed)
    waits.begin(session, asked, lambda: ran.append(session))
    return ran


@pytest.mark.parametrize("topic", ["EXPORT 660", "EXPORT 688"])
def test_a_topic_that_is_woken_lets_a_call_go_on_once(waits: Waits, topic: str) -> None:
    first, second = begin(waits, "1"), begin(waits, "2")
    waits.sleepers.wake(["EXPORT 1"])
    assert (first, second) == ([], [])
    waits.sleepers.wake([topic])
    waits.sleepers.wake([topic])
    waits.reactor.advance(100)
    assert (first, second) == (["1"], ["2"])
    assert waits.reactor.getDelayedCalls() == []


@pytest.mark.parametrize(("seconds", "waited"), [(20.0, 20.0), (1e9, LONGEST)])
def test_a_call_goes_on_when_its_time_is_over(waits: Waits, seconds: float, waited: float) -> None:
    ran = begin(waits, seconds=seconds)
    waits.reactor.advance(waited - 1)
    assert ran == []
    waits.reactor.advance(1)
    assert ran == ["1"]
    waits.sleepers.wake(["EXPORT 660"])
    assert ran == ["1"]


def test_what_came_between_the_look_and_the_wait_is_not_missed(waits: Waits) -> None:
    waits.sleepers.wake(["EXPORT 660"])
    assert begin(waits, missed=1) == ["1"]


def test_a_session_that_has_ended_asks_no_more(waits: Waits) -> None:
    ran = begin(waits)
    waits.end("1")
    waits.end("1")
    waits.sleepers.wake(["EXPORT 660"])
    waits.reactor.advance(100)
    assert ran == []
