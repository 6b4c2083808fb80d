"""Events are counted once each, whatever dies, and never looked at again."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import delete, event, select, update

from fileman.files import AcquisitionCount, AcquisitionDevice, DailyStatistic, ImageEvent, Task
from taskman import Deleted, TaskLost, find_option
from taskman.system import statistics
from tests.integration.system.conftest import Site
from tests.support.query_plans import statements_of

OPTION = "MAGB ROLL UP STATISTICS"
TODAY = "3261121"
#: An hour before the site's noon.
BEFORE = datetime.fromisoformat("2026-11-21T11:00").timestamp()


def tell(site: Site, *events: tuple[int | None, str, str], uid: str = "1.2.9", at: float = BEFORE) -> None:
    site.add(
        ImageEvent, *({"uid": uid, "image": image, "stage": stage, "outcome": how, "at": at} for image, stage, how in events)
    )


def settle(site: Site) -> None:
    """Let a run see what there is, and so much time pass that the next one may count it."""
    site.run(OPTION)
    site.clock.advance(statistics.SETTLED)


def counts(site: Site, *columns: Any) -> dict[Any, int]:
    chosen = columns or (DailyStatistic.stage, DailyStatistic.outcome)
    rows = site.all(select(*chosen, DailyStatistic.count).order_by(*chosen))
    return {row[:-1] if len(row) > 2 else row[0]: row[-1] for row in rows}


def test_events_are_counted_by_day_location_instrument_stage_and_outcome(site: Site) -> None:
    site.add(AcquisitionDevice, {"ien": 7, "name": "CT1"})
    site.image(1, content=None, acquisition_site=660, acquisition_device=7)
    site.image(9, content=None, acquisition_site=661)
    tell(site, (1, "STORE", "stored"), (1, "STORE", "stored"), (1, "EVALUATE", "2 of 5 rules fired"), (99, "STORE", "stored"))
    tell(site, (1, "EVALUATE", "0 of 5 rules fired"), (1, "EVALUATE", "10 of 10 rules fired"), at=BEFORE - 86400)
    tell(site, (None, "RECEIVE", "received"))
    settle(site)
    assert site.run(OPTION).said == "7 events counted"
    key = (DailyStatistic.day, DailyStatistic.location, DailyStatistic.instrument, DailyStatistic.stage, DailyStatistic.outcome)
    assert counts(site, *key) == {
        ("3261120", "660", "CT1", "EVALUATE", "no rule fired"): 1,
        ("3261120", "660", "CT1", "EVALUATE", "rules fired"): 1,
        (TODAY, "660", "CT1", "EVALUATE", "rules fired"): 1,
        (TODAY, "660", "CT1", "STORE", "stored"): 2,
        (TODAY, "", "", "STORE", "stored"): 1,
        (TODAY, "661", "", "RECEIVE", "received"): 1,
    }


def test_only_what_is_new_is_read_and_counted(site: Site) -> None:
    tell(site, *[(None, "STORE", "stored")] * 3)
    settle(site)
    site.run(OPTION)
    site.store.transact(lambda connection: connection.execute(update(ImageEvent).values(outcome="changed")))
    tell(site, (None, "STORE", "stored"))
    settle(site)
    assert site.run(OPTION).said == "1 events counted"
    assert counts(site) == {("STORE", "stored"): 4}
    settle(site)
    assert isinstance(site.run(OPTION).ending, Deleted)
    assert counts(site) == {("STORE", "stored"): 4}


def test_what_may_still_be_missing_an_earlier_number_waits(site: Site) -> None:
    """A number is taken before its transaction commits, so that a later one may be seen first on PostgreSQL."""
    tell(site, (None, "STORE", "stored"))
    site.run(OPTION)
    site.clock.advance(statistics.SETTLED - 1)
    assert isinstance(site.run(OPTION).ending, Deleted)
    site.clock.advance(1)
    tell(site, (None, "STORE", "stored"))
    assert site.run(OPTION).said == "1 events counted"


def test_the_acquisition_statistics_of_the_last_days_are_taken_over(site: Site) -> None:
    def acquire(day: str, instrument: str, acquired: int, processed: int) -> None:
        site.store.transact(lambda connection: connection.execute(delete(AcquisitionCount).where(AcquisitionCount.day == day)))
        row = {"day": day, "location": "660", "instrument": instrument, "acquired": acquired, "processed": processed}
        site.add(AcquisitionCount, row)

    acquire("3261119", "CT1", 5, 4)
    acquire("3261120", "CT1", 2, 0)
    site.run(OPTION)
    acquire("3261119", "CT1", 50, 40)
    acquire("3261120", "CT1", 3, 1)
    acquire("3261121", "MR1", 1, 1)
    site.run(OPTION)
    site.run(OPTION)
    assert counts(site, DailyStatistic.day, DailyStatistic.instrument, DailyStatistic.stage) == {
        ("3261119", "CT1", "ACQUIRED"): 5,
        ("3261119", "CT1", "FILED"): 4,
        ("3261120", "CT1", "ACQUIRED"): 3,
        ("3261120", "CT1", "FILED"): 1,
        ("3261121", "MR1", "ACQUIRED"): 1,
        ("3261121", "MR1", "FILED"): 1,
    }


def test_many_instruments_are_taken_over_whole(site: Site) -> None:
    names = [f"CT{number:04d}" for number in range(2 * statistics.BATCH + 3)]
    site.add(
        AcquisitionCount,
        *({"day": TODAY, "location": "660", "instrument": name, "acquired": 1, "processed": 0} for name in names),
    )
    site.run(OPTION)
    assert counts(site, DailyStatistic.instrument) == dict.fromkeys(names, 1)


def test_a_client_that_thinks_of_ever_new_outcomes_makes_no_more_rows(site: Site) -> None:
    words = [f"{chr(97 + number // 26)}{chr(97 + number % 26)}" for number in range(statistics.MOST_OUTCOMES + 20)]
    tell(site, *((None, "STORE", word) for word in words[:30]))
    settle(site)
    site.run(OPTION)
    tell(site, *((None, "STORE", word) for word in words[30:]), (None, "STORE", words[0]), (None, "X" * 500, "y" * 500))
    settle(site)
    site.run(OPTION)
    found = counts(site)
    assert found["STORE", statistics.OTHER] == 20
    assert found["STORE", words[0]] == 2
    assert found["X" * statistics.NAME_LIMIT, "y" * statistics.NAME_LIMIT] == 1
    assert len(found) == statistics.MOST_OUTCOMES + 2


@pytest.mark.parametrize("at", [1e12, -1e11, 1e300])
def test_a_time_that_no_calendar_has_stops_nothing(site: Site, at: float) -> None:
    tell(site, (None, "STORE", "stored"), at=at)
    tell(site, (None, "STORE", "stored"))
    settle(site)
    site.run(OPTION)
    assert counts(site, DailyStatistic.day) == {"": 1, TODAY: 1}


def test_a_run_that_dies_at_any_statement_counts_nothing_twice_and_forgets_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics, "_EVENTS", statistics._EVENTS.limit(2))
    monkeypatch.setattr("taskman.system.batches.BATCH", 2)
    site.add(AcquisitionCount, {"day": TODAY, "location": "660", "instrument": "CT1", "acquired": 3, "processed": 0})
    died, ended = 0, False
    while not ended:  # each time one statement later, until a run comes to its end
        tell(site, *[(None, "STORE", "stored")] * 5)
        settle(site)
        ended = run_until(site, died)
        settle(site)
        site.run(OPTION)
        died += 1
        assert counts(site) == {("ACQUIRED", ""): 3, ("STORE", "stored"): 5 * died}
    assert died > 10


class Died(Exception):
    """The process died here."""


def run_until(site: Site, statements: int) -> bool:
    """Run until so many statements of changes were executed, and die; true for a run that came to its end before."""
    seen = 0

    def count(_connection: Any, _cursor: Any, text: str, *_rest: Any) -> None:
        nonlocal seen
        if text.startswith(("INSERT INTO daily", "UPDATE statistics", "INSERT INTO statistics", "UPDATE task")):
            seen += 1
            if seen > statements:
                raise Died

    context = site.begin(OPTION)
    event.listen(site.store._writing, "before_cursor_execute", count)
    try:
        find_option(OPTION).body(context)
    except Died:
        return False
    finally:
        event.remove(site.store._writing, "before_cursor_execute", count)
    return True


def test_a_run_that_lost_its_task_counts_nothing(site: Site) -> None:
    tell(site, (None, "STORE", "stored"))
    settle(site)
    context = site.begin(OPTION)
    gone = update(Task).where(Task.number == context.number).values(attempt=2)
    site.store.transact(lambda connection: connection.execute(gone))
    with pytest.raises(TaskLost):
        find_option(OPTION).body(context)
    assert counts(site) == {}


def test_a_look_that_is_taken_every_few_minutes_uses_indexes(site: Site) -> None:
    if not site.store.sqlite:
        pytest.skip("plans are read on SQLite")
    site.image(1, content=None)
    site.add(AcquisitionCount, {"day": TODAY, "location": "660", "instrument": "CT1", "acquired": 3, "processed": 0})
    tell(site, (1, "STORE", "stored"), (None, "RECEIVE", "received"))
    settle(site)
    with statements_of(site.store) as statements:
        assert site.run(OPTION).said == "2 events counted"
    plans = statements.plans(site.store)
    assert len(plans) > 10
    assert [text for text, steps in plans.items() if any(step.startswith("SCAN") for step in steps)] == []
