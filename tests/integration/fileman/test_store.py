"""The store writes whole or not at all, on both engines, and readers see the newest state."""

from __future__ import annotations

from concurrent.futures import CancelledError, ThreadPoolExecutor, wait
from threading import Barrier, Event, Thread

import pytest
from sqlalchemy import Connection, func, insert, select, text, update

from fileman import (
    NumbersAhead,
    Store,
    StoreClosed,
    StoreFailed,
    bump_site_version,
    lock_for_transaction,
    next_ien,
    next_iens,
    release_lease,
    reset_numbers,
    take_lease,
)
from fileman.engines import READERS
from fileman.files import Holiday, Patient


def add_holiday(connection: Connection, date: str) -> str:
    connection.execute(insert(Holiday).values(date=date, name="A DAY"))
    return date


def count_holidays(connection: Connection) -> int:
    return int(connection.execute(select(func.count()).select_from(Holiday)).scalar_one())


def test_what_a_future_promises_is_committed(store: Store) -> None:
    assert store.write(lambda connection: add_holiday(connection, "3261225")).result(10) == "3261225"
    assert store.read(count_holidays) == 1


def test_what_is_not_committed_is_not_read(store: Store) -> None:
    written, go_on = Event(), Event()

    def slowly(connection: Connection) -> None:
        add_holiday(connection, "3261225")
        written.set()
        assert go_on.wait(10)

    future = store.write(slowly)
    assert written.wait(10)
    assert store.read(count_holidays) == 0
    go_on.set()
    future.result(10)
    assert store.read(count_holidays) == 1


def test_another_process_reads_the_newest_state(store: Store) -> None:
    other = Store(store.url)
    try:
        for number in range(1, 6):
            store.transact(lambda connection, number=number: add_holiday(connection, f"326010{number}"))
            assert other.read(count_holidays) == number
    finally:
        other.close()


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


def test_a_constraint_that_fails_reaches_its_caller_only_and_in_our_words(store: Store) -> None:
    store.transact(lambda connection: add_holiday(connection, "3260101"))
    again = store.write(lambda connection: add_holiday(connection, "3260101"))
    other = store.write(lambda connection: add_holiday(connection, "3260102"))
    assert isinstance(again.exception(10), StoreFailed)
    assert other.result(10) == "3260102"


def test_what_the_database_refuses_names_no_patient(store: Store) -> None:
    def add(connection: Connection) -> None:
        connection.execute(insert(Patient).values(dfn=1, name="DEMO,SECRET", ssn=None))

    with pytest.raises(StoreFailed, match="ssn") as raised:
        store.transact(add)
    assert "SECRET" not in str(raised.value)


def test_a_reading_that_the_database_refuses_is_a_failure_of_the_store(store: Store) -> None:
    with pytest.raises(StoreFailed):
        store.read(lambda connection: connection.execute(text("SELECT * FROM no_such_table")))
    assert store.read(count_holidays) == 0


def test_a_commit_that_fails_fails_every_request_of_its_transaction(store: Store) -> None:
    hold = Event()
    first = store.write(lambda _connection: hold.wait(10))

    def orphan(connection: Connection) -> None:
        if store.sqlite:
            connection.execute(text("PRAGMA defer_foreign_keys=ON"))
            connection.execute(text("INSERT INTO user_key (duz, key, position) VALUES (1, 'K', 0)"))
        else:
            connection.execute(text("CREATE TABLE parent (id int primary key)"))
            connection.execute(text("CREATE TABLE child (id int REFERENCES parent DEFERRABLE INITIALLY DEFERRED)"))
            connection.execute(text("INSERT INTO child VALUES (1)"))

    beside = store.write(lambda connection: add_holiday(connection, "3260102"))
    broken = store.write(orphan)
    hold.set()
    assert isinstance(broken.exception(10), StoreFailed)
    if store.sqlite:  # one transaction for all of them; PostgreSQL gives each its own
        assert isinstance(first.exception(10), StoreFailed)
        assert isinstance(beside.exception(10), StoreFailed)
        assert store.read(count_holidays) == 0
    assert store.write(lambda connection: add_holiday(connection, "3260101")).result(10)


def test_a_request_that_was_cancelled_in_the_queue_is_not_carried_out(store: Store) -> None:
    hold = Event()
    busy = [store.write(lambda _connection: hold.wait(10)) for _ in range(8)]
    unwanted = store.write(lambda connection: add_holiday(connection, "3260101"))
    cancelled = unwanted.cancel()
    wanted = store.write(lambda connection: add_holiday(connection, "3260102"))
    hold.set()
    wait([*busy, wanted], 10)
    assert cancelled
    with pytest.raises(CancelledError):
        unwanted.result(10)
    assert store.read(lambda connection: connection.execute(select(Holiday.date)).scalars().all()) == ["3260102"]


def test_writers_on_many_threads_lose_nothing_and_share_no_number(store: Store) -> None:
    start = Barrier(8)

    def write(_writer: int) -> list[int]:
        start.wait(10)
        return [store.transact(number_and_file) for _ in range(25)]

    def number_and_file(connection: Connection) -> int:
        ien = next_ien(connection, "image")
        connection.execute(insert(Patient).values(dfn=ien, name=f"DEMO,{ien}"))
        return ien

    with ThreadPoolExecutor(8) as pool:
        numbers = [number for numbers in pool.map(write, range(8)) for number in numbers]
    assert sorted(numbers) == list(range(1, 201))
    assert store.read(lambda connection: sorted(connection.execute(select(Patient.dfn)).scalars())) == sorted(numbers)


def test_names_held_for_a_transaction_make_others_wait(store: Store) -> None:
    store.transact(lambda connection: connection.execute(insert(Patient).values(dfn=1, name="0")))

    def count_up(connection: Connection) -> None:
        lock_for_transaction(connection, "uid:1.2.3", "exam:1")
        seen = int(connection.execute(select(Patient.name)).scalar_one())
        connection.execute(update(Patient).values(name=str(seen + 1)))

    wait([store.write(count_up) for _ in range(100)], 30)
    assert store.read(lambda connection: connection.execute(select(Patient.name)).scalar_one()) == "100"


def test_names_are_taken_in_one_order_so_that_nobody_blocks_each_other(store: Store) -> None:
    tries: list[str] = []

    def hold(connection: Connection, *names: str) -> None:
        tries.append(names[0])
        lock_for_transaction(connection, *names)

    futures = [store.write(lambda connection, pair=pair: hold(connection, *pair)) for pair in [("a", "b"), ("b", "a")] * 100]
    assert [future.result(30) for future in futures] == [None] * 200
    assert len(tries) == 200  # a deadlock would have been tried again


def test_task_numbers_begin_at_a_thousand(store: Store) -> None:
    assert store.transact(lambda connection: next_ien(connection, "task")) == 1000
    assert store.transact(lambda connection: next_iens(connection, "task", 3)) == [1001, 1002, 1003]
    store.transact(lambda connection: reset_numbers(connection, ["task"]))
    assert store.transact(lambda connection: next_iens(connection, "task", 2)) == [1000, 1001]


def test_numbers_taken_ahead_are_given_in_order_and_those_not_wanted_come_back_on_sqlite(store: Store) -> None:
    def take(connection: Connection, wanted: int, count: int) -> list[int]:
        numbers = NumbersAhead(connection, "image", wanted)
        taken = [numbers.take() for _ in range(count)]
        numbers.give_back()
        return taken

    assert store.transact(lambda connection: take(connection, 5, 3)) == [1, 2, 3]
    following = 4 if store.sqlite else 6
    assert store.transact(lambda connection: take(connection, 0, 2)) == [following, following + 1]
    assert store.transact(lambda connection: next_ien(connection, "image")) == following + 2


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


@pytest.mark.parametrize("expired", [False, True])
def test_of_many_that_want_a_lease_at_once_one_gets_it(store: Store, expired: bool) -> None:
    if expired:
        store.transact(lambda connection: take_lease(connection, "exam:1", "GONE", 30, 1000.0))
    start = Barrier(8)

    def take(holder: int) -> bool:
        start.wait(10)
        return store.transact(lambda connection: take_lease(connection, "exam:1", str(holder), 30, 1050.0))

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(take, range(8))) == 1


def test_the_site_version_tells_of_changes_and_of_nothing_else(store: Store) -> None:
    other = Store(store.url)
    try:
        before = store.site_version()
        assert other.site_version() == before
        store.transact(lambda connection: add_holiday(connection, "3260101"))
        assert store.site_version() == other.site_version() == before
        store.transact(bump_site_version)
        assert store.site_version() == other.site_version() == before + 1
        other.transact(bump_site_version)
        assert store.site_version() == before + 2
    finally:
        other.close()


def test_a_scan_runs_beside_the_caller(store: Store) -> None:
    store.transact(lambda connection: connection.execute(insert(Patient).values(dfn=1, name="DEMO,ONE")))
    assert store.scan(lambda connection: connection.execute(select(Patient.name)).scalar_one()).result(10) == "DEMO,ONE"


def test_readers_cannot_write(store: Store) -> None:
    with pytest.raises(StoreFailed, match=r"readonly|read-only"):
        store.read(lambda connection: add_holiday(connection, "3260101"))


def test_threads_that_end_leave_no_connection_behind(store: Store) -> None:
    store.read(count_holidays)
    for _ in range(20):
        thread = Thread(target=store.read, args=(count_holidays,))
        thread.start()
        thread.join(10)
    assert len(store._readers) <= 2


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_many_threads_share_few_connections_to_postgresql(store: Store) -> None:
    """A SQLite file gives as many as there are threads."""
    mine = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
    barrier = Barrier(40)

    def read() -> int:
        barrier.wait(10)
        for _ in range(10):
            store.read(count_holidays)
        return store.read(lambda connection: int(connection.execute(mine).scalar_one()))

    with ThreadPoolExecutor(40) as pool:
        seen = [future.result(30) for future in [pool.submit(read) for _ in range(40)]]
    assert max(seen) <= 2 * READERS + 10, "readers, and writers' ten"
    assert store.read(lambda connection: int(connection.execute(mine).scalar_one())) <= READERS + 10


def test_readers_go_on_when_the_server_dropped_their_connection(store: Store) -> None:
    store.transact(lambda connection: add_holiday(connection, "3260101"))
    assert store.read(count_holidays) == 1
    if not store.sqlite:
        drop = text(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert store.transact(lambda connection: connection.execute(drop).scalar_one()) >= 1
    assert store.read(count_holidays) == 1
    assert store.write(lambda connection: add_holiday(connection, "3260102")).result(10)


def test_closing_commits_what_was_submitted(store: Store) -> None:
    futures = [store.write(lambda connection, day=day: add_holiday(connection, f"32601{day:02d}")) for day in range(1, 31)]
    store.close()
    assert all(future.done() for future in futures)
    again = Store(store.url)
    assert again.read(count_holidays) == 30
    again.close()


def test_closing_waits_for_a_look_up_of_another_thread(store: Store) -> None:
    """SQLite takes the process with it when a connection is closed under a statement."""
    reading, go_on = Event(), Event()

    def slowly(connection: Connection) -> int:
        reading.set()
        assert go_on.wait(10)
        return count_holidays(connection)

    with ThreadPoolExecutor(2) as pool:
        counted = pool.submit(store.read, slowly)
        assert reading.wait(10)
        closed = pool.submit(store.close)
        assert wait([closed], 0.3).not_done, "the look-up has the connection"
        go_on.set()
        assert counted.result(10) == 0
        closed.result(10)
        with pytest.raises(StoreClosed):
            pool.submit(store.read, count_holidays).result(10)


def test_a_closed_store_takes_nothing_more(store: Store) -> None:
    store.close()
    for refused in (store.write, store.scan, store.read, store.transact):
        with pytest.raises(StoreClosed):
            refused(count_holidays)  # four ways in, one answer
    store.close()
