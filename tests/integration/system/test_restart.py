"""Evaluators that died are begun again with the rules of their START; stopped ones never."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select, update

from fileman.files import EvaluatorFlag, EvaluatorLog, RunningTask, Task, TaskStep
from rules.evaluator import ENTRY_POINT, restart, subject_of
from taskman import Deleted, api, record
from tests.integration.system.conftest import Site
from tests.support.query_plans import statements_of

OPTION = "MAGB RESTART EVALUATORS"
RULES = [["2", "1^ACTION^SEND"]]


@pytest.fixture
def started(site: Site) -> Site:
    """Give a site whose evaluators were started by RPC: the flag is up."""
    set_flag(site, running=True)
    return site


def set_flag(site: Site, *, running: bool) -> None:
    site.store.transact(lambda connection: connection.execute(EvaluatorFlag.__table__.delete()))
    site.add(EvaluatorFlag, {"id": 1, "running": running})


def evaluator(site: Site, status: str, location: int = 660, message: str = "", log: str = "", **values: Any) -> int:
    """Put in the task of an evaluator that has come to a status; the clock goes on by a second."""
    now = site.clock.seconds()
    arguments = {"location": location, "rules": RULES}
    number = site.store.transact(lambda connection: api.load(connection, ENTRY_POINT, arguments, "Evaluate", 9, now))
    changes = {"status": status, "status_at": now, "message": message, **values}
    site.store.transact(lambda connection: connection.execute(update(Task).where(Task.number == number).values(changes)))
    if log:
        site.add(EvaluatorLog, {"task": number, "line": 1, "text": f"Sat 12:00 {log}"})
    site.clock.advance(1)
    return number


def statuses(site: Site) -> dict[int, str]:
    return dict(site.all(select(Task.number, Task.status).where(Task.entry_point == ENTRY_POINT)))


def log_of(site: Site, number: int) -> list[str]:
    return list(site.all(select(EvaluatorLog.text).where(EvaluatorLog.task == number).order_by(EvaluatorLog.line)))


@pytest.mark.parametrize(
    ("status", "message"),
    [(record.FAILED, "ValueError: no such thing"), (record.INTERRUPTED, "lost"), (record.REJECTED, record.NO_ROUTINE)],
)
def test_an_evaluator_that_died_is_begun_again_under_its_number_with_its_rules(started: Site, status: str, message: str) -> None:
    number = evaluator(started, status, message=message)
    ran = started.run(OPTION)
    assert statuses(started) == {number: record.SCHEDULED}
    row = started.all(select(Task.attempt, Task.arguments, Task.scheduled_at).where(Task.number == number))[0]
    assert row == (2, '{"location": 660, "rules": [["2", "1^ACTION^SEND"]]}', started.clock.seconds())
    assert ran.said == f"begun again: task {number} of location 660"
    assert log_of(started, number) == [f"Sat 12:00 Begun again after: {message}"]
    assert isinstance(started.run(OPTION).ending, Deleted), "it waits now"


#: What is no death, or is somebody's will.
OTHERWISE = {
    "stopped by a person": {"status": record.STOPPED},
    "stopped, and ended by itself": {"status": record.FINISHED, "log": "Stopped at 67895,13522"},
    "ended by itself": {"status": record.FINISHED},
    "unscheduled": {"status": record.UNSCHEDULED},
    "not scheduled": {"status": record.CREATED},
    "failed after it was asked to stop": {"status": record.FAILED, "stop_requested": True},
    "rejected for good": {"status": record.REJECTED, "message": record.BAD_DEVICE},
    "refused to its START": {"status": record.REJECTED, "message": "the engine did not take the task"},
    "running": {"status": record.RUNNING, "executor": "there"},
    "waiting": {"status": record.SCHEDULED},
    "failing, to be begun again": {"status": record.FAILED, "requeue_at": 1e12},
}


@pytest.mark.parametrize("facts", OTHERWISE.values(), ids=OTHERWISE)
def test_what_did_not_die_is_left_alone(started: Site, facts: dict[str, Any]) -> None:
    number = evaluator(started, **facts)
    assert isinstance(started.run(OPTION).ending, Deleted)
    assert statuses(started) == {number: facts["status"]}


@pytest.mark.parametrize("later", ["stopped by a person", "stopped, and ended by itself", "running", "waiting"])
def test_an_older_one_stays_dead_when_its_location_had_another_since(started: Site, later: str) -> None:
    died = evaluator(started, record.FAILED)
    evaluator(started, **OTHERWISE[later])
    started.run(OPTION)
    assert statuses(started)[died] == record.FAILED


def test_a_second_one_that_found_the_location_taken_does_not_stand_for_it(started: Site) -> None:
    died = evaluator(started, record.FAILED)
    evaluator(started, record.FINISHED, log="A rule evaluator is already running for SALT LAKE CITY")
    started.run(OPTION)
    assert statuses(started)[died] == record.SCHEDULED


def test_each_location_has_its_own(started: Site) -> None:
    died, runs = evaluator(started, record.FAILED), evaluator(started, record.RUNNING, 661, executor="there")
    other = evaluator(started, record.INTERRUPTED, 662)
    assert started.run(OPTION).said == f"begun again: task {other} of location 662, task {died} of location 660"
    assert statuses(started) == {died: record.SCHEDULED, runs: record.RUNNING, other: record.SCHEDULED}


def test_only_the_last_of_many_that_died_is_begun_again(started: Site) -> None:
    first, last = evaluator(started, record.FAILED), evaluator(started, record.FAILED)
    started.run(OPTION)
    assert statuses(started) == {first: record.FAILED, last: record.SCHEDULED}


def test_nothing_is_begun_again_after_stop(started: Site) -> None:
    number = evaluator(started, record.FAILED)
    set_flag(started, running=False)
    started.run(OPTION)
    assert statuses(started) == {number: record.FAILED}


def test_a_stop_of_all_holds_when_another_location_is_started_again(started: Site) -> None:
    """START of any location raises the one flag again (START^MAGDRPC5)."""
    died = evaluator(started, record.FAILED)
    started.store.transact(lambda connection: api.stop_all(connection, ENTRY_POINT))
    evaluator(started, record.RUNNING, 661, executor="there")
    started.run(OPTION)
    assert statuses(started)[died] == record.FAILED


def test_a_stop_of_one_names_its_location(started: Site) -> None:
    died, other = evaluator(started, record.FAILED), evaluator(started, record.FAILED, 661)
    now = started.clock.seconds()
    started.store.transact(lambda connection: api.askstop(connection, died, now))
    started.run(OPTION)
    assert statuses(started) == {died: record.FAILED, other: record.SCHEDULED}


def test_a_location_that_is_still_leased_to_another_task_waits(started: Site) -> None:
    number = evaluator(started, record.FAILED)
    expires = started.clock.seconds() + 10
    started.add(RunningTask, {"subject": subject_of({"location": 660}), "task": 4711, "attempt": 1, "expires_at": expires})
    started.run(OPTION)
    assert statuses(started) == {number: record.FAILED}
    started.clock.advance(10)
    started.run(OPTION)
    assert statuses(started) == {number: record.SCHEDULED}


def die(site: Site, number: int) -> None:
    change = update(Task).where(Task.number == number).values(status=record.FAILED, status_at=site.clock.seconds())
    site.store.transact(lambda connection: connection.execute(change))


def test_one_that_dies_again_and_again_is_left_alone_for_an_hour_and_says_so(started: Site) -> None:
    number = evaluator(started, record.FAILED)
    for _ in range(3):
        started.run(OPTION)
        assert statuses(started) == {number: record.SCHEDULED}
        die(started, number)
        started.clock.advance(60)
    assert isinstance(started.run(OPTION).ending, Deleted)
    assert statuses(started) == {number: record.FAILED}
    said = started.one(select(Task.said).where(Task.number == number))
    assert said == "it died 3 times and more; it is begun again after Nov 21, 2026@13:00:01"
    started.clock.advance(56 * 60)
    started.run(OPTION)
    assert statuses(started) == {number: record.FAILED}
    started.clock.advance(60)
    started.run(OPTION)
    assert statuses(started) == {number: record.SCHEDULED}
    assert started.count(TaskStep, TaskStep.task == number) == 4


def test_variables_say_how_often(started: Site) -> None:
    number = evaluator(started, record.FAILED)
    started.run(OPTION, restarts=1)
    die(started, number)
    started.run(OPTION, restarts=1)
    assert statuses(started) == {number: record.FAILED}


def test_a_task_without_a_location_is_nobodys(started: Site) -> None:
    now = started.clock.seconds()
    number = started.store.transact(lambda connection: api.load(connection, ENTRY_POINT, {}, "by hand", 9, now))
    die(started, number)
    started.run(OPTION)
    assert statuses(started) == {number: record.FAILED}


def test_a_look_that_is_taken_every_minute_uses_indexes(started: Site) -> None:
    if not started.store.sqlite:
        pytest.skip("plans are read on SQLite")
    evaluator(started, record.FAILED)
    evaluator(started, record.FINISHED, 661, log="Stopped at 1,1")
    with statements_of(started.store) as statements:
        assert started.run(OPTION).said
    plans = statements.plans(started.store)
    assert len(plans) > 8
    assert [text for text, steps in plans.items() if any(step.startswith("SCAN") for step in steps)] == []


KNOWN = restart.Known(1, record.FAILED, "", "", 1.0, 1, False, False, 660)


@pytest.mark.parametrize(
    ("evaluators", "chosen"),
    [([], None), ([KNOWN], KNOWN), ([KNOWN, restart.Known(2, record.RUNNING, "", "", 0.0, 1, True, False, 660)], None)],
)
def test_the_choice_is_made_of_values(evaluators: list[restart.Known], chosen: restart.Known | None) -> None:
    assert restart.to_restart(evaluators) is chosen
