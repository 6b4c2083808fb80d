"""Routines are found by entry point; a running one is told when to stop."""

from __future__ import annotations

from threading import Thread

import pytest

from fileman import Store
from runtime import FixedClock
from taskman import TaskContext, UnknownRoutine, api, find_routine, routine
from taskman.context import Signals


def context(store: Store, clock: FixedClock, signals: Signals | None = None) -> TaskContext:
    number = store.transact(lambda connection: api.load(connection, "R^ZZUNIT", {}, "a test", 1, 0.0))
    return TaskContext(number, {}, 1, store, clock, signals or Signals())


def test_a_routine_is_found_under_its_entry_point() -> None:
    @routine("FOUND^ZZUNIT", subject=lambda arguments: f"place {arguments['place']}")
    def body(_task: TaskContext) -> None: ...

    found = find_routine("FOUND^ZZUNIT")
    assert (found.entry_point, found.body, found.busy) == ("FOUND^ZZUNIT", body, None)
    assert found.subject is not None
    assert found.subject({"place": 660}) == "place 660"


def test_an_unknown_entry_point_is_named() -> None:
    with pytest.raises(UnknownRoutine, match=r"NOWHERE\^ZZUNIT"):
        find_routine("NOWHERE^ZZUNIT")


def test_a_stop_request_is_seen_and_heeded(store: Store, clock: FixedClock) -> None:
    task = context(store, clock)
    assert not task.stop_requested()
    assert not task.signals.heeded.is_set()
    store.transact(lambda connection: api.askstop(connection, task.number, 0.0))
    assert task.stop_requested()
    assert task.signals.heeded.is_set()


@pytest.mark.parametrize("signal", ["stopping", "lost"])
def test_a_worker_that_ends_or_lost_the_subject_stops_the_task(store: Store, clock: FixedClock, signal: str) -> None:
    task = context(store, clock)
    assert not task.interrupted()
    getattr(task.signals, signal).set()
    assert task.interrupted()
    assert task.stop_requested()


def test_a_pause_ends_with_the_worker(store: Store, clock: FixedClock) -> None:
    task = context(store, clock)
    pausing = Thread(target=task.pause, args=(3600.0,), daemon=True)
    pausing.start()
    task.signals.stopping.set()
    pausing.join(20)
    assert not pausing.is_alive()


def test_what_a_task_says_stands_in_its_record(store: Store, clock: FixedClock) -> None:
    task = context(store, clock)
    task.say("half way")
    assert store.read(lambda connection: api.stat(connection, task.number)).said == "half way"
