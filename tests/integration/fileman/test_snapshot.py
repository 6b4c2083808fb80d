"""A snapshot holds everything that clients bring about, and is put back into either engine while others write."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import MetaData, insert, select, update

from fileman import (
    BadSiteKey,
    BadSnapshot,
    Fault,
    SiteKey,
    Store,
    apply_site,
    next_ien,
    read_faults,
    read_site_file,
    reset_to_site,
    restore_snapshot,
    set_fault,
    take_snapshot,
)
from fileman.engines import writing_engine
from fileman.files import FailedAccess, File, Image, ImageEvent, Lease, LockedAddress, NewPerson, SignOnLog, Task
from fileman.migrate import migrate
from fileman.snapshot import _LEFT_ALONE, _TABLES
from tests.conftest import ORACLE_SITE
from tests.support.rows import fill

NOW = datetime.fromisoformat("2026-11-21T12:00")


def contents(store: Store) -> dict[str, list[tuple[object, ...]]]:
    """Read every row that a snapshot holds."""
    return store.read(lambda it: {t.name: sorted(map(tuple, it.execute(select(t))), key=repr) for t in _TABLES})


def image(number: int, uid: str = "1.2") -> dict[str, object]:
    return {"ien": number, "name": "X", "object_type": 100, "patient": 1, "saved_at": "", "saved_by": 0, "uid": uid}


def test_every_table_comes_back_as_it_was_and_numbers_go_on_after_it(
    oracle_store: Store, site_key: SiteKey, tmp_path: Path
) -> None:
    empty = [table for table in _TABLES if table.name not in ("site_setting",)]
    oracle_store.transact(lambda it: fill(it, empty))
    oracle_store.transact(lambda it: [next_ien(it, "image") for _ in range(3)])
    before, version = contents(oracle_store), oracle_store.site_version()
    take_snapshot(oracle_store, tmp_path / "a.snapshot")

    def change(connection: object) -> None:
        for table in reversed(empty):
            connection.execute(table.delete())
        connection.execute(insert(Image).values(image(next_ien(connection, "image"))))

    oracle_store.transact(change)
    assert contents(oracle_store) != before
    restore_snapshot(oracle_store, tmp_path / "a.snapshot", site_key)
    assert contents(oracle_store) == before
    assert all(before.values()), "every table had rows"
    assert oracle_store.site_version() > version, "caches read again"
    take_snapshot(oracle_store, tmp_path / "b.snapshot")
    restore_snapshot(oracle_store, tmp_path / "b.snapshot", site_key)
    assert oracle_store.transact(lambda it: next_ien(it, "image")) == 4
    event = insert(ImageEvent).values(uid="1", stage="STORE", at=1.0).returning(ImageEvent.ien)
    assert oracle_store.transact(lambda it: it.execute(event).scalar()) == 4


def test_what_belongs_to_running_processes_goes_on(oracle_store: Store, site_key: SiteKey, tmp_path: Path) -> None:
    take_snapshot(oracle_store, tmp_path / "a.snapshot")
    alone = [table for table in File.metadata.sorted_tables if table.name in _LEFT_ALONE - {"file_header", "site_version"}]
    oracle_store.transact(lambda it: fill(it, alone))
    oracle_store.transact(lambda it: (next_ien(it, "task"), next_ien(it, "sign_on_log")))
    restore_snapshot(oracle_store, tmp_path / "a.snapshot", site_key)
    for file in (Lease, SignOnLog, Task):
        assert len(oracle_store.read(lambda it, file=file: it.execute(select(file)).all())) == 3
    assert oracle_store.transact(lambda it: (next_ien(it, "task"), next_ien(it, "sign_on_log"))) == (1001, 2)


def test_a_snapshot_of_one_engine_fits_the_other(
    oracle_store: Store, site_key: SiteKey, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    oracle_store.transact(lambda it: it.execute(insert(Image).values(image(next_ien(it, "image")))))
    take_snapshot(oracle_store, tmp_path / "a.snapshot")
    if oracle_store.sqlite:
        cluster = request.getfixturevalue("postgres")
        name, url = cluster.create_database()
        request.addfinalizer(lambda: cluster.drop_database(name))
    else:
        url = f"sqlite:///{tmp_path / 'other.db'}"
    other = Store(url)
    try:
        restore_snapshot(other, tmp_path / "a.snapshot", site_key)
        assert contents(other) == contents(oracle_store)
        assert other.transact(lambda it: next_ien(it, "image")) == 2
    finally:
        other.close()


def test_others_who_write_meanwhile_lose_nothing_but_their_rows(oracle_store: Store, site_key: SiteKey, tmp_path: Path) -> None:
    """Writers on another connection wait for the reset, or are put back with everything else; none of them fails."""
    take_snapshot(oracle_store, tmp_path / "a.snapshot")
    other = Store(oracle_store.url)
    done = threading.Event()
    failures: list[Exception] = []
    written = []

    def write() -> None:
        while not done.is_set():
            try:
                other.transact(lambda it: it.execute(insert(Image).values(image(next_ien(it, "image")))))
                written.append(1)
            except Exception as error:
                failures.append(error)
                return

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(5):
            restore_snapshot(oracle_store, tmp_path / "a.snapshot", site_key)
    finally:
        done.set()
        writer.join(30)
        other.close()
    assert failures == []
    assert written
    restore_snapshot(oracle_store, tmp_path / "a.snapshot", site_key)
    assert contents(oracle_store)["image"] == []


def test_going_back_to_the_site_file_forgets_images_locks_counters_and_faults(oracle_store: Store, site_key: SiteKey) -> None:
    before = contents(oracle_store)

    def change(it: object) -> None:
        execute = it.execute
        execute(insert(Image).values(image(next_ien(it, "image"))))
        execute(insert(FailedAccess).values(address="1.2.3.4", attempts=3, last_at=1.0))
        execute(insert(LockedAddress).values(address="1.2.3.4", until="3261121.12"))
        execute(update(NewPerson).values(failed_attempts=2, locked_until="3990101", last_sign_on="3261121", verify_hash="x"))
        set_fault(it, Fault("inhibited-logons"))

    oracle_store.transact(change)
    site = read_site_file(ORACLE_SITE)
    when = datetime.fromisoformat("2026-11-21T03:37")
    oracle_store.transact(lambda it: reset_to_site(it, site, site_key, when))
    after = contents(oracle_store)
    salted = {"new_person", "imaging_site", "network_location"}  # hashes and ciphers differ each time
    assert {name: rows for name, rows in after.items() if name not in salted} == {
        name: rows for name, rows in before.items() if name not in salted
    }
    people = oracle_store.read(lambda it: it.execute(select(NewPerson.failed_attempts, NewPerson.last_sign_on).distinct()).all())
    assert [tuple(row) for row in people] == [(0, "")]
    assert oracle_store.read(read_faults) == []
    assert oracle_store.transact(lambda it: next_ien(it, "image")) == 1


def test_what_is_no_snapshot_is_refused_and_nothing_changes(oracle_store: Store, site_key: SiteKey, tmp_path: Path) -> None:
    before = contents(oracle_store)
    (tmp_path / "text").write_text("no database")
    (tmp_path / "empty").touch()
    migrate(f"sqlite:///{tmp_path / 'new'}")
    for name, said in {"none": "There is no", "text": "no snapshot", "empty": "no snapshot", "new": "holds no site"}.items():
        with pytest.raises(BadSnapshot, match=said):
            restore_snapshot(oracle_store, tmp_path / name, site_key)
    take_snapshot(oracle_store, tmp_path / "a.snapshot")
    with pytest.raises(BadSiteKey, match="another site's key"):
        restore_snapshot(oracle_store, tmp_path / "a.snapshot", SiteKey.load_or_create(tmp_path / "other.key"))
    with pytest.raises(BadSnapshot, match="cannot be written"):
        take_snapshot(oracle_store, tmp_path / "text" / "a.snapshot")
    assert contents(oracle_store) == before


def test_only_a_snapshot_is_replaced_by_a_snapshot(oracle_store: Store, site_key: SiteKey, tmp_path: Path) -> None:
    take_snapshot(oracle_store, tmp_path / "a.snapshot")
    take_snapshot(oracle_store, tmp_path / "a.snapshot")
    restore_snapshot(oracle_store, tmp_path / "a.snapshot", site_key)
    migrate(f"sqlite:///{tmp_path / 'live.db'}")
    (tmp_path / "text").write_text("precious")
    for name in ("text", "live.db", "."):
        before = (tmp_path / name).read_bytes() if name != "." else b""
        with pytest.raises(BadSnapshot, match="is no snapshot of magbroker's: it is left alone"):
            take_snapshot(oracle_store, tmp_path / name)
        assert name == "." or (tmp_path / name).read_bytes() == before
    assert not list(tmp_path.glob(".*")), "nothing half-written stays"


def _bad_row(file: Path) -> None:
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE patient SET name = CAST(x'FFFE' AS TEXT) WHERE dfn = (SELECT max(dfn) FROM patient)")


def _bad_index(file: Path) -> None:
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'user_key'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    data = bytearray(file.read_bytes())
    data[(page - 1) * size + 8 : (page - 1) * size + 12] = b"\xff" * 4  # where its cells lie
    file.write_bytes(data)


def _bad_schema(file: Path) -> None:
    damaged = file.read_bytes().replace(b"CREATE TABLE patient ", b"CREATE TABEL patient ")
    file.write_bytes(damaged.replace(b"tablepatientpatient", b"table\xffatientpatient"))  # SQLite's message quotes the name


def _bad_end(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


@pytest.mark.parametrize("damage", [_bad_row, _bad_index, _bad_schema, _bad_end])
def test_a_damaged_snapshot_is_refused_and_nothing_changes(
    oracle_store: Store, site_key: SiteKey, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    take_snapshot(oracle_store, tmp_path / "a.snapshot")
    oracle_store.transact(lambda it: next_ien(it, "image"))
    before, sound = contents(oracle_store), (tmp_path / "a.snapshot").read_bytes()
    damage(tmp_path / "a.snapshot")
    assert (tmp_path / "a.snapshot").read_bytes() != sound
    with pytest.raises(BadSnapshot, match=r"damaged|malformed"):
        restore_snapshot(oracle_store, tmp_path / "a.snapshot", site_key)
    assert contents(oracle_store) == before
    assert oracle_store.transact(lambda it: next_ien(it, "image")) == 2


def test_a_snapshot_that_an_older_version_took_is_migrated_on_a_copy(
    oracle_store: Store, site_key: SiteKey, tmp_path: Path
) -> None:
    old = tmp_path / "old.snapshot"
    migrate(f"sqlite:///{old}", "0001")
    engine = writing_engine(f"sqlite:///{old}")
    schema = MetaData()
    with engine.begin() as connection:
        schema.reflect(connection, only=["site_setting", "holiday"])
        fingerprint = {"name": "key_fingerprint", "value": f'"{site_key.fingerprint()}"'}
        connection.execute(schema.tables["site_setting"].insert(), [fingerprint])
        connection.execute(schema.tables["holiday"].insert(), [{"date": "3261225", "name": "Christmas Day"}])
    engine.dispose()
    size = old.stat().st_size
    restore_snapshot(oracle_store, old, site_key)
    assert contents(oracle_store)["holiday"] == [("3261225", "Christmas Day")]
    assert contents(oracle_store)["new_person"] == []
    assert (old.stat().st_size, sorted(tmp_path.glob("old*"))) == (size, [old]), "the file itself is left alone"


def test_a_site_can_be_loaded_again_after_a_reset(oracle_store: Store, site_key: SiteKey, tmp_path: Path) -> None:
    before = {name: len(rows) for name, rows in contents(oracle_store).items()}
    take_snapshot(oracle_store, tmp_path / "a.snapshot")
    restore_snapshot(oracle_store, tmp_path / "a.snapshot", site_key)
    oracle_store.transact(lambda it: apply_site(it, read_site_file(ORACLE_SITE), site_key, NOW))
    assert {name: len(rows) for name, rows in contents(oracle_store).items()} == before
