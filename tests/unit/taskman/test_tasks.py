"""Task records keep their numbers, tell their status as STAT^%ZTLOAD does, and change only for the attempt that has them."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, select

from fileman import Store
from fileman.files import Task
from taskman import api, record, tasks
from taskman.outlook import look
from tests.support.query_plans import statements_of

#: Code, number and text of INPUT^%ZTLOAD5.
STATUSES = [
    ("0", 5, "Inactive: Interrupted"),
    ("1", 1, "Active: Pending"),
    ("2", 1, "Active: Pending"),
    ("3", 1, "Active: Pending"),
    ("4", 1, "Active: Pending"),
    ("5", 2, "Active: Running"),
    ("6", 3, "Inactive: Finished"),
    ("A", 1, "Active: Pending"),
    ("B", 5, "Inactive: Interrupted"),
    ("C", 5, "Inactive: Interrupted"),
    ("D", 5, "Inactive: Interrupted"),
    ("E", 5, "Inactive: Interrupted"),
    ("F", 5, "Inactive: Interrupted"),
    ("G", 1, "Active: Pending"),
    ("H", 4, "Inactive: Available"),
    ("I", 5, "Inactive: Interrupted"),
    ("J", 5, "Inactive: Interrupted"),
    ("K", 4, "Inactive: Available"),
    ("L", 5, "Inactive: Interrupted"),
    ("M", 1, "Active: Pending"),
]


def load(store: Store, now: float = 100.0, at: float | None = None, **facts: Any) -> int:
    return store.transact(
        lambda connection: api.load(connection, "TAG^ZZUNIT", {"a": [1, "b"]}, "a test", 9002, now, at, **facts)
    )


def due(store: Store, now: float, count: int = 100, executor: str = "here") -> list[int]:
    """Reserve what is due."""
    reserved = store.transact(lambda connection: tasks.reserve_due(connection, executor, count, now))
    return [task.number for task in reserved]


def claim(store: Store, number: int, attempt: int = 1, executor: str = "here") -> bool:
    return store.transact(lambda connection: tasks.claim_task(connection, number, attempt, executor, 101.0)) is not None


def begin(store: Store, number: int, attempt: int = 1, executor: str = "here") -> None:
    """Reserve and claim a task, which is the only one that is due."""
    assert due(store, 1000.0, executor=executor) == [number]
    assert claim(store, number, attempt, executor)


def end(store: Store, number: int, status: str, attempt: int = 1, message: str = "", executor: str = "here") -> bool:
    return store.transact(lambda connection: tasks.end_task(connection, number, attempt, executor, status, 102.0, message))


def again(store: Store, number: int, attempt: int, status: str, executor: str) -> bool:
    seen = record.Attempt(number, attempt, status, executor)
    return store.transact(lambda connection: tasks.schedule_again(connection, seen, 103.0, "again"))


@pytest.mark.parametrize(("code", "number", "text"), STATUSES)
def test_a_status_reads_as_vista_words_it(code: str, number: int, text: str) -> None:
    status = record.Status(code)
    assert (status.number, status.text, status.defined) == (number, text, True)


def test_every_status_has_a_meaning_and_a_text() -> None:
    assert {code for code, _, _ in STATUSES} == set(record.MEANINGS)


def test_numbers_count_from_1000_and_a_record_says_what_was_loaded(store: Store) -> None:
    assert [load(store), load(store), load(store)] == [1000, 1001, 1002]
    found = store.read(lambda connection: tasks.read_task(connection, 1001))
    wanted = record.TaskRecord(1001, "TAG^ZZUNIT", {"a": [1, "b"]}, "1", 1, "", 9002, stop_requested=False, description="a test")
    assert found == wanted


def test_a_number_is_not_given_again_when_its_task_is_gone(store: Store) -> None:
    number = load(store)
    assert store.transact(lambda connection: api.kill(connection, number))
    assert load(store) == number + 1


def test_a_task_of_a_transaction_that_fails_does_not_exist(store: Store) -> None:
    def fail(connection: Connection) -> None:
        api.load(connection, "TAG^ZZUNIT", {}, "a test", 1, 100.0)
        raise LookupError

    with pytest.raises(LookupError):
        store.transact(fail)
    assert due(store, 1e12) == []


def test_tasks_are_due_from_their_time_on(store: Store) -> None:
    late, soon, now = load(store, at=300.0), load(store, at=200.0), load(store)
    assert store.read(lambda connection: look(connection, 99.0)) == (False, False, False, False, 100.0)
    assert due(store, 99.0) == []
    assert store.read(lambda connection: look(connection, 100.0)) == (False, True, False, False, 200.0)
    assert due(store, 100.0) == [now]
    assert store.read(lambda connection: look(connection, 100.0)) == (True, False, False, False, 200.0)
    assert due(store, 200.0) == [soon]
    assert due(store, 300.0) == [late]
    assert store.read(lambda connection: look(connection, 300.0)) == (True, False, False, False, None)


def test_those_of_higher_priority_come_first_then_the_older_ones(store: Store) -> None:
    plain, low, high, older = load(store), load(store, priority=1), load(store, priority=10), load(store, at=50.0)
    assert [due(store, 100.0, count=1) for _ in range(5)] == [[high], [older], [plain], [low], []]


def test_an_attempt_is_reserved_for_one_executor_and_claimed_once(store: Store) -> None:
    number = load(store)
    assert not claim(store, number)
    assert due(store, 100.0, executor="here") == [number]
    assert due(store, 100.0, executor="there") == []
    assert not claim(store, number, executor="there")
    assert not claim(store, number, attempt=2)
    assert claim(store, number)
    assert not claim(store, number)


def test_what_was_reserved_and_not_begun_waits_again(store: Store) -> None:
    number = load(store)
    reserved = store.transact(lambda connection: tasks.reserve_due(connection, "here", 1, 100.0))
    store.transact(lambda connection: tasks.give_back(connection, reserved, "here", 101.0))
    assert not claim(store, number)
    assert not claim(store, number, 2)
    assert due(store, 100.0) == [number]
    store.transact(lambda connection: tasks.give_back_all(connection, "there", 101.0))
    assert due(store, 100.0) == []
    store.transact(lambda connection: tasks.give_back_all(connection, "here", 101.0))
    begin(store, number, 3)


def test_only_the_executor_that_has_the_attempt_can_end_a_task(store: Store) -> None:
    number = load(store)
    assert not end(store, number, record.FINISHED)
    begin(store, number)
    assert again(store, number, 1, record.RUNNING, "here")
    begin(store, number, 2, "there")
    assert not end(store, number, record.FAILED, attempt=1, message="from a worker that was thought dead")
    assert not end(store, number, record.FAILED, attempt=2, message="from a worker that was thought dead")
    assert end(store, number, record.FINISHED, attempt=2, executor="there")
    assert store.read(lambda connection: api.stat(connection, number)).code == "6"


def test_of_two_reconcilers_one_restarts_a_task(store: Store) -> None:
    number = load(store)
    begin(store, number, executor="dead")
    assert again(store, number, 1, record.RUNNING, "dead")
    begin(store, number, 2, "there")
    assert not again(store, number, 1, record.RUNNING, "dead")
    assert store.read(lambda connection: api.stat(connection, number)).code == record.RUNNING


def test_an_attempt_that_went_on_elsewhere_or_is_gone_has_to_stop(store: Store) -> None:
    number = load(store)
    assert not store.read(lambda connection: tasks.stop_flag(connection, number, 1))
    assert store.read(lambda connection: tasks.stop_flag(connection, number, 2))
    assert store.read(lambda connection: tasks.stop_flag(connection, 4711, 1))


def test_errors_are_counted_and_messages_cut(store: Store) -> None:
    number = load(store)
    for attempt in (1, 2, 3):
        begin(store, number, attempt)
        assert end(store, number, record.FAILED, attempt, "x" * 10_000)
        if attempt < 3:
            assert again(store, number, attempt, record.FAILED, "")
    columns = (Task.error_count, Task.attempt, Task.error_text, Task.error_at)
    row = store.read(lambda connection: connection.execute(select(*columns).where(Task.number == number)).one())
    assert tuple(row) == (3, 3, "x" * record.MESSAGE_LIMIT, 102.0)
    assert len(store.read(lambda connection: api.stat(connection, number)).message) == record.MESSAGE_LIMIT


def test_a_task_that_waits_can_be_rejected_and_one_that_runs_not(store: Store) -> None:
    running = load(store)
    begin(store, running)
    reserved = load(store)
    assert due(store, 1000.0) == [reserved]
    waiting = load(store)
    for number, rejected in ((waiting, True), (reserved, True), (running, False)):
        done = store.transact(lambda connection, it=number: tasks.reject_task(connection, it, 101.0, "no engine"))
        assert done is rejected
    assert not claim(store, reserved)
    assert store.read(lambda connection: api.stat(connection, waiting)) == record.Status("B", "no engine")


def test_what_ended_long_ago_goes_unless_it_is_kept(store: Store) -> None:
    old, kept, young = load(store), load(store, keep_until=5000.0), load(store)
    assert due(store, 1000.0) == [old, kept, young]
    assert all(claim(store, number) for number in (old, kept, young))
    for number, at in ((old, 10.0), (kept, 10.0), (young, 2000.0)):
        store.transact(lambda connection, n=number, t=at: tasks.end_task(connection, n, 1, "here", record.FINISHED, t))
    waiting = load(store)
    assert store.transact(lambda connection: tasks.delete_old_tasks(connection, 1000.0, 3000.0, 100)) == 1
    left = store.read(lambda connection: connection.execute(select(Task.number).order_by(Task.number)).scalars().all())
    assert left == [kept, young, waiting]


def test_what_runs_all_the_time_goes_by_an_index(store: Store) -> None:
    number = load(store)
    with statements_of(store) as statements:
        store.read(lambda connection: look(connection, 1000.0))
        store.read(tasks.tasks_at_work)
        store.read(lambda connection: tasks.stop_flag(connection, number, 1))
        assert due(store, 1000.0) == [number]
    plans = statements.plans(store)
    assert len(plans) == 4
    steps = [step for plan in plans.values() for step in plan]
    scans = [step for step in steps if step.startswith(("SCAN task", "SCAN option_schedule"))]
    few = {"SCAN task USING INDEX ix_task_executor", "SCAN task_sync_flag"}
    assert set(scans) == few, "an index of nothing but what executors have, and the flags that are taken"
    assert {step.split()[1] for step in steps if step.startswith("SEARCH")} == {"task", "option_schedule"}
