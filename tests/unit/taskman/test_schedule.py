"""Scheduled options are queued when their time has come, once, and what was missed is made up for as was chosen."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, select, update

from fileman import Store
from fileman.files import Task
from taskman import BadFrequency, BadSchedule, UnknownRoutine, routine, schedule
from taskman.outlook import look
from taskman.schedule import Schedule

DENVER = ZoneInfo("America/Denver")
NOON = datetime(2026, 11, 21, 12, tzinfo=DENVER).timestamp()
HOUR, DAY = 3600.0, 86400.0


@routine("RUN^ZZSCHED", option="ZZ SCHEDULED", variables={"days": 7})
def run(_task: object) -> None:
    """Do what a test schedules."""


@pytest.fixture(autouse=True)
def in_denver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "get_localzone", lambda: DENVER)


def add(store: Store, frequency: str = "1D", next_at: float | None = NOON, **facts: Any) -> int:
    return store.transact(lambda connection: schedule.add_schedule(connection, "ZZ SCHEDULED", frequency, next_at, **facts))


def do(store: Store, what: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    return store.transact(lambda connection: what(connection, *arguments, **named))


def queue(store: Store, now: float) -> list[int]:
    queued: list[int] = do(store, schedule.queue_due, now)
    return queued


def entry(store: Store, ien: int = 1) -> Schedule:
    return store.read(lambda connection: schedule.read_schedule(connection, ien))


def end(store: Store, *numbers: int) -> None:
    store.transact(lambda it: it.execute(update(Task).where(Task.number.in_(numbers)).values(status="6")))


def test_a_run_is_queued_once_when_its_time_has_come(store: Store) -> None:
    add(store, variables={"days": 7}, parameter="x", duz=9001)
    assert queue(store, NOON - 1) == []
    assert not store.read(lambda connection: look(connection, NOON - 1)).schedules_due
    assert store.read(lambda connection: look(connection, NOON)).schedules_due
    assert queue(store, NOON) == [1000]
    assert queue(store, NOON) == []
    columns = (Task.entry_point, Task.option, Task.arguments, Task.duz, Task.description)
    found = store.read(lambda connection: connection.execute(select(*columns)).one())
    assert tuple(found) == ("ZTSK^XQ1", "ZZ SCHEDULED", '{"days": 7, "ZTQPARAM": "x"}', 9001, "Do what a test schedules")
    assert (entry(store).next_at, entry(store).task, entry(store).last_at) == (NOON + DAY, 1000, NOON)


def test_of_runs_that_were_missed_one_is_made_up_for_and_the_others_are_counted(store: Store) -> None:
    add(store)
    assert queue(store, NOON + 3 * DAY + 60) == [1000]
    assert (entry(store).next_at, entry(store).skipped) == (NOON + 4 * DAY, 3)


def test_hours_that_were_missed_are_counted_without_a_step_for_each(store: Store) -> None:
    add(store, "1S")
    assert queue(store, NOON + 365 * DAY) == [1000]
    assert (entry(store).next_at, entry(store).skipped) == (NOON + 365 * DAY + 1, 365 * DAY)


def test_with_catch_up_each_missed_run_is_made_up_for_one_after_the_other(store: Store) -> None:
    add(store, catch_up=True)
    late = NOON + 2 * DAY + 60
    for number, following in ((1000, NOON + DAY), (1001, NOON + 2 * DAY), (1002, NOON + 3 * DAY)):
        assert queue(store, late) == [number]
        assert queue(store, late) == []  # the last one is at work still
        assert entry(store).next_at == following
        end(store, number)
    assert queue(store, late) == []
    assert entry(store).skipped == 0


def test_while_a_run_is_at_work_the_next_one_is_left_out(store: Store) -> None:
    add(store, "1H")
    assert queue(store, NOON) == [1000]
    assert queue(store, NOON + HOUR) == []
    assert (entry(store).next_at, entry(store).skipped) == (NOON + 2 * HOUR, 1)
    end(store, 1000)
    assert queue(store, NOON + 2 * HOUR) == [1001]


def test_an_entry_without_frequency_runs_once(store: Store) -> None:
    add(store, "")
    assert queue(store, NOON) == [1000]
    assert entry(store).next_at is None
    assert queue(store, NOON + 10 * DAY) == []


def test_a_paused_entry_waits_and_goes_on_when_it_is_resumed(store: Store) -> None:
    ien = add(store)
    do(store, schedule.change_schedule, ien, paused=True)
    assert queue(store, NOON) == []
    assert not store.read(lambda connection: look(connection, NOON)).schedules_due
    do(store, schedule.change_schedule, ien, paused=False)
    assert queue(store, NOON) == [1000]


def test_a_run_may_be_asked_for_at_once_besides(store: Store) -> None:
    ien = add(store)
    assert do(store, schedule.run_now, ien, NOON - HOUR, 9002) == 1000
    assert entry(store).next_at == NOON
    assert do(store, schedule.queue_option, "ZZ SCHEDULED", NOON, 9002, {"a": 1}) == 1001


def test_a_schedule_is_changed_and_taken_away(store: Store) -> None:
    ien = add(store)
    do(store, schedule.change_schedule, ien, frequency="2H", next_at=NOON + HOUR, catch_up=True)
    changed = entry(store)
    assert (changed.frequency, changed.next_at, changed.catch_up) == ("2H", NOON + HOUR, True)
    do(store, schedule.delete_schedule, ien)
    assert store.read(schedule.list_schedules) == []
    for call in (schedule.read_schedule, schedule.delete_schedule, schedule.change_schedule):
        with pytest.raises(BadSchedule, match="no entry 1"):
            do(store, call, ien)


#: What cannot be scheduled.
BAD: list[tuple[dict[str, Any], type[Exception]]] = [
    ({"frequency": "SOMETIMES"}, BadFrequency),
    ({"special": "X"}, BadSchedule),
    ({"next_at": None}, BadSchedule),
]


@pytest.mark.parametrize(("facts", "error"), BAD)
def test_what_cannot_be_scheduled_is_refused(store: Store, facts: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        add(store, **facts)
    with pytest.raises(UnknownRoutine, match="ZZ NOTHING"):
        do(store, schedule.add_schedule, "ZZ NOTHING", "1D", NOON)
    assert store.read(schedule.list_schedules) == []


@pytest.mark.parametrize("special", ["S", "SP", "P"])
def test_options_run_at_the_start_unless_they_run_already(store: Store, special: str) -> None:
    add(store, "", None, special=special)
    assert do(store, schedule.queue_startup, NOON) == [1000]
    assert do(store, schedule.queue_startup, NOON) == []
    persistent = store.read(lambda connection: connection.execute(select(Task.persistent)).scalar())
    assert persistent is ("P" in special)
    end(store, 1000)
    assert do(store, schedule.queue_startup, NOON) == [1001]


def test_an_entry_whose_option_is_gone_is_paused_and_holds_nothing_up(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    add(store, next_at=NOON - 1)
    add(store)

    def spoil(connection: Connection) -> None:
        table = schedule.OptionSchedule
        connection.execute(update(table).where(table.ien == 1).values(option="ZZ GONE"))

    store.transact(spoil)
    assert queue(store, NOON) == [1000]
    assert (entry(store, 1).paused, entry(store, 2).task) == (True, 1000)
    assert "ZZ GONE" in caplog.text


def test_a_daily_run_in_the_hour_that_is_left_out_in_spring_keeps_its_time_of_day(store: Store) -> None:
    """Clocks in Denver jump from 2:00 to 3:00 on Sunday, 14 March 2027."""
    add(store, "1D", datetime(2027, 3, 13, 2, 30, tzinfo=DENVER).timestamp())
    runs = []
    for _ in range(3):
        following = entry(store).next_at
        assert following is not None
        runs.append(datetime.fromtimestamp(following, DENVER).strftime("%d %H:%M %Z"))
        end(store, *queue(store, following))
    assert runs == ["13 02:30 MST", "14 03:00 MDT", "15 02:30 MDT"]


def test_hours_go_on_through_the_hour_that_comes_twice_in_autumn(store: Store) -> None:
    """Clocks in Denver go back from 2:00 to 1:00 on Sunday, 7 November 2027."""
    add(store, "1H", datetime(2027, 11, 7, 0, 30, tzinfo=DENVER).timestamp())
    shown = [datetime.fromtimestamp(at, DENVER).strftime("%H:%M %Z") for at in entry(store).preview(4)]
    assert shown == ["00:30 MDT", "01:30 MDT", "01:30 MST", "02:30 MST"]


def test_a_single_run_waits_for_the_end_of_the_one_before(store: Store) -> None:
    add(store, "", NOON)
    assert do(store, schedule.run_now, 1, NOON - 60) == 1000
    assert do(store, schedule.queue_due, NOON) == []
    assert entry(store).next_at == NOON
    end(store, 1000)
    assert do(store, schedule.queue_due, NOON + 1) == [1001]


def test_a_preview_goes_by_the_wall_where_clocks_jump_over_a_run(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    monkeypatch.setattr(schedule, "get_localzone", lambda: berlin)
    add(store, next_at=datetime(2026, 3, 28, 2, 30, tzinfo=berlin).timestamp())
    (before,) = store.read(schedule.list_schedules)
    do(store, schedule.queue_due, before.next_at + 1)
    runs = [datetime.fromtimestamp(at, berlin).strftime("%d %H:%M") for at in entry(store).preview(3)]
    assert runs == ["29 03:00", "30 02:30", "31 02:30"]


def test_a_preview_shows_what_will_come(store: Store) -> None:
    add(store)
    assert entry(store).preview(3) == [NOON, NOON + DAY, NOON + 2 * DAY]
    assert entry(store).preview(0) == []
    do(store, schedule.change_schedule, 1, frequency="")
    assert entry(store).preview(3) == [NOON]
