"""TaskMan runs tasks as their records say, on both engines, whatever dies."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from fileman import Store
from fileman.files import RunningTask, Task, TaskManager
from runtime import SystemClock
from taskman import Engine, EngineDown, Pace, TaskContext, api, record, routine, schedule
from tests.support.postgres import PostgresCluster
from tests.support.waiting import until

RAN: list[tuple[int, dict[str, Any]]] = []
#: A worker process that runs the loop below until it is killed.
WORKER = """
import sys, threading
from pathlib import Path
from fileman import Store
from runtime import SystemClock
from taskman import Engine
import tests.integration.taskman.test_engine
Engine(Store(sys.argv[1]), SystemClock(), Path(sys.argv[2])).launch()
threading.Event().wait()
"""


@routine("QUICK^ZZTEST", option="ZZ QUICK")
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
    return store.read(lambda connection: api.stat(connection, number)).code


def test_a_task_runs_once_with_its_arguments_and_ends_completed(store: Store, engine: Engine) -> None:
    number = load(store, "QUICK^ZZTEST", colour="red")
    assert number == 1000
    engine.enqueue(number)
    engine.enqueue(number)
    until(lambda: code(store, number) == record.FINISHED)
    assert [(number, {"colour": "red"})] == RAN
    assert store.read(lambda connection: api.stat(connection, number)).text == "Inactive: Finished"


def test_a_task_that_nobody_handed_over_is_found(store: Store, engine: Engine) -> None:
    number = load(store, "QUICK^ZZTEST")
    until(lambda: code(store, number) == record.FINISHED)
    assert [(number, {})] == RAN


@pytest.mark.parametrize("seconds", [0.02, 0.08])
def test_a_shutdown_in_the_middle_of_many_tasks_leaves_them_to_the_next_start(
    store: Store, tmp_path: Path, seconds: float
) -> None:
    """The engine may have been told of a task that it then does not run."""
    RAN.clear()
    first, second = (Engine(store, SystemClock(), tmp_path) for _ in range(2))
    first.launch()
    numbers = [load(store, "QUICK^ZZTEST") for _ in range(100)]
    first.reconciler.wake.set()
    threading.Event().wait(seconds)
    first.shutdown()
    second.launch()
    try:
        until(lambda: {code(store, number) for number in numbers} == {record.FINISHED}, seconds=40)
    finally:
        second.shutdown()
    assert sorted(number for number, _ in RAN) == numbers


def test_a_task_that_was_dequeued_while_it_ran_can_be_requeued_when_its_executor_died(store: Store, engine: Engine) -> None:
    number = load(store, "QUICK^ZZTEST", at=time.time() + 3600)
    dead = {"executor": "dead", "status": "F", "requeue_at": None}
    store.transact(lambda connection: connection.execute(update(Task).where(Task.number == number).values(dead)))
    executor = select(Task.executor).where(Task.number == number)
    until(lambda: store.read(lambda connection: connection.execute(executor).scalar_one()) == "")
    assert code(store, number) == "F"
    store.transact(lambda connection: connection.execute(update(Task).where(Task.number == number).values(dead)))
    assert store.transact(lambda connection: api.req(connection, number, time.time(), ""))
    until(lambda: code(store, number) == record.FINISHED)


def test_a_task_for_later_waits_for_its_time(store: Store, engine: Engine) -> None:
    later = load(store, "QUICK^ZZTEST", at=time.time() + 3600)
    now = load(store, "QUICK^ZZTEST")
    until(lambda: code(store, now) == record.FINISHED)
    assert code(store, later) == record.SCHEDULED
    store.transact(
        lambda connection: connection.execute(update(Task).where(Task.number == later).values(scheduled_at=time.time()))
    )
    until(lambda: code(store, later) == record.FINISHED)


def test_an_error_ends_the_task_and_not_the_worker(store: Store, engine: Engine) -> None:
    number = load(store, "FAIL^ZZTEST")
    until(lambda: code(store, number) == record.FAILED)
    assert "no such thing" in store.read(lambda connection: api.stat(connection, number)).message
    unknown = load(store, "NOWHERE^ZZTEST")
    until(lambda: code(store, unknown) == record.REJECTED)


def test_one_task_runs_per_subject_and_stops_when_asked(store: Store, engine: Engine) -> None:
    first = load(store, "LOOP^ZZTEST", place=1)
    until(lambda: (first, {"place": 1}) in RAN)
    second = load(store, "LOOP^ZZTEST", place=1)
    elsewhere = load(store, "LOOP^ZZTEST", place=2)
    until(lambda: code(store, second) == record.FINISHED)
    until(lambda: (elsewhere, {"place": 2}) in RAN)
    assert [number for number, _ in RAN] == [first, elsewhere]
    assert store.read(lambda connection: api.is_running(connection, "LOOP 1", time.time()))
    store.transact(lambda connection: api.askstop(connection, first, 0.0))
    until(lambda: code(store, first) == record.STOPPED)
    assert code(store, elsewhere) == record.RUNNING
    store.transact(lambda connection: api.stop_all(connection, "LOOP^ZZTEST"))
    until(lambda: code(store, elsewhere) == record.STOPPED)
    assert not store.read(lambda connection: api.is_running(connection, "LOOP 1", time.time()))


def test_what_a_dead_executor_ran_begins_again(store: Store, tmp_path: Path) -> None:
    RAN.clear()
    number = load(store, "LOOP^ZZTEST", place=9)
    dead = {"status": record.RUNNING, "executor": "dead-1"}
    store.transact(lambda connection: connection.execute(update(Task).where(Task.number == number).values(**dead)))
    expires = time.time() + (1000 if store.sqlite else -1)
    lease = {"subject": "LOOP 9", "task": number, "expires_at": expires}
    store.transact(lambda connection: connection.execute(insert(RunningTask).values(**lease)))
    engine = Engine(store, SystemClock(), tmp_path)
    engine.launch()
    until(lambda: (number, {"place": 9}) in RAN)
    engine.shutdown()
    assert code(store, number) == record.SCHEDULED  # interrupted by the shutdown: it goes on at the next start


def test_an_engine_that_is_down_takes_nothing(store: Store, tmp_path: Path) -> None:
    engine = Engine(store, SystemClock(), tmp_path)
    assert not engine.accepting()
    with pytest.raises(EngineDown):
        engine.enqueue(1000)
    engine.launch()
    assert engine.accepting()
    engine.shutdown()
    assert not engine.accepting()


def test_what_an_executor_reserved_and_never_began_begins_elsewhere(store: Store, engine: Engine) -> None:
    number = load(store, "QUICK^ZZTEST", at=time.time() + 3600)
    reserved = {"status": record.PREPARED, "executor": "dead-1", "scheduled_at": 0.0}
    store.transact(lambda connection: connection.execute(update(Task).where(Task.number == number).values(**reserved)))
    until(lambda: code(store, number) == record.FINISHED)
    assert store.read(lambda connection: connection.execute(select(Task.attempt)).scalar()) == 2


def test_more_tasks_than_places_run_all_the_same(store: Store, tmp_path: Path) -> None:
    RAN.clear()
    engine = Engine(store, SystemClock(), tmp_path, pace=Pace(slots=2))
    numbers = [load(store, "QUICK^ZZTEST") for _ in range(20)]
    engine.launch()
    until(lambda: all(code(store, number) == record.FINISHED for number in numbers))
    assert sorted(number for number, _ in RAN) == numbers
    engine.shutdown()


def test_a_scheduled_option_runs_when_its_time_has_come(store: Store, engine: Engine) -> None:
    store.transact(lambda connection: schedule.add_schedule(connection, "ZZ QUICK", "1D", time.time() + 0.5, parameter="x"))
    until(lambda: [arguments for _, arguments in RAN] == [{"ZTQPARAM": "x"}])
    (entry,) = store.read(schedule.list_schedules)
    assert entry.next_at is not None
    assert entry.next_at > time.time() + 80_000


def test_a_task_whose_end_could_not_be_written_runs_again(store: Store, engine: Engine) -> None:
    number = load(store, "QUICK^ZZTEST", at=time.time() + 3600)
    undone = {"status": record.RUNNING, "executor": engine.executor, "scheduled_at": 0.0}
    store.transact(lambda connection: connection.execute(update(Task).where(Task.number == number).values(**undone)))
    until(lambda: code(store, number) == record.FINISHED)
    assert [(number, {})] == RAN


def test_a_process_that_is_killed_loses_no_task(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    RAN.clear()
    number = load(store, "LOOP^ZZTEST", place=3)
    worker = subprocess.Popen([sys.executable, "-c", WORKER, store.url, str(tmp_path)])
    until(lambda: code(store, number) == record.RUNNING)
    worker.kill()
    worker.wait(10)
    assert code(store, number) == record.RUNNING
    engine = Engine(store, SystemClock(), tmp_path, pace=Pace(heartbeat=0.25, dead_after=1.0))
    engine.launch()
    until(lambda: (number, {"place": 3}) in RAN)
    store.transact(lambda connection: api.askstop(connection, number, 0.0))
    until(lambda: code(store, number) == record.STOPPED)
    engine.shutdown()


def test_a_worker_that_ends_leaves_no_heartbeat_and_no_subject(store: Store, engine: Engine) -> None:
    number = load(store, "LOOP^ZZTEST", place=4)
    until(lambda: (number, {"place": 4}) in RAN)
    assert store.read(lambda connection: connection.execute(select(TaskManager.executor)).scalars().all()) == [engine.executor]
    engine.shutdown()
    for table in (TaskManager, RunningTask):
        assert store.read(lambda connection, t=table: connection.execute(select(func.count()).select_from(t)).scalar()) == 0


def test_a_worker_that_waits_for_a_task_to_end_is_not_thought_dead(store: Store, tmp_path: Path) -> None:
    """Otherwise another one would begin the task beside it."""
    begun, end = threading.Event(), threading.Event()

    @routine("DEAF^ZZTEST")
    def deaf(_task: TaskContext) -> None:
        begun.set()
        assert end.wait(60)

    engine = Engine(store, SystemClock(), tmp_path, pace=Pace(heartbeat=0.1, dead_after=1.0))
    engine.launch()
    number = load(store, "DEAF^ZZTEST")
    assert begun.wait(20)
    stopping = threading.Thread(target=engine.shutdown)
    stopping.start()
    until(lambda: not engine.accepting(), "it is told to stop")
    signs = select(TaskManager.heartbeat_at)
    last = time.time() + 1.0
    until(lambda: store.read(lambda connection: connection.execute(signs).scalar_one()) > last, "it gives signs still", seconds=5)
    end.set()
    stopping.join(30)
    assert code(store, number) == record.FINISHED
    assert store.read(lambda connection: connection.execute(signs).scalars().all()) == []


def test_brokers_hand_tasks_to_workers_elsewhere(postgres: PostgresCluster, tmp_path: Path) -> None:
    RAN.clear()
    name, url = postgres.create_database()
    store = Store(url)
    broker = Engine(store, SystemClock(), tmp_path, worker=False)
    broker.launch()
    assert not broker.accepting()
    worker = Engine(store, SystemClock(), tmp_path)
    worker.launch()
    assert broker.accepting()
    number = load(store, "QUICK^ZZTEST")
    broker.enqueue(number)
    until(lambda: code(store, number) == record.FINISHED)
    assert [(number, {})] == RAN
    worker.shutdown()
    assert not broker.accepting()
    broker.shutdown()
    with pytest.raises(EngineDown):
        broker.enqueue(number)
    store.close()
    postgres.drop_database(name)


def test_an_engine_whose_database_is_gone_takes_nothing(postgres: PostgresCluster, tmp_path: Path) -> None:
    name, url = postgres.create_database()
    store = Store(url)
    broker = Engine(store, SystemClock(), tmp_path, worker=False)
    broker.launch()
    postgres.drop_database(name)
    assert not broker.accepting()
    with pytest.raises(EngineDown):
        broker.enqueue(1000)
    broker.shutdown()
    store.close()
