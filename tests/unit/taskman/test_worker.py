"""A worker runs what it may claim and writes down how it ended; no engine is needed for that."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, select

from fileman import Store
from fileman.files import Task
from runtime import FixedClock
from taskman import (
    Deleted,
    Destination,
    Ending,
    Requeued,
    Stopped,
    TaskContext,
    TaskLost,
    api,
    error_log,
    record,
    routine,
    steps,
    subjects,
    sync_flags,
    tasks,
)
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
    """Load a task and reserve it for the worker."""
    number = store.transact(lambda connection: api.load(connection, entry_point, arguments, "a test", 1, 0.0))
    reserve(store)
    return number


def reserve(store: Store, executor: str = "here", now: float = 1.0) -> list[int]:
    reserved = store.transact(lambda connection: tasks.reserve_due(connection, executor, 10, now))
    return [task.number for task in reserved]


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
    assert store.transact(lambda connection: api.askstop(connection, number, 0.0)) == "2^Unscheduled"
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
        reserve(task.store, "there")
        task.store.transact(lambda connection: tasks.claim_task(connection, task.number, 2, "there", 0.0))
        task.store.transact(lambda connection: subjects.take(connection, "SLEEP", task.number, 2, 0.0, 1e12))
        assert task.stop_requested()

    number = load(store, "SLEEP^ZZWORK")
    worker.run(number, 1)
    assert status(store, number)[0] == record.RUNNING
    assert store.read(lambda connection: subjects.holder(connection, "SLEEP", worker.clock.seconds())) == number


#: What a routine returns, and the record afterwards; None: it is gone.
ENDINGS: list[tuple[Ending, dict[str, Any] | None]] = [
    (None, {"status": "6", "message": "Finished"}),
    (Stopped(), {"status": "D", "message": "Job asked to stop"}),
    (Deleted(), None),
    (Requeued(), {"status": "1", "message": "REQUEUED", "attempt": 2}),
    (Requeued(at="@"), {"status": "H", "attempt": 1}),
    (Requeued(at=5e9, description="later", entry_point="COUNT^ZZWORK"), {"scheduled_at": 5e9, "entry_point": "COUNT^ZZWORK"}),
]


@pytest.mark.parametrize(("ending", "after"), ENDINGS)
def test_a_routine_says_how_its_task_ends(store: Store, worker: Worker, ending: Ending, after: dict[str, Any] | None) -> None:
    routine("END^ZZWORK")(lambda _task: ending)
    worker.run(load(store, "END^ZZWORK"), 1)
    found = store.read(lambda connection: connection.execute(select(Task.__table__)).mappings().first())
    if after is None:
        assert found is None
    else:
        assert found is not None
        assert {name: found[name] for name in after} == after


def test_a_record_that_is_to_be_kept_is_not_deleted_by_its_routine(store: Store, worker: Worker, clock: FixedClock) -> None:
    routine("END^ZZWORK")(lambda _task: Deleted())
    kept = clock.seconds() + 60
    number = store.transact(lambda connection: api.load(connection, "END^ZZWORK", {}, "a test", 1, 0.0, keep_until=kept))
    reserve(store)
    worker.run(number, 1)
    assert status(store, number) == ("6", "Finished")


#: What is wrong with a task, and why the manager rejects it.
REJECTED = [
    ({"entry_point": "NOWHERE^ZZWORK"}, "NO ROUTINE AT DESTINATION"),
    ({"entry_point": "ZTSK^XQ1", "option": "ZZ NO SUCH OPTION"}, "NO ROUTINE AT DESTINATION"),
    ({"entry_point": "BAD-NAME^ZZWORK"}, "INVALID ROUTINE NAME"),
    ({"uci": "ELSE"}, "BAD DESTINATION UCI"),
    ({"volume": "ELSE"}, "BAD DESTINATION VOLUME SET"),
    ({"device": "LASER;132"}, "INVALID OUTPUT DEVICE"),
]


@pytest.mark.parametrize(("facts", "why"), REJECTED)
def test_what_cannot_run_here_is_rejected_in_vistas_words(
    store: Store, clock: FixedClock, facts: dict[str, str], why: str
) -> None:
    SEEN.clear()
    worker = Worker(store, clock, "here", destination=Destination("VAH", "ROU"))
    asked = {"entry_point": "COUNT^ZZWORK", "uci": "VAH", "volume": "ROU", **facts}
    entry_point = asked.pop("entry_point")
    number = store.transact(lambda connection: api.load(connection, entry_point, {}, "a test", 1, 0.0, **asked))
    reserve(store)
    worker.run(number, 1)
    assert status(store, number) == ("B", why)
    assert SEEN == []


def test_an_option_runs_its_routine(store: Store, worker: Worker) -> None:
    routine("OPTION^ZZWORK", option="ZZ OPTION")(lambda task: SEEN.append(task.number))
    number = store.transact(lambda connection: api.load(connection, "ZTSK^XQ1", {}, "a test", 1, 0.0, option="ZZ OPTION"))
    reserve(store)
    worker.run(number, 1)
    assert ([number], "6") == (SEEN, status(store, number)[0])


def test_tasks_with_one_sync_flag_run_one_after_the_other(store: Store, worker: Worker) -> None:
    def sync(connection: Connection, entry_point: str) -> int:
        return api.load(connection, entry_point, {}, "a test", 1, 0.0, sync_flag="ZZ", device="NULL")

    @routine("HOLD^ZZWORK")
    def hold(task: TaskContext) -> None:
        worker.run(second, 1)
        SEEN.append(task.number)
        assert status(store, second) == (record.PREPARED, "waits for sync flag ZZ~NULL")

    first, second = (store.transact(lambda connection, it=it: sync(connection, it)) for it in ("HOLD^ZZWORK", "COUNT^ZZWORK"))
    assert reserve(store) == [first, second]
    worker.run(first, 1)
    assert [first] == SEEN
    assert status(store, second)[0] == record.SCHEDULED
    assert reserve(store) == [second]
    worker.run(second, 2)
    assert [first, second] == SEEN
    assert store.read(sync_flags.held_flags) == []


def test_a_task_that_fails_keeps_its_sync_flag_until_somebody_clears_it(store: Store, worker: Worker) -> None:
    for entry_point in ("FAIL^ZZWORK", "COUNT^ZZWORK"):
        store.transact(lambda connection, it=entry_point: api.load(connection, it, {}, "a test", 1, 0.0, sync_flag="ZZ"))
    failed, waiting = reserve(store)
    worker.run(failed, 1)
    worker.run(waiting, 1)
    assert store.read(sync_flags.held_flags) == [("ZZ~", failed, "1 General error")]
    assert status(store, waiting)[0] == record.PREPARED
    assert store.transact(lambda connection: sync_flags.clear(connection, "ZZ~"))
    assert not store.transact(lambda connection: sync_flags.clear(connection, "ZZ~"))
    assert reserve(store) == [waiting]


def test_a_persistent_task_that_fails_is_begun_again_a_minute_later(store: Store, worker: Worker, clock: FixedClock) -> None:
    number = store.transact(lambda connection: api.load(connection, "FAIL^ZZWORK", {}, "a test", 1, 0.0, persistent=True))
    reserve(store)
    worker.run(number, 1)
    assert status(store, number) == (record.SCHEDULED, "REQUEUED")
    assert reserve(store, now=clock.seconds() + 59) == []
    assert reserve(store, now=clock.seconds() + 60) == [number]


def test_a_persistent_task_that_was_asked_to_stop_is_not_begun_again(store: Store, worker: Worker) -> None:
    @routine("WILFUL^ZZWORK")
    def wilful(task: TaskContext) -> None:
        store.transact(lambda connection: api.askstop(connection, task.number, 0.0))
        raise ValueError("no such thing")

    number = store.transact(lambda connection: api.load(connection, "WILFUL^ZZWORK", {}, "a test", 1, 0.0, persistent=True))
    reserve(store)
    worker.run(number, 1)
    assert status(store, number) == (record.FAILED, "ValueError: no such thing")


class Speechless(Exception):
    """An error that cannot say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


#: What a routine raises or returns, and what stands in its record.
BAD_ENDS = [
    (SystemExit(3), "SystemExit: 3"),
    (ValueError("half \ud800 of a pair"), "ValueError: half ? of a pair"),
    (ValueError("with \0 in it"), "ValueError: with  in it"),
    (Speechless(), "Speechless: (it does not say what)"),
    (Requeued(at=["no", "time"]), "TypeError: "),
]


@pytest.mark.parametrize(("raised", "message"), BAD_ENDS, ids=lambda it: str(it)[:9] if isinstance(it, str) else "")
def test_whatever_a_routine_ends_with_ends_its_task(
    store: Store, worker: Worker, monkeypatch: pytest.MonkeyPatch, raised: Any, message: str
) -> None:
    monkeypatch.setattr(logging.getLogger("taskman.worker"), "disabled", True)  # reports of tests take no halves of pairs

    @routine("BAD^ZZWORK")
    def bad(_task: TaskContext) -> Ending:
        if isinstance(raised, BaseException):
            raise raised
        return raised

    number = load(store, "BAD^ZZWORK")
    worker.run(number, 1)
    code, told = status(store, number)
    assert (code, told[: len(message)]) == (record.FAILED, message)
    (error,) = store.read(lambda connection: error_log.list_errors(connection, 10))
    assert error.text == told
    assert store.read(tasks.tasks_at_work) == []


def test_arguments_that_a_routine_does_not_expect_end_its_task(store: Store, worker: Worker) -> None:
    number = load(store, "HEED^ZZWORK")
    worker.run(number, 1)
    assert status(store, number) == (record.FAILED, "KeyError: 'place'")
    assert SEEN == []


def test_what_a_routine_raised_stands_in_the_error_log_with_its_traceback(store: Store, worker: Worker) -> None:
    number = load(store, "FAIL^ZZWORK")
    worker.run(number, 1)
    (error,) = store.read(lambda connection: error_log.list_errors(connection, 10))
    assert (error.task, error.entry_point, error.executor, error.text) == (
        number,
        "FAIL^ZZWORK",
        "here",
        "ValueError: no such thing",
    )
    assert 'raise ValueError("no such thing")' in error.traceback
    assert store.transact(lambda connection: error_log.delete_errors(connection, 1e12, "LookupError")) == 0
    assert store.transact(lambda connection: error_log.delete_errors(connection, 1e12, "ValueError")) == 1


def test_steps_that_are_done_are_not_done_again(store: Store, worker: Worker) -> None:
    done: list[str] = []

    @routine("STEPS^ZZWORK")
    def in_steps(task: TaskContext) -> None:
        for name in ("one", "two", "three"):
            SEEN.append(task.step(name, lambda _connection, it=name: done.append(it) or len(done)))
            if name == "two" and task.attempt == 1:
                raise ValueError("on purpose")
        task.act("outside", lambda: done.append("outside"))

    number = load(store, "STEPS^ZZWORK")
    worker.run(number, 1)
    assert (done, SEEN) == (["one", "two"], [1, 2])
    store.transact(lambda connection: api.req(connection, number, 0.0))
    reserve(store)
    worker.run(number, 2)
    assert (done, SEEN) == (["one", "two", "three", "outside"], [1, 2, 1, 2, 3])
    assert status(store, number)[0] == record.FINISHED
    assert store.read(lambda connection: steps.done_steps(connection, number)) == []


def test_who_lost_the_task_does_no_step_any_more(store: Store, worker: Worker) -> None:
    @routine("LOSE^ZZWORK")
    def lose(task: TaskContext) -> None:
        seen = record.Attempt(task.number, 1, record.RUNNING, "here")
        task.store.transact(lambda connection: tasks.schedule_again(connection, seen, 0.0, "thought dead"))
        with pytest.raises(TaskLost):
            task.act("outside", lambda: SEEN.append(1))
        task.step("inside", lambda _connection: SEEN.append(2))

    number = load(store, "LOSE^ZZWORK")
    worker.run(number, 1)
    assert SEEN == []
    assert status(store, number) == (record.SCHEDULED, "thought dead")
