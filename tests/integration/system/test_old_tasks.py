"""Records of tasks go a week after their end, with their steps; what is wanted still stays."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from fileman import Store
from fileman.files import Task, TaskManager, TaskStep
from runtime import SystemClock
from taskman import Engine, TaskContext, api, find_option, record, routine
from taskman.engine import trim
from taskman.schedule import queue_option
from taskman.system.batches import BATCH
from tests.integration.system.conftest import DAY, Site
from tests.support.waiting import until

OPTION = "MAGB CLEAN UP TASKS"
BEGUN, END = threading.Event(), threading.Event()


@routine("STAY^ZZSYS")
def stay(_task: TaskContext) -> None:
    BEGUN.set()
    assert END.wait(30)


@pytest.fixture
def site(store: Store, tmp_path: Path) -> Iterator[Site]:
    """Give a site whose engine runs, so that it has rows to clean up."""
    engine = Engine(store, SystemClock(), tmp_path)
    engine.launch()
    yield Site(store, SystemClock(), tmp_path)
    engine.shutdown()


def run(site: Site, **variables: float) -> tuple[int, str]:
    """Let the engine run the option; give its task, and what it said."""
    now = site.clock.seconds()
    number = site.store.transact(lambda connection: queue_option(connection, OPTION, now, 0, variables))
    waiting, deadline = threading.Event(), time.monotonic() + 30
    active = (record.SCHEDULED, record.PREPARED, record.RUNNING)
    while (found := site.all(select(Task.status, Task.message).where(Task.number == number))[0])[0] in active:
        assert time.monotonic() < deadline, "it did not end in time"
        waiting.wait(0.02)
    assert found[0] == record.FINISHED, found
    return number, site.one(select(Task.said).where(Task.number == number))


def ended(site: Site, days: float, status: str = "6", **values: Any) -> int:
    at = site.clock.seconds() - days * DAY
    number = site.store.transact(lambda connection: api.load(connection, "X^ZZ", {}, "old", 1, at, "@"))
    change = update(Task).where(Task.number == number).values(status=status, status_at=at, **values)
    site.store.transact(lambda connection: connection.execute(change))
    site.add(TaskStep, {"task": number, "name": "a", "at": at, "result": "null"})
    return number


def test_a_record_goes_a_week_after_its_end_with_its_steps(site: Site) -> None:
    old = [ended(site, 8, status) for status in "6BCDEF"]
    kept = [
        ended(site, 6.9),
        ended(site, 8, "K"),
        ended(site, 8, "H"),
        ended(site, 8, keep_until=site.clock.seconds() + 600),
    ]
    number, said = run(site)
    assert said == f"{len(old)} records of tasks deleted, and 0 rows of the engine"
    assert site.all(select(Task.number).order_by(Task.number)) == [*kept, number]
    assert site.all(select(TaskStep.task).order_by(TaskStep.task)) == kept


def test_all_of_many_go_in_one_run(site: Site) -> None:
    for _ in range(BATCH + 1):
        ended(site, 8)
    assert run(site)[1] == f"{BATCH + 1} records of tasks deleted, and 0 rows of the engine"


def test_variables_say_for_how_long(site: Site) -> None:
    ended(site, 3)
    assert run(site, days=2)[1].startswith("1 records")


def test_a_stop_leaves_the_rest_to_the_next_run(site: Site) -> None:
    old = ended(site, 8)
    context = site.begin(OPTION)
    context.signals.stopping.set()
    find_option(OPTION).body(context)
    assert site.count(Task, Task.number == old) == 1


def test_rows_of_the_engine_go_too(site: Site) -> None:
    run(site)
    mine, now = site.all(select(TaskManager.executor)), site.clock.seconds() + 1
    until(lambda: trim(now, mine) == 1)
    assert trim(now, mine) == 0


def test_rows_that_a_killed_executor_left_go_and_those_of_a_living_one_stay(site: Site) -> None:
    now = site.clock.seconds()
    BEGUN.clear(), END.clear()
    site.store.transact(lambda connection: api.load(connection, "STAY^ZZSYS", {}, "stays", 1, now, now))
    assert BEGUN.wait(30)
    mine, later = site.all(select(TaskManager.executor)), now + 60
    assert trim(later, mine) == 0
    assert trim(later, ["another"]) == 1, "as if the process that began it had been killed"
    END.set()
