"""The reconciler bounds what it repeats, leaves room for short tasks, and mends what others left undone."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select, update

from fileman import Store
from fileman.files import Task, TaskManager
from runtime import FixedClock
from taskman import Pace, TaskContext, api, record, routine, schedule, sync_flags
from taskman.reconciler import Reconciler
from taskman.record import Attempt
from taskman.worker import Worker


@routine("QUICK^ZZRECON", option="ZZ RECON")
def quick(_task: TaskContext) -> None: ...


@routine("LAST^ZZRECON", lasting=True)
def last(_task: TaskContext) -> None: ...


class Desk:
    """A reconciler whose engine only notes what it is given."""

    def __init__(self, store: Store, clock: FixedClock, name: str = "here", **pace: Any) -> None:
        self.store = store
        self.clock = clock
        self.begun: list[int] = []
        self.reconciler = Reconciler(store, clock, Worker(store, clock, name), Pace(**pace), self.begin)

    def begin(self, task: Attempt) -> None:
        """Note a task."""
        self.begun.append(task.number)

    def look(self) -> list[int]:
        """Let a second pass, reconcile, and give what was begun."""
        self.clock.advance(1.0)
        self.begun.clear()
        self.reconciler.reconcile()
        return list(self.begun)

    def load(self, entry_point: str = "QUICK^ZZRECON", **facts: Any) -> int:
        """Load a task that is due."""
        now = self.clock.seconds()
        return self.store.transact(lambda connection: api.load(connection, entry_point, {}, "a test", 1, now, now, **facts))

    def change(self, number: int, **values: Any) -> None:
        """Write over a record."""
        statement = update(Task).where(Task.number == number).values(values)
        self.store.transact(lambda connection: connection.execute(statement))

    def end(self, number: int) -> None:
        """End the first attempt of a task."""
        self.change(number, status=record.FINISHED, executor="")
        self.reconciler.ended(number, 1)

    def record(self, number: int) -> tuple[str, str]:
        """Give a task's status and message."""
        found = self.store.read(lambda connection: api.stat(connection, number))
        return found.code, found.message


@pytest.fixture
def desk(store: Store, clock: FixedClock) -> Desk:
    return Desk(store, clock, deaths=3)


def test_a_task_whose_workers_die_again_and_again_is_not_begun_for_ever(desk: Desk) -> None:
    number = desk.load(sync_flag="ZZ")
    for _ in range(2):
        assert desk.look() == [number]
        desk.reconciler.ended(number, desk.store.read(lambda it: it.execute(select(Task.attempt)).scalar_one()))
        desk.change(number, status=record.RUNNING, executor="dead-1")
    assert desk.look() == [number]
    desk.change(number, status=record.RUNNING, executor="dead-2")
    desk.reconciler.ended(number, 3)
    assert desk.look() == []
    assert desk.record(number) == (
        "E",
        "its executor died, 3 times within 10 minutes; it is not begun again by itself",
    )
    assert desk.look() == []
    assert desk.store.transact(lambda connection: api.req(connection, number, desk.clock.seconds(), "")), "by a person it is"
    assert desk.look() == [number]


def test_deaths_long_ago_do_not_count(desk: Desk) -> None:
    number = desk.load()
    for attempt in range(1, 6):
        assert desk.look() == [number]
        desk.change(number, status=record.RUNNING, executor="dead-1")
        desk.reconciler.ended(number, attempt)
        desk.clock.advance(400.0)


def test_tasks_that_last_leave_the_slots_to_others(store: Store, clock: FixedClock, caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk(store, clock, slots=2)
    lasting = [desk.load("LAST^ZZRECON") for _ in range(2)]
    assert desk.look() == lasting
    others = [desk.load() for _ in range(2)]
    assert desk.look() == others, "two that last, and two that do not"
    waits = desk.load("LAST^ZZRECON")
    assert desk.look() == []
    desk.end(others[0])
    assert desk.look() == [], "there is room, but not for a third that lasts"
    assert "2 tasks run here until they are stopped" in caplog.text
    assert desk.look() == []
    assert caplog.text.count("until they are stopped") == 1
    desk.end(lasting[0])
    assert desk.look() == [waits]


def test_a_waiter_goes_on_when_the_one_before_it_gave_up_its_turn(desk: Desk) -> None:
    holder, next_one, waiting = (desk.load(sync_flag="ZZ") for _ in range(3))
    desk.store.transact(lambda connection: sync_flags.take(connection, "ZZ", "", holder))
    for number in (next_one, waiting):
        desk.change(number, status=record.PREPARED)
    desk.change(holder, status=record.FINISHED)
    desk.store.transact(lambda connection: sync_flags.release(connection, holder))
    assert desk.record(next_one)[0] == record.SCHEDULED
    desk.store.transact(lambda connection: api.askstop(connection, next_one, desk.clock.seconds()))
    assert desk.look() == [waiting]


@pytest.mark.parametrize("how", ["stopped", "dequeued", "deleted"])
def test_a_flag_of_a_task_that_gave_up_is_freed(desk: Desk, how: str) -> None:
    holder, waiting = desk.load(sync_flag="ZZ"), desk.load(sync_flag="ZZ")
    desk.store.transact(lambda connection: sync_flags.take(connection, "ZZ", "", holder))
    desk.change(waiting, status=record.PREPARED)
    give_up = {
        "stopped": lambda connection: api.askstop(connection, holder, desk.clock.seconds()),
        "dequeued": lambda connection: api.dq(connection, holder, 1, desk.clock.seconds(), "ZZ,USER"),
        "deleted": lambda connection: api.kill(connection, holder),
    }
    desk.store.transact(give_up[how])
    assert waiting in [*desk.look(), *desk.look()]
    assert desk.store.read(sync_flags.held_flags) == []


def test_a_failed_task_keeps_its_flag(desk: Desk) -> None:
    failed, waiting = desk.load(sync_flag="ZZ"), desk.load(sync_flag="ZZ")
    desk.store.transact(lambda connection: sync_flags.take(connection, "ZZ", "", failed))
    desk.store.transact(lambda connection: sync_flags.keep(connection, failed))
    desk.change(failed, status=record.FAILED)
    desk.change(waiting, status=record.PREPARED)
    assert [*desk.look(), *desk.look()] == []
    assert [name for name, _, _ in desk.store.read(sync_flags.held_flags)] == ["ZZ~"]


@pytest.mark.parametrize(("special", "queued"), [("S", 1), ("SP", 2), ("P", 2)])
def test_taskman_starts_with_its_first_worker(store: Store, clock: FixedClock, special: str, queued: int) -> None:
    """Of what a second worker would queue, only what is to run all the time is queued, when it does not run."""
    store.transact(lambda connection: schedule.add_schedule(connection, "ZZ RECON", special=special))
    tasks = select(func.count()).select_from(Task)
    first, second = Desk(store, clock, "first"), Desk(store, clock, "second")
    store.transact(first.reconciler._queue_startup)
    assert store.read(lambda connection: connection.execute(tasks).scalar()) == 1
    store.transact(lambda connection: connection.execute(update(Task).values(status=record.FINISHED)))
    clock.advance(5.0)
    store.transact(second.reconciler._queue_startup)
    assert store.read(lambda connection: connection.execute(tasks).scalar()) == queued
    assert store.read(lambda connection: connection.execute(select(func.count()).select_from(TaskManager)).scalar()) == 2
    clock.advance(60.0)
    store.transact(lambda connection: connection.execute(update(Task).values(status=record.FINISHED)))
    store.transact(Desk(store, clock, "third").reconciler._queue_startup)
    assert store.read(lambda connection: connection.execute(tasks).scalar()) == queued + 1, "the others died a minute ago"
