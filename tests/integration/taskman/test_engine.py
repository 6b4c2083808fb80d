"""TaskMan runs tasks as their records say, on both engines, whatever dies."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, update

from fileman import Store
from fileman.files import RunningTask, Task
from runtime import SystemClock
from taskman import Engine, EngineDown, TaskContext, api, routine, tasks

RAN: list[tuple[int, dict[str, Any]]] = []
GATE = threading.Event()


@routine("QUICK^ZZTEST")
def quick(task: TaskContext) -> None:
    RAN.append((task.number, dict(task.arguments)))


@routine("FAIL^ZZTEST")
def fail(_task: TaskContext) -> None:
    raise ValueError("no such thing")


@routine("LOOP^ZZTEST", subject=lambda arguments: f"LOOP {arguments.get('place', 1)}")
def loop(task: TaskContext) -> None:
    RAN.append((task.number, dict(task.arguments)))
    while not task.stop_requested():
        task.pause(0.02)


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for something to come true; fail when it does not in time."""
    waiting = threading.Event()
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        waiting.wait(0.02)


@pytest.fixture
def engine(store: Store, tmp_path: Path) -> Iterator[Engine]:
    RAN.clear()
    engine = Engine(store, SystemClock(), tmp_path)
    engine.launch()
    yield engine
    engine.shutdown()


def load(store: Store, entry_point: str, at: float | None = None, **arguments: Any) -> int:
    return store.transact(lambda connection: api.load(connection, entry_point, arguments, "a test", 1, time.time(), at))


def code(store: Store, number: int) -> str:
    return store.read(lambda connection: api.status(connection, number)).code


def test_a_task_runs_once_with_its_arguments_and_ends_completed(store: Store, engine: Engine) -> None:
    number = load(store, "QUICK^ZZTEST", colour="red")
    assert number == 1000
    engine.enqueue(number, 1)
    engine.enqueue(number, 1)
    until(lambda: code(store, number) == tasks.FINISHED)
    assert [(number, {"colour": "red"})] == RAN
    assert store.read(lambda connection: api.status(connection, number)).text == "Inactive: Finished"


def test_a_task_that_nobody_handed_over_is_found(store: Store, engine: Engine) -> None:
    number = load(store, "QUICK^ZZTEST")
    until(lambda: code(store, number) == tasks.FINISHED)


def test_a_task_for_later_waits_for_its_time(store: Store, engine: Engine) -> None:
    later = load(store, "QUICK^ZZTEST", at=time.time() + 3600)
    now = load(store, "QUICK^ZZTEST")
    until(lambda: code(store, now) == tasks.FINISHED)
    assert code(store, later) == tasks.SCHEDULED
    store.transact(
        lambda connection: connection.execute(update(Task).where(Task.number == later).values(scheduled_at=time.time()))
    )
    until(lambda: code(store, later) == tasks.FINISHED)


def test_an_error_ends_the_task_and_not_the_worker(store: Store, engine: Engine) -> None:
    number = load(store, "FAIL^ZZTEST")
    until(lambda: code(store, number) == tasks.FAILED)
    assert "no such thing" in store.read(lambda connection: api.status(connection, number)).message
    unknown = load(store, "NOWHERE^ZZTEST")
    until(lambda: code(store, unknown) == tasks.REJECTED)


def test_one_task_runs_per_subject_and_stops_when_asked(store: Store, engine: Engine) -> None:
    first = load(store, "LOOP^ZZTEST", place=1)
    until(lambda: (first, {"place": 1}) in RAN)
    second = load(store, "LOOP^ZZTEST", place=1)
    elsewhere = load(store, "LOOP^ZZTEST", place=2)
    until(lambda: code(store, second) == tasks.FINISHED)
    until(lambda: (elsewhere, {"place": 2}) in RAN)
    assert [number for number, _ in RAN] == [first, elsewhere]
    assert store.read(lambda connection: api.is_running(connection, "LOOP 1", time.time()))
    store.transact(lambda connection: api.stop(connection, first))
    until(lambda: code(store, first) == tasks.STOPPED)
    assert code(store, elsewhere) == tasks.RUNNING
    store.transact(lambda connection: api.stop_all(connection, "LOOP^ZZTEST"))
    until(lambda: code(store, elsewhere) == tasks.STOPPED)
    assert not store.read(lambda connection: api.is_running(connection, "LOOP 1", time.time()))


def test_what_a_dead_executor_ran_begins_again(store: Store, tmp_path: Path) -> None:
    RAN.clear()
    number = load(store, "LOOP^ZZTEST", place=9)
    dead = {"status": tasks.RUNNING, "executor": "dead-1"}
    store.transact(lambda connection: connection.execute(update(Task).where(Task.number == number).values(**dead)))
    expires = time.time() + (1000 if store.sqlite else -1)
    lease = {"subject": "LOOP 9", "task": number, "expires_at": expires}
    store.transact(lambda connection: connection.execute(insert(RunningTask).values(**lease)))
    engine = Engine(store, SystemClock(), tmp_path)
    engine.launch()
    until(lambda: (number, {"place": 9}) in RAN)
    engine.shutdown()
    assert code(store, number) == tasks.SCHEDULED  # interrupted by the shutdown: it goes on at the next start


def test_an_engine_that_is_down_takes_nothing(store: Store, tmp_path: Path) -> None:
    engine = Engine(store, SystemClock(), tmp_path)
    assert not engine.accepting()
    with pytest.raises(EngineDown):
        engine.enqueue(1000, 1)
    engine.launch()
    assert engine.accepting()
    engine.shutdown()
    assert not engine.accepting()
