"""Auditors' logs lose what is older than the site keeps, never anything younger."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import insert, select

from fileman import to_fileman
from fileman.files import AuditChange, AuditRecord, ErrorLog, ImageEvent, SecurityEvent, SignOnLog, StatisticsCursor, TaskError
from taskman.system import audit
from taskman.system.batches import BATCH
from tests.integration.system.conftest import DAY, Site

OPTION = "MAGB TRIM AUDIT LOGS"
YEAR = 365


def fill(site: Site, days: list[float], *, counted: int | None = None) -> None:
    """Put an entry into each log for each age in days, numbered as they come."""
    now, wall = site.clock.seconds(), site.clock.now()
    for ien, age in enumerate(days, start=1):
        moment = to_fileman(wall - timedelta(days=age))
        site.add(SignOnLog, {"ien": ien, "duz": 1, "signed_on": moment})
        facts = {"action": "MAGB EXPORT HOLD", "outcome": "done"}
        site.add(AuditRecord, {"ien": ien, "at": now - age * DAY, **facts})
        site.add(SecurityEvent, {"ien": ien, "at": now - age * DAY, "event": "FAILED"})
        site.add(AuditChange, {"record": ien, "number": 1, "subject": "destination ARCHIVE"})
        site.add(ErrorLog, {"ien": ien, "at": moment, "text": "DIVIDE"})
        facts = {"task": 1, "entry_point": "X^Y", "executor": "", "text": "", "traceback": ""}
        site.add(TaskError, {"ien": ien, "at": now - age * DAY, **facts})
        site.add(ImageEvent, {"ien": ien, "uid": "1.2", "stage": "STORE", "at": now - age * DAY})
    last = len(days) if counted is None else counted
    site.add(StatisticsCursor, {"id": 1, "last": last, "seen": last, "seen_at": now, "day": ""})


def left(site: Site) -> list[list[int]]:
    columns = (SignOnLog.ien, ErrorLog.ien, TaskError.ien, ImageEvent.ien)
    return [list(site.all(select(column).order_by(column))) for column in columns]


def test_each_log_is_kept_for_its_time(site: Site) -> None:
    fill(site, [2558, 2556, 366, 364, 91, 89, 0])
    said = site.run(OPTION).said
    assert (
        said == "1 sign-ons, 1 failed sign-ons and starts, 1 actions, 3 errors of procedures, 5 errors of tasks, 1 image events"
    )
    assert left(site) == [[2, 3, 4, 5, 6, 7], [4, 5, 6, 7], [6, 7], [2, 3, 4, 5, 6, 7]]
    for column in (AuditRecord.ien, AuditChange.record, SecurityEvent.ien):
        assert list(site.all(select(column).order_by(column))) == [2, 3, 4, 5, 6, 7]
    assert site.run(OPTION).said == "nothing was old enough"


def test_a_younger_entry_among_older_ones_stays(site: Site) -> None:
    fill(site, [3000, 1, 3000, 2, 0])
    site.run(OPTION)
    assert left(site)[0] == [2, 4, 5]
    assert left(site)[3] == [2, 4, 5]


def test_an_event_goes_only_when_it_is_counted_and_never_the_newest(site: Site) -> None:
    fill(site, [3000, 3000, 3000], counted=1)
    site.run(OPTION)
    assert left(site)[3] == [2, 3]
    site.store.transact(lambda connection: connection.execute(StatisticsCursor.__table__.update().values(last=3)))
    site.run(OPTION)
    assert left(site)[3] == [3]
    event = insert(ImageEvent).values(uid="1", stage="STORE", at=1.0).returning(ImageEvent.ien)
    assert site.store.transact(lambda connection: connection.execute(event).scalar()) != 2, "no number is given twice"


def test_without_statistics_no_event_goes(site: Site) -> None:
    fill(site, [3000, 3000])
    site.store.transact(lambda connection: connection.execute(StatisticsCursor.__table__.delete()))
    site.run(OPTION)
    assert left(site)[3] == [1, 2]


@pytest.mark.parametrize("count", [BATCH, 2 * BATCH + 1])
def test_whole_batches_go_in_one_run(site: Site, count: int) -> None:
    moment = to_fileman(site.clock.now() - timedelta(days=3000))
    site.add(SignOnLog, *({"ien": ien, "duz": 1, "signed_on": moment} for ien in range(1, count + 1)))
    assert site.run(OPTION).said == f"{count} sign-ons"


def test_the_defaults_are_what_an_auditor_accepts() -> None:
    assert audit.VARIABLES["sign_on_days"] >= 6 * YEAR
    assert audit.VARIABLES["image_event_days"] >= 6 * YEAR
