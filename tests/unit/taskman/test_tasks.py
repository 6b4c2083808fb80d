"""Task records keep their numbers, tell their status as STAT^%ZTLOAD does, and change only for the attempt that has them."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, Select, select, text, update

from fileman import Store
from fileman.files import Task
from taskman import api, record, tasks

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


def load(store: Store, now: float = 100.0, at: float | None = None) -> int:
    return store.transact(lambda connection: api.load(connection, "TAG^ZZUNIT", {"a": [1, "b"]}, "a test", 9002, now, at))


def due(store: Store, now: float) -> list[int]:
    return [task.number for task in store.read(lambda connection: tasks.due_tasks(connection, now))]


def claim(store: Store, number: int, attempt: int = 1, executor: str = "here") -> bool:
    return store.transact(lambda connection: tasks.claim_task(connection, number, attempt, executor, 101.0))


def end(store: Store, number: int, status: str, attempt: int = 1, message: str = "", executor: str = "here") -> bool:
    return store.transact(lambda connection: tasks.end_task(connection, number, attempt, executor, status, 102.0, message))


def again(store: Store, number: int, attempt: int, status: str, executor: str) -> bool:
    seen = record.Attempt(number, attempt, status, executor)
    return store.transact(lambda connection: tasks.schedule_again(connection, seen, 103.0, "again"))


@pytest.mark.parametrize(("code", "number", "text"), STATUSES)
def test_a_status_reads_as_vista_words_it(code: str, number: int, text: str) -> None:
    status = record.Status(code)
    assert (status.number, status.text) == (number, text)


def test_every_status_has_a_meaning_and_a_text() -> None:
    assert {code for code, _, _ in STATUSES} == set(record.MEANINGS)


def test_an_unknown_task_is_undefined(store: Store) -> None:
    status = store.read(lambda connection: api.stat(connection, 4711))
    assert (status.code, status.number, status.text) == ("", 0, "Undefined")


def test_numbers_count_from_1000_and_a_record_says_what_was_loaded(store: Store) -> None:
    assert [load(store), load(store), load(store)] == [1000, 1001, 1002]
    found = store.read(lambda connection: tasks.read_task(connection, 1001))
    wanted = record.TaskRecord(1001, "TAG^ZZUNIT", {"a": [1, "b"]}, "1", 1, "", 9002, stop_requested=False, description="a test")
    assert found == wanted


def test_a_task_of_a_transaction_that_fails_does_not_exist(store: Store) -> None:
    def fail(connection: Connection) -> None:
        api.load(connection, "TAG^ZZUNIT", {}, "a test", 1, 100.0)
        raise LookupError

    with pytest.raises(LookupError):
        store.transact(fail)
    assert due(store, 1e12) == []


def test_tasks_are_due_from_their_time_on_oldest_first(store: Store) -> None:
    late, soon, now = load(store, at=300.0), load(store, at=200.0), load(store)
    assert due(store, 99.0) == []
    assert due(store, 100.0) == [now]
    assert due(store, 200.0) == [now, soon]
    assert due(store, 300.0) == [now, soon, late]


def test_an_attempt_is_claimed_once(store: Store) -> None:
    number = load(store)
    assert not claim(store, number, attempt=2)
    assert claim(store, number)
    assert not claim(store, number)
    assert due(store, 1000.0) == []


def test_only_the_attempt_that_runs_can_end_a_task(store: Store) -> None:
    number = load(store)
    assert not end(store, number, record.FINISHED)
    assert claim(store, number)
    assert again(store, number, 1, record.RUNNING, "here")
    assert claim(store, number, 2, "there")
    assert not end(store, number, record.FAILED, attempt=1, message="from a worker that was thought dead")
    assert end(store, number, record.FINISHED, attempt=2, executor="there")
    assert store.read(lambda connection: api.stat(connection, number)).code == "6"


def test_of_two_reconcilers_one_restarts_a_task(store: Store) -> None:
    number = load(store)
    claim(store, number, executor="dead")
    assert again(store, number, 1, record.RUNNING, "dead")
    assert claim(store, number, 2, "there")
    assert not again(store, number, 1, record.RUNNING, "dead")
    assert store.read(lambda connection: api.stat(connection, number)).code == record.RUNNING


def test_a_stop_reaches_the_task_that_runs_and_all_waiting_ones_of_its_kind(store: Store) -> None:
    running, waiting, other = load(store), load(store), load(store)
    claim(store, running)

    def change(connection: Connection) -> None:
        connection.execute(update(Task).where(Task.number == other).values(entry_point="ELSE^ZZUNIT"))
        api.stop_all(connection, "TAG^ZZUNIT")

    store.transact(change)
    flags = [store.read(lambda connection, n=number: tasks.stop_flag(connection, n, 1)) for number in (running, waiting, other)]
    assert flags == [True, True, False]


def test_an_attempt_that_went_on_elsewhere_or_is_gone_has_to_stop(store: Store) -> None:
    number = load(store)
    assert store.read(lambda connection: tasks.stop_flag(connection, number, 2))
    assert store.read(lambda connection: tasks.stop_flag(connection, 4711, 1))


def test_errors_are_counted_and_messages_cut(store: Store) -> None:
    number = load(store)
    for attempt in (1, 2):
        assert claim(store, number, attempt)
        assert end(store, number, record.FAILED, attempt, "x" * 10_000)
        assert again(store, number, attempt, record.FAILED, "")
    row = store.read(
        lambda connection: connection.execute(select(Task.error_count, Task.attempt).where(Task.number == number)).one()
    )
    assert tuple(row) == (2, 3)
    assert claim(store, number, 3)
    assert end(store, number, record.FAILED, 3, "x" * 10_000)
    assert len(store.read(lambda connection: api.stat(connection, number)).message) == record.MESSAGE_LIMIT


def test_a_task_that_waits_can_be_rejected_and_one_that_runs_not(store: Store) -> None:
    waiting, running = load(store), load(store)
    claim(store, running)
    assert store.transact(lambda connection: tasks.reject_task(connection, waiting, 1, 101.0, "no engine"))
    assert not store.transact(lambda connection: tasks.reject_task(connection, running, 1, 101.0, "no engine"))
    assert store.read(lambda connection: api.stat(connection, waiting)) == record.Status("B", "no engine")


@pytest.mark.parametrize(
    ("statement", "parameters"),
    [
        (tasks._DUE, {"now": 1.0}),
        (tasks._RUNNING, {}),
        (tasks._STOP_FLAG, {"number_": 1000}),
    ],
)
def test_what_runs_all_the_time_goes_by_an_index(store: Store, statement: Select[Any], parameters: dict[str, object]) -> None:
    compiled = statement.compile()
    values = {**compiled.params, **parameters}
    plan = store.read(lambda connection: connection.execute(text(f"EXPLAIN QUERY PLAN {compiled}"), values).all())
    steps = [row[3] for row in plan]
    assert steps
    assert [step for step in steps if not step.startswith("SEARCH task USING")] == []
