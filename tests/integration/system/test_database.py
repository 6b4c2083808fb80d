"""The database is kept in order without holding anybody up, and damage is told."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text

from fileman import Store, StoreFailed
from fileman.files import Holiday, ImageEvent, SendQueue, TaskStep
from taskman.system.database import DatabaseDamaged
from tests.integration.system.conftest import OUTREACH, Site
from tests.support.query_plans import statements_of

DONE = "statistics of 7 tables are up to date"
MAINTAIN, CHECK = "MAGB MAINTAIN DATABASE", "MAGB CHECK DATABASE"


def log_of(site: Site) -> Path:
    return Path(f"{site.store.url.removeprefix('sqlite:///')}-wal")


def test_statistics_are_brought_up_to_date_and_the_log_is_emptied(site: Site) -> None:
    site.add(ImageEvent, *({"uid": f"1.{number}", "stage": "STORE", "at": 1.0} for number in range(2000)))
    if not site.store.sqlite:
        assert site.run(MAINTAIN).said == DONE
        told = select(text("reltuples")).select_from(text("pg_class")).where(text("relname = 'image_event'"))
        assert site.one(told) == 2000
        return
    assert log_of(site).stat().st_size > 0
    assert site.run(MAINTAIN).said == DONE
    assert site.one(text("SELECT count(*) FROM sqlite_stat1 WHERE tbl = 'image_event'")) > 0
    assert log_of(site).stat().st_size < 100_000, "it holds what the run itself wrote since"


def test_plans_stay_what_they_are_when_statistics_were_made_of_few_rows(site: Site) -> None:
    if not site.store.sqlite:
        pytest.skip("plans are read on SQLite")
    facts = {"image": 1, "destination": OUTREACH, "file_type": "FULL", "mechanism": 1, "origin": 660, "priority": 500}
    site.add(SendQueue, {"ien": 1, **facts, "queued": "3261121", "status": "SENDING", "status_at": 1.0})
    site.run(MAINTAIN)
    with statements_of(site.store) as statements:
        site.run("MAGB REQUEUE STUCK ENTRIES")
        site.run("MAGB RESTART EVALUATORS")
    scans = [it for it, steps in statements.plans(site.store).items() if any(step.startswith("SCAN") for step in steps)]
    assert scans == []


def test_a_writer_in_the_middle_of_a_transaction_puts_maintenance_off_and_is_not_held_up(site: Site) -> None:
    if not site.store.sqlite:
        pytest.skip("SQLite has one writer")
    other = sqlite3.connect(site.store.url.removeprefix("sqlite:///"), isolation_level=None)
    context = site.begin(MAINTAIN)
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(StoreFailed, match="locked"):
            context.store.maintain(["CREATE TABLE never (made INTEGER)"])
        ((busy, *_pages),) = context.store.maintain(["PRAGMA wal_checkpoint(TRUNCATE)"])[0]
        assert busy
        other.execute("INSERT INTO holiday VALUES ('3261225', 'CHRISTMAS')")
        other.execute("COMMIT")
    finally:
        other.close()
    assert site.count(Holiday) == 1


def test_what_the_database_refuses_is_told_in_its_words(site: Site) -> None:
    with pytest.raises(StoreFailed, match="no_such_table"):
        site.store.maintain(["ANALYZE no_such_table"])


def test_maintenance_is_in_no_transaction_and_beside_the_writer(site: Site) -> None:
    """VACUUM is what both engines refuse within a transaction."""
    statement = "VACUUM" if site.store.sqlite else "VACUUM holiday"
    site.store.maintain([statement])
    site.store.transact(lambda connection: connection.execute(insert(Holiday).values(date="3261225", name="CHRISTMAS")))
    assert site.count(Holiday) == 1


def test_a_sound_database_is_sound_table_by_table(site: Site) -> None:
    ran = site.run(CHECK)
    assert ran.ending is None
    if site.store.sqlite:
        assert ran.said.endswith("tables are sound")
        assert site.count(TaskStep, TaskStep.task == ran.number) > 40
    else:
        assert "PostgreSQL" in ran.said


def test_damaged_pages_end_the_check_in_error(tmp_path: Path, site: Site) -> None:
    if not site.store.sqlite:
        pytest.skip("PostgreSQL checks its pages itself")
    site.add(Holiday, *({"date": f"{number:07d}", "name": "x" * 200} for number in range(3_000_000, 3_000_400)))
    site.store.maintain(["PRAGMA wal_checkpoint(TRUNCATE)"])
    page = site.one(text("SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_holiday_1'"))
    size = site.one(text("PRAGMA page_size"))
    with Path(site.store.url.removeprefix("sqlite:///")).open("r+b") as file:
        file.seek((page - 1) * size + 8)
        file.write(b"\xff" * 64)
    damaged = Store(site.store.url)
    site.store, whole = damaged, site.store
    try:
        with pytest.raises(DatabaseDamaged, match="holiday"):
            site.run(CHECK)
        steps = select(TaskStep.name).where(TaskStep.name == "holiday")
        assert site.all(steps) == [], "damage is no step that is done: after a repair it is looked at again"
    finally:
        site.store = whole
        damaged.close()
