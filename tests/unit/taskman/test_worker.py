"""A worker runs what it may claim and writes down how it ended; no engine is needed for that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from fileman import Store
from runtime import FixedClock
from taskman import TaskContext, api, routine, subjects, tasks
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
            task.store.transact(lambda connection: api.stop(connection, task.number))
        elif action == "shut down":
            WORKERS[0].stopping.set()
        elif action == "lose":
            task.store.transact(lambda connection: subjects.release_all(connection))
            task.store.transact(lambda connection: subjects.take(connection, "HEED 1", 4711, task.clock.seconds()))
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
    found = store.read(lambda connection: api.status(connection, number))
    return found.code, found.message


def test_an_attempt_runs_once_and_only_when_it_is_the_current_one(store: Store, worker: Worker) -> None:
    number = load(store, "COUNT^ZZWORK")
    worker.run(number, 2)
    assert SEEN == []
    worker.run(number, 1)
    worker.run(number, 1)
    assert [number] == SEEN
    assert status(store, number) == (tasks.FINISHED, "")
    assert not worker.active


def test_a_task_that_does_not_exist_is_passed_over(worker: Worker) -> None:
    worker.run(4711, 1)
    assert not worker.active


def test_a_routine_that_raises_ends_in_error_with_its_message(store: Store, worker: Worker) -> None:
    number = load(store, "FAIL^ZZWORK")
    worker.run(number, 1)
    assert status(store, number) == (tasks.FAILED, "ValueError: no such thing")


def test_an_unknown_routine_is_rejected(store: Store, worker: Worker) -> None:
    number = load(store, "NOWHERE^ZZWORK")
    worker.run(number, 1)
    assert status(store, number) == (tasks.REJECTED, "No routine is registered as NOWHERE^ZZWORK.")


def test_a_task_that_was_stopped_before_it_began_does_not_begin(store: Store, worker: Worker) -> None:
    number = load(store, "COUNT^ZZWORK")
    store.transact(lambda connection: api.stop(connection, number))
    worker.run(number, 1)
    assert SEEN == []
    assert status(store, number) == (tasks.STOPPED, "stopped before it began")


#: What happens while the task runs, and how it ends.
ENDS = [
    ((), tasks.FINISHED),
    (("stop",), tasks.FINISHED),  # it ended by itself before it looked
    (("stop", "look"), tasks.STOPPED),
    (("shut down",), tasks.FINISHED),
    (("shut down", "look"), tasks.SCHEDULED),  # goes on at the next start
    (("lose", "look"), tasks.INTERRUPTED),
    (("look", "look"), tasks.FINISHED),
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
    store.transact(lambda connection: subjects.take(connection, "SAY", 4711, now))
    number = load(store, "SAY^ZZWORK")
    worker.run(number, 1)
    assert status(store, number) == (tasks.FINISHED, "taken already")
    store.transact(lambda connection: subjects.take(connection, "HEED 1", 4711, now))
    other = load(store, "HEED^ZZWORK", place=1, then=())
    worker.run(other, 1)
    assert SEEN == []
    assert status(store, other) == (tasks.FINISHED, "another task has the subject")


def test_a_lease_lasts_while_it_is_renewed_and_is_taken_over_when_it_expired(store: Store, clock: FixedClock) -> None:
    def take(task: int) -> bool:
        return store.transact(lambda connection: subjects.take(connection, "PLACE", task, clock.seconds()))

    assert take(1)
    assert take(1)
    assert not take(2)
    clock.advance(subjects.LEASE_SECONDS - 1)
    assert store.transact(lambda connection: subjects.renew(connection, "PLACE", 1, clock.seconds()))
    clock.advance(subjects.LEASE_SECONDS - 1)
    assert not take(2)
    clock.advance(2)
    assert take(2)
    assert not store.transact(lambda connection: subjects.renew(connection, "PLACE", 1, clock.seconds()))


def test_a_worker_that_was_thought_dead_does_not_give_up_what_runs_elsewhere(store: Store, worker: Worker) -> None:
    @routine("SLEEP^ZZWORK", subject=lambda _arguments: "SLEEP")
    def sleep(task: TaskContext) -> None:
        seen = tasks.Attempt(task.number, 1, tasks.RUNNING, "here")
        task.store.transact(lambda connection: tasks.schedule_again(connection, seen, 0.0, "thought dead"))
        task.store.transact(lambda connection: tasks.claim_task(connection, task.number, 2, "there", 0.0))
        task.store.transact(lambda connection: subjects.take(connection, "SLEEP", task.number, task.clock.seconds()))
        assert task.stop_requested()

    number = load(store, "SLEEP^ZZWORK")
    worker.run(number, 1)
    assert status(store, number)[0] == tasks.RUNNING
    assert store.read(lambda connection: subjects.holder(connection, "SLEEP", worker.clock.seconds())) == number
