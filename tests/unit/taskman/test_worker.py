"""A worker runs what it may claim and writes down how it ended; no engine is needed for that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from fileman import Store
from runtime import FixedClock
from taskman import TaskContext, api, record, routine, subjects, tasks
from taskman.worker import Worker

SEEN: list[int] = []
WORKERS: list[Worker] = []


@routine("COUNT^ZZWORK")
def count(task: TaskContext) -> None:
    SEEN.append(task.number)


@routine("FAIL^ZZWORK")
def fail(_task: TaskContext) -> None:
    raise ValueError("no such thing")


@routine("HEED^ZZWORK", subject=lambda arguments: f"HEED {arguments['place']}")
def heed(task: TaskContext) -> None:
    SEEN.append(task.number)
    for action in task.arguments["then"]:
        if action == "stop":
            task.store.transact(lambda connection: api.askstop(connection, task.number, 0.0))
        elif action == "shut down":
            WORKERS[0].stopping.set()
        elif action == "lose":
            task.store.transact(lambda connection: subjects.release_all(connection))
            task.store.transact(lambda connection: subjects.take(connection, "HEED 1", 4711, 1, task.clock.seconds(), 1e12))
            task.store.transact(lambda connection: WORKERS[0].renew(connection, task.clock.seconds()))
        elif action == "look":
            task.stop_requested()


@routine("SAY^ZZWORK", subject=lambda _arguments: "SAY", busy=lambda task: task.say("taken already"))
def say(_task: TaskContext) -> None: ...


@pytest.fixture
def worker(store: Store, clock: FixedClock) -> Iterator[Worker]:
    SEEN.clear()
    worker = Worker(store, clock, "here")
    WORKERS.append(worker)
    yield worker
    WORKERS.clear()


def load(store: Store, entry_point: str, **arguments: Any) -> int:
    return store.transact(lambda connection: api.load(connection, entry_point, arguments, "a test", 1, 0.0))


def status(store: Store, number: int) -> tuple[str, str]:
    found = store.read(lambda connection: api.stat(connection, number))
    return found.code, found.message


def test_an_attempt_runs_once_and_only_when_it_is_the_current_one(store: Store, worker: Worker) -> None:
    number = load(store, "COUNT^ZZWORK")
    worker.run(number, 2)
    assert SEEN == []
    worker.run(number, 1)
    worker.run(number, 1)
    assert [number] == SEEN
    assert status(store, number) == (record.FINISHED, "Finished")
    assert not worker.active


def test_a_task_that_does_not_exist_is_passed_over(worker: Worker) -> None:
    worker.run(4711, 1)
    assert not worker.active


def test_a_routine_that_raises_ends_in_error_with_its_message(store: Store, worker: Worker) -> None:
    number = load(store, "FAIL^ZZWORK")
    worker.run(number, 1)
    assert status(store, number) == (record.FAILED, "ValueError: no such thing")


def test_an_unknown_routine_is_rejected(store: Store, worker: Worker) -> None:
    number = load(store, "NOWHERE^ZZWORK")
    worker.run(number, 1)
    assert status(store, number) == (record.REJECTED, record.NO_ROUTINE)


def test_a_task_that_was_stopped_before_it_began_does_not_begin(store: Store, worker: Worker) -> None:
    number = load(store, "COUNT^ZZWORK")
    store.transact(lambda connection: api.askstop(connection, number, 0.0))
    worker.run(number, 1)
    assert SEEN == []
    assert status(store, number) == (record.STOPPED, "Stopped by User")


#: What happens while the task runs, and how it ends.
ENDS = [
    ((), record.FINISHED),
    (("stop",), record.FINISHED),  # it ended by itself before it looked
    (("stop", "look"), record.STOPPED),
    (("shut down",), record.FINISHED),
    (("shut down", "look"), record.SCHEDULED),  # goes on at the next start
    (("lose", "look"), record.INTERRUPTED),
    (("look", "look"), record.FINISHED),
]


@pytest.mark.parametrize(("then", "code"), ENDS)
def test_a_task_ends_as_what_it_heeded_says(store: Store, worker: Worker, then: tuple[str, ...], code: str) -> None:
    number = load(store, "HEED^ZZWORK", place=1, then=then)
    worker.run(number, 1)
    assert [number] == SEEN
    assert status(store, number)[0] == code
    assert not worker.held
    holder = store.read(lambda connection: subjects.holder(connection, "HEED 1", worker.clock.seconds()))
    assert holder == (4711 if "lose" in then else None)


def test_a_subject_that_another_task_has_is_left_to_it(store: Store, worker: Worker) -> None:
    now = worker.clock.seconds()
    store.transact(lambda connection: subjects.take(connection, "SAY", 4711, 1, now, now + 10))
    number = load(store, "SAY^ZZWORK")
    worker.run(number, 1)
    assert status(store, number) == (record.FINISHED, "Finished")
    assert store.read(lambda connection: api.stat(connection, number)).said == "taken already"
    store.transact(lambda connection: subjects.take(connection, "HEED 1", 4711, 1, now, now + 10))
    other = load(store, "HEED^ZZWORK", place=1, then=())
    worker.run(other, 1)
    assert SEEN == []
    assert status(store, other) == (record.FINISHED, "Finished")


def test_a_lease_lasts_while_it_is_renewed_and_is_taken_over_when_it_expired(store: Store) -> None:
    def take(task: int, now: float, attempt: int = 1) -> bool:
        return store.transact(lambda connection: subjects.take(connection, "PLACE", task, attempt, now, now + 20))

    def renew(task: int, attempt: int, until: float) -> bool:
        return store.transact(lambda connection: subjects.renew(connection, "PLACE", task, attempt, until))

    assert take(1, 0)
    assert take(1, 1)
    assert not take(2, 2)
    assert renew(1, 1, 40)
    assert not take(2, 39)
    assert take(2, 40)
    assert not renew(1, 1, 100)


def test_a_later_attempt_takes_the_subject_over_and_the_earlier_one_can_write_no_more(store: Store) -> None:
    for attempt in (1, 2):
        store.transact(lambda connection, it=attempt: subjects.take(connection, "PLACE", 1, it, 0, 20))
    assert not store.transact(lambda connection: subjects.renew(connection, "PLACE", 1, 1, 40))
    store.transact(lambda connection: subjects.release(connection, "PLACE", 1, 1))
    assert store.transact(lambda connection: subjects.renew(connection, "PLACE", 1, 2, 40))


def test_a_worker_that_was_thought_dead_does_not_give_up_what_runs_elsewhere(store: Store, worker: Worker) -> None:
    @routine("SLEEP^ZZWORK", subject=lambda _arguments: "SLEEP")
    def sleep(task: TaskContext) -> None:
        seen = record.Attempt(task.number, 1, record.RUNNING, "here")
        task.store.transact(lambda connection: tasks.schedule_again(connection, seen, 0.0, "thought dead"))
        task.store.transact(lambda connection: tasks.claim_task(connection, task.number, 2, "there", 0.0))
        task.store.transact(lambda connection: subjects.take(connection, "SLEEP", task.number, 2, 0.0, 1e12))
        assert task.stop_requested()

    number = load(store, "SLEEP^ZZWORK")
    worker.run(number, 1)
    assert status(store, number)[0] == record.RUNNING
    assert store.read(lambda connection: subjects.holder(connection, "SLEEP", worker.clock.seconds())) == number
