"""Workers keep a session, open it again when it is lost, and end only when they are told to."""

from __future__ import annotations

import inspect
import pkgutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from importlib import import_module

import pytest

import gateway_client
from gateway_client.backoff import Backoff, pause_after
from gateway_client.broker import LEARN_AGAIN, Broker, Worker
from gateway_client.errors import JournalError
from gateway_client.story import Event
from runtime import FixedClock, SystemClock
from tests.unit.gateway_client.fakes import FakeBroker
from xwb import ConnectionLost, SecurityRefused


@dataclass
class FakeTask:
    """Does what `steps` says, in turn; sets `done` when there is nothing left."""

    steps: list[Callable[[], bool]] = field(default_factory=list)
    connections: int = 0
    idle: int = 0
    done: threading.Event = field(default_factory=threading.Event)

    def connected(self, broker: Broker) -> None:
        """Count."""
        self.connections += 1

    def step(self, broker: Broker) -> bool:
        """Do the next step."""
        if not self.steps:
            self.done.set()
            return False
        return self.steps.pop(0)()

    def offline(self) -> None:
        """Count."""
        self.idle += 1


@dataclass
class LearningTask(FakeTask):
    """Goes by what the site says."""

    learned: int = 0

    def learn(self, broker: Broker) -> None:
        """Count."""
        self.learned += 1


def fail(error: Exception) -> Callable[[], bool]:
    """Make a step that raises."""

    def step() -> bool:
        raise error

    return step


@pytest.fixture
def work() -> Iterator[Callable[..., Worker]]:
    workers: list[Worker] = []

    def start(task: FakeTask, connect: Callable[[], FakeBroker] = FakeBroker) -> Worker:
        worker = Worker("test", task, connect, SystemClock(), lambda: 0.0, idle_seconds=0.01)
        worker._backoff.first = 0.01
        workers.append(worker)
        worker.start()
        return worker

    yield start
    for worker in workers:
        worker.stop()
        worker.join(10)
        assert not worker.is_alive()


@pytest.mark.parametrize(
    "error", [ConnectionLost("cut"), SecurityRefused("no"), JournalError("full"), ZeroDivisionError("a fault")]
)
def test_whatever_a_step_raises_the_worker_signs_on_again_and_goes_on(work: Callable[..., Worker], error: Exception) -> None:
    sessions: list[FakeBroker] = []

    def connect() -> FakeBroker:
        sessions.append(FakeBroker())
        return sessions[-1]

    task = FakeTask([lambda: True, fail(error), lambda: True])
    work(task, connect)
    assert task.done.wait(10)
    assert task.connections == 2
    assert sessions[0].closed
    assert not sessions[1].closed


def test_a_broker_that_is_down_is_tried_again_and_the_rest_goes_on(work: Callable[..., Worker]) -> None:
    refusals = [ConnectionLost("down"), ConnectionLost("down"), ConnectionLost("down")]

    def connect() -> FakeBroker:
        if refusals:
            raise refusals.pop()
        return FakeBroker()

    task = FakeTask()
    work(task, connect)
    assert task.done.wait(10)
    assert task.connections == 1
    assert task.idle >= 4


def test_a_worker_that_is_told_to_stop_takes_leave() -> None:
    session, task = FakeBroker(), FakeTask()
    worker = Worker("test", task, lambda: session, SystemClock(), lambda: 0.0, idle_seconds=60)
    worker.start()
    assert task.done.wait(10)
    worker.stop()
    worker.join(10)
    assert not worker.is_alive()
    assert session.closed


def test_a_worker_that_is_woken_does_not_sleep_out(work: Callable[..., Worker]) -> None:
    task = FakeTask()
    worker = Worker("test", task, FakeBroker, SystemClock(), lambda: 0.0, idle_seconds=60)
    worker.start()
    assert task.done.wait(10)
    task.done.clear()
    for _ in range(100):
        worker.wake()
        if task.done.wait(0.1):
            break
    assert task.done.is_set()
    worker.stop()
    worker.join(10)


def test_a_silent_session_says_that_it_is_here() -> None:
    session, task = FakeBroker(), FakeTask()
    worker = Worker("test", task, lambda: session, SystemClock(), lambda: 0.0, idle_seconds=60)
    worker._last_call = -1000.0
    worker.start()
    assert task.done.wait(10)
    worker.stop()
    worker.join(10)
    assert [name for name, _ in session.calls] == ["XWB IM HERE"]


def test_a_task_that_goes_by_the_site_asks_again_what_that_says() -> None:
    clock, task = FixedClock(datetime.fromisoformat("2026-11-18T12:00")), LearningTask()
    told: list[int] = []

    def later() -> bool:
        clock.advance(LEARN_AGAIN / 2)
        told.append(task.learned)
        return True

    task.steps = [later] * 5
    worker = Worker("test", task, FakeBroker, clock, lambda: 0.0, idle_seconds=60)
    worker.start()
    assert task.done.wait(10)
    worker.stop()
    worker.join(10)
    assert told == [0, 0, 1, 1, 2], "a session begins with it, and it is asked again after every so many seconds"


def test_what_the_site_is_asked_for_anew_is_asked_with_a_session_alone() -> None:
    for module in pkgutil.walk_packages(gateway_client.__path__, "gateway_client."):
        for found in vars(import_module(module.name)).values():
            if isinstance(found, type) and callable(getattr(found, "step", None)) and hasattr(found, "learn"):
                assert list(inspect.signature(found.learn).parameters) == ["self", "broker"], found


def test_pauses_double_and_are_spread() -> None:
    backoff = Backoff(lambda: 0.0, first=1.0, last=10.0)
    assert [backoff.next() for _ in range(6)] == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
    backoff.reset()
    assert backoff.next() == 0.5
    assert pause_after(3, 1.0, 100.0, lambda: 1.0) == 8.0
    assert pause_after(10**6, 1.0, 100.0, lambda: 0.0) == 50.0


def test_an_event_is_one_line_of_seven_pieces_whatever_it_says() -> None:
    event = Event("1.2.3", "HOLD", 0.5, "refused", 12, "AE^X", "a^b\r\nc" + "x" * 1000)
    pieces = event.line.split("^")
    assert len(pieces) == 7
    assert pieces[:6] == ["1.2.3", "12", "HOLD", "1970-01-01T00:00:00.500+00:00", "AE X", "refused"]
    assert pieces[6].startswith("a b  cxx")
    assert len(pieces[6]) == 500


def test_a_worker_that_did_something_wakes_its_neighbours(work: Callable[..., Worker]) -> None:
    idle = FakeTask()
    sleeper = Worker("sleeper", idle, FakeBroker, SystemClock(), lambda: 0.0, idle_seconds=60)
    sleeper.start()
    assert idle.done.wait(10)
    idle.done.clear()
    productive = threading.Event()

    def produce() -> bool:
        productive.wait(10)
        return True

    worker = work(FakeTask([produce, lambda: False]))
    worker.neighbours = (sleeper,)
    productive.set()
    assert idle.done.wait(10)
    sleeper.stop()
    sleeper.join(10)
