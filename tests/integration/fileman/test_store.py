"""The store writes whole or not at all, on both engines, and readers see the newest state."""

from __future__ import annotations

from concurrent.futures import wait
from threading import Event

import pytest
from sqlalchemy import Connection, func, insert, select, text

from fileman import Store, StoreClosed, StoreFailed, bump_site_version, next_ien, next_iens, release_lease, take_lease
from fileman.files import Holiday, Patient


def add_holiday(connection: Connection, date: str) -> str:
    connection.execute(insert(Holiday).values(date=date, name="A DAY"))
    return date


def count_holidays(connection: Connection) -> int:
    return int(connection.execute(select(func.count()).select_from(Holiday)).scalar_one())


def test_what_a_future_promises_is_committed(store: Store) -> None:
    assert store.write(lambda connection: add_holiday(connection, "3261225")).result(10) == "3261225"
    assert store.read(count_holidays) == 1


def test_an_exception_takes_back_its_own_request_only(store: Store) -> None:
    hold = Event()
    first = store.write(lambda _connection: hold.wait(10))
    good = store.write(lambda connection: add_holiday(connection, "3260101"))

    def fail(connection: Connection) -> None:
        add_holiday(connection, "3260102")
        raise ValueError("no")

    bad = store.write(fail)
    also_good = store.write(lambda connection: add_holiday(connection, "3260103"))
    hold.set()
    wait([first, good, bad, also_good], 10)
    with pytest.raises(ValueError, match="no"):
        bad.result()
    assert store.read(lambda connection: sorted(connection.execute(select(Holiday.date)).scalars())) == ["3260101", "3260103"]


def test_a_constraint_that_fails_reaches_its_caller_only(store: Store) -> None:
    store.transact(lambda connection: add_holiday(connection, "3260101"))
    again = store.write(lambda connection: add_holiday(connection, "3260101"))
    other = store.write(lambda connection: add_holiday(connection, "3260102"))
    assert again.exception(10) is not None
    assert other.result(10) == "3260102"


def test_a_commit_that_fails_fails_every_request_of_the_batch(store: Store) -> None:
    hold = Event()

    def orphan(connection: Connection) -> None:
        hold.wait(10)
        if store.sqlite:
            connection.execute(text("PRAGMA defer_foreign_keys=ON"))
            connection.execute(text("INSERT INTO user_key (duz, key, position) VALUES (1, 'K', 0)"))
        else:
            connection.execute(text("CREATE TABLE parent (id int primary key)"))
            connection.execute(text("CREATE TABLE child (id int REFERENCES parent DEFERRABLE INITIALLY DEFERRED)"))
            connection.execute(text("INSERT INTO child VALUES (1)"))

    broken = store.write(orphan)
    hold.set()
    assert isinstance(broken.exception(10), StoreFailed)
    assert store.write(lambda connection: add_holiday(connection, "3260101")).result(10)


def test_numbers_of_many_writers_are_never_given_twice(store: Store) -> None:
    futures = [store.write(lambda connection: next_ien(connection, "image")) for _ in range(200)]
    numbers = [future.result(30) for future in futures]
    assert len(set(numbers)) == 200
    assert min(numbers) == 1


def test_task_numbers_begin_at_a_thousand(store: Store) -> None:
    assert store.transact(lambda connection: next_ien(connection, "task")) == 1000
    assert store.transact(lambda connection: next_iens(connection, "task", 3)) == [1001, 1002, 1003]


def test_a_lease_is_held_until_it_is_given_back_or_expires(store: Store) -> None:
    def take(holder: str, now: float) -> bool:
        return store.transact(lambda connection: take_lease(connection, "exam:1", holder, 30, now))

    assert take("A", 1000.0)
    assert not take("B", 1010.0)
    assert take("A", 1020.0)
    assert not take("B", 1049.0)
    assert take("B", 1050.0)
    assert not store.transact(lambda connection: release_lease(connection, "exam:1", "A"))
    assert store.transact(lambda connection: release_lease(connection, "exam:1", "B"))
    assert take("A", 1051.0)


def test_the_site_version_tells_of_changes_and_of_nothing_else(store: Store) -> None:
    before = store.site_version()
    store.transact(lambda connection: add_holiday(connection, "3260101"))
    assert store.site_version() == before
    store.transact(bump_site_version)
    assert store.site_version() == before + 1


def test_a_scan_runs_beside_the_caller(store: Store) -> None:
    store.transact(lambda connection: connection.execute(insert(Patient).values(dfn=1, name="DEMO,ONE")))
    assert store.scan(lambda connection: connection.execute(select(Patient.name)).scalar_one()).result(10) == "DEMO,ONE"


def test_a_closed_store_takes_nothing_more(store: Store) -> None:
    store.close()
    with pytest.raises(StoreClosed):
        store.write(count_holidays)
    with pytest.raises(StoreClosed):
        store.scan(count_holidays)
