"""Tasks are found by what people know of them, on both engines, and looking costs no more than what is shown."""

from __future__ import annotations

import time
from typing import Any

import pytest
from sqlalchemy import insert, update

from fileman import Store
from fileman.files import OptionSchedule, RunningTask, Task
from taskman import api
from taskman.error_log import log_error
from taskman.errors import BadNumbers
from taskman.listing import GROUPS, Detail, Wanted, list_tasks, read_detail, read_numbers
from taskman.managers import beat
from taskman.monitor import COUNT_LIMIT, Monitor, read_monitor
from taskman.record import MEANINGS
from taskman.steps import record_step
from tests.support.query_plans import statements_of

NOW = 1_800_000_000.0
#: What may be read whole: there are a few dozen rows at most, or the rows are taken in the order of their key.
SMALL = ("SCAN task_manager", "SCAN option_schedule", "SCAN running_task", "SCAN anon_", "SCAN task_sync_flag")


def load(store: Store, entry_point: str = "TAG^ZZTEST", duz: int = 1, at: float = NOW, **changes: Any) -> int:
    """Make a task, and write over its record what a test wants."""
    texts = {"description": changes.pop("description", "a test"), "option": changes.pop("option", "")}
    number = store.transact(lambda it: api.load(it, entry_point, {}, texts["description"], duz, NOW, at, option=texts["option"]))
    if changes:
        store.transact(lambda it: it.execute(update(Task).where(Task.number == number).values(**changes)))
    return number


def found(store: Store, **wanted: Any) -> list[int]:
    return [line.number for line in store.read(lambda it: list_tasks(it, Wanted(**wanted), NOW))]


def detail(store: Store, number: int) -> Detail:
    shown = store.read(lambda it: read_detail(it, number, NOW))
    assert shown is not None
    return shown


def monitor(store: Store) -> Monitor:
    return store.read(lambda it: read_monitor(it, NOW))


def test_every_status_is_in_one_group_and_a_scheduled_task_is_waiting_or_future() -> None:
    codes = sorted("".join(codes for name, codes in GROUPS.items() if name != "future"))
    assert codes == sorted(MEANINGS)
    assert GROUPS["future"] == "1"


@pytest.mark.parametrize("code", sorted(MEANINGS))
def test_a_task_is_in_the_list_of_its_status_and_in_no_other(store: Store, code: str) -> None:
    number = load(store, status=code)
    (group,) = [name for name in GROUPS if found(store, group=name) == [number]]
    assert code in GROUPS[group]
    assert found(store) == [number]


def test_waiting_tasks_come_as_they_are_begun_and_ended_ones_latest_first(store: Store) -> None:
    later, sooner = load(store, at=NOW + 20, rank=0), load(store, at=NOW + 10)
    due, overdue, urgent = load(store, at=NOW), load(store, at=NOW - 10), load(store, at=NOW, rank=0)
    prepared = load(store, at=NOW - 20, status="4")
    stopped, failed = load(store, status="D", status_at=NOW - 1), load(store, status="C", status_at=NOW - 5)
    assert found(store, group="future") == [sooner, later]
    assert found(store, group="waiting") == [urgent, prepared, overdue, due]
    assert found(store, group="unsuccessful") == [stopped, failed]
    assert found(store, group="waiting", limit=2) == [urgent, prepared]
    assert found(store) == [failed, stopped, prepared, urgent, overdue, due, sooner, later]


def test_filters_are_all_to_hold(store: Store) -> None:
    first = load(store, "TAG^ZZTEST", 1, description="Purge of 50% of A_B")
    second = load(store, "OTHER^ZZTEST", 2, description="purge of 500 of AxB")
    third = load(store, api.OPTION_ENTRY_POINT, 2, option="ZZ NIGHTLY")
    assert found(store, duz=2) == [third, second]
    assert found(store, duz=2, routine="^ZZTEST") == [second]
    assert found(store, routine="TAG^ZZTEST") == [first]
    assert found(store, routine="^ZZTES") == []
    assert found(store, option="ZZ NIGHTLY") == [third]
    assert found(store, description="PURGE OF 50") == [second, first]
    assert found(store, description="50% of a_b") == [first]
    assert found(store, numbers=[(second, third), (9000, 9999)]) == [third, second]
    assert found(store, group="waiting", duz=2, limit=1) == [second]


@pytest.mark.parametrize(
    ("text", "ranges"),
    [("1001", [(1001, 1001)]), ("1001,1005-1010", [(1001, 1001), (1005, 1010)]), (" 7 - 7 ", [(7, 7)])],
)
def test_numbers_are_read(text: str, ranges: list[tuple[int, int]]) -> None:
    assert read_numbers(text) == ranges


@pytest.mark.parametrize("text", ["", "a", "1,", "-5", "5-", "9-3", "1-2-3", "1" * 10, "²", ",".join(["1"] * 101)])
def test_what_names_no_tasks_is_refused(text: str) -> None:
    with pytest.raises(BadNumbers):
        read_numbers(text)


def test_a_task_is_shown_with_what_it_did_and_has(store: Store) -> None:
    number = load(store, status="5", executor="here", job="77", arguments='{"at": 3}', sync_flag="")
    store.transact(lambda it: record_step(it, number, "copy", {"files": 2}, NOW))
    lease = {"subject": "LOOP 1", "task": number, "expires_at": NOW + 5}
    store.transact(lambda it: it.execute(insert(RunningTask).values(**lease)))
    shown = detail(store, number)
    assert (shown.meaning, shown.stat, shown.queued, shown.arguments) == ("running", "Active: Running", "0", {"at": 3})
    assert [(step.name, step.result) for step in shown.steps] == [("copy", {"files": 2})]
    assert [(held.subject, held.expires_at) for held in shown.held] == [("LOOP 1", NOW + 5)]
    assert store.read(lambda it: read_detail(it, 4711, NOW)) is None


def test_the_monitor_tells_workers_schedule_lists_and_errors(store: Store) -> None:
    running = load(store, status="5", executor="fresh")
    waiting = load(store)
    load(store, at=NOW + 100)
    for executor, age in (("fresh", 1.0), ("late", 60.0), ("gone", 600.0)):
        store.transact(lambda it, name=executor, at=NOW - age: beat(it, name, 32, 1, at))
    schedule = {"option": "ZZ", "frequency": "1D", "next_at": NOW - 60.0}
    store.transact(lambda it: it.execute(insert(OptionSchedule).values(ien=1, **schedule)))
    store.transact(lambda it: it.execute(insert(OptionSchedule).values(ien=2, paused=True, **schedule)))
    store.transact(lambda it: it.execute(insert(OptionSchedule).values(ien=3, option="ZZ", next_at=NOW + 7200)))
    for age in (10.0, 7200.0):
        store.transact(lambda it, at=NOW - age: log_error(it, running, "TAG^ZZTEST", "fresh", ValueError("no"), at))
    seen = monitor(store)
    assert seen.taskman
    assert {worker.executor: worker.state for worker in seen.workers} == {"fresh": "RUN", "late": "SILENT", "gone": "GONE"}
    assert [(due.ien, due.overdue) for due in seen.schedule] == [(1, True)]
    assert [line.number for line in seen.running] == [running]
    assert [line.number for line in seen.waiting] == [waiting]
    assert (seen.counts.running, seen.counts.waiting, seen.counts.future, seen.counts.paused_schedules) == (1, 1, 1, 1)
    assert (seen.counts.errors, [error.at for error in seen.errors]) == (1, [NOW - 10.0])


def test_the_monitor_counts_no_further_than_its_bound(store: Store) -> None:
    row = {"entry_point": "TAG^ZZTEST", "description": "many", "duz": 1, "created_at": NOW, "scheduled_at": NOW, "status": "1"}
    rows = [{**row, "number": number, "status_at": NOW} for number in range(1, COUNT_LIMIT + 200)]
    store.transact(lambda it: it.execute(insert(Task), rows))
    seen = monitor(store)
    assert seen.counts.waiting == COUNT_LIMIT
    assert [line.number for line in seen.waiting] == list(range(1, 51))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # PostgreSQL chooses its plans by how much there is
def test_looking_reads_tasks_by_an_index_and_sorts_none(store: Store) -> None:
    load(store)
    with statements_of(store) as statements:
        monitor(store)
        for group in set(GROUPS) - {"future"}:  # which sorts those that are for later, and is no part of the monitor
            found(store, group=group)
        found(store, duz=1)
        store.read(lambda it: read_detail(it, 1000, time.time()))
    for text, plan in statements.plans(store).items():
        of_tasks = [step for step in plan if not step.startswith(SMALL)]
        assert not any(step.startswith("SCAN") for step in of_tasks), (text, plan)
        assert not any("TEMP B-TREE" in step for step in of_tasks) or "task_manager" in text or "task_step" in text, (text, plan)
