"""A running database of either engine is copied as it was at one moment, into one SQLite file that holds all of it."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import insert

import fileman.frozen_site
from fileman import FileManError, NotCopied, NotReadied, Outcome, Step, Store, Transfer, make_ready, read_site, rows_of
from fileman.files import AnsweredRequest, Fault, NetworkLocation
from fileman.fit import TableFit
from fileman.migrate import migrate, newest_revision
from fileman.sqlite_site import AS_THEY_ARE, SITE_TABLES
from fileman.tables import Tally
from tests.support.filled_site import fill_site, last_numbers_of
from tests.support.postgres import Database

IMAGES = 300


@pytest.fixture
def filled(database_url: str) -> str:
    """Fill a database of each engine with rows in every table."""
    fill_site(database_url, IMAGES)
    return database_url


def copy_of(url: str, file: Path) -> Path:
    with read_site(url) as reader, reader.moment() as frozen:
        frozen.copy(file)
    return file


def tallies(url: str) -> dict[str, Tally]:
    """Count what is in each table of a database, the same for both engines."""
    store = Store(url)
    found = {}
    try:
        for table in SITE_TABLES:
            fit, tally = TableFit.of(table), Tally()
            for row in store.read(lambda it, name=table.name: it.execute(AS_THEY_ARE[name]).all()):
                tally.add(fit.fitted(row) if store.sqlite else tuple(row))
            found[table.name] = tally
    finally:
        store.close()
    return found


def test_every_row_of_every_table_is_in_the_copy_and_numbers_go_on_after_it(filled: str, tmp_path: Path) -> None:
    file = copy_of(filled, tmp_path / "copy.db")
    assert file.stat().st_mode & 0o777 == 0o600
    assert [it.name for it in tmp_path.glob("copy.db*")] == ["copy.db"]
    with contextlib.closing(sqlite3.connect(file)) as connection:
        assert dict(connection.execute("SELECT file, last_ien FROM file_header")) == last_numbers_of(IMAGES)
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(newest_revision(),)]
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    here, there = tallies(filled), tallies(f"sqlite:///{file}")
    assert there == here
    assert all(tally.rows for tally in there.values())
    assert {name: count for name, count in rows_of(file).items() if name in here} == {
        name: tally.rows for name, tally in here.items()
    }


def test_the_copy_becomes_a_site_on_postgresql(filled: str, tmp_path: Path, target: Database) -> None:
    file = copy_of(filled, tmp_path / "copy.db")
    assert Transfer(file, target.url).perform().outcome is Outcome.MOVED
    assert tallies(target.url) == tallies(filled)


def test_what_is_written_after_the_moment_is_not_in_the_copy_and_nobody_waits(filled: str, tmp_path: Path) -> None:
    store = Store(filled)
    written: list[str] = []

    def write(step: Step) -> None:
        if len(written) < 3:
            name = f"later {len(written)}"
            store.transact(lambda it: it.execute(insert(Fault).values(name=name)))
            written.append(name)

    try:
        with read_site(filled) as reader, reader.moment() as frozen:
            before = frozen.counts()
            store.transact(lambda it: it.execute(insert(Fault).values(name="sooner")))
            frozen.copy(tmp_path / "copy.db", write)
    finally:
        store.close()
    assert written, "somebody wrote while it was copied"
    assert rows_of(tmp_path / "copy.db")["fault"] == before["fault"]


def test_a_database_is_read_where_nothing_may_be_written(tmp_path: Path) -> None:
    """SQLite alone: what a killed broker left in the log belongs to the state, and stays where it is."""
    fill_site(f"sqlite:///{tmp_path / 'magbroker.db'}", 10)
    broker = sqlite3.connect(tmp_path / "magbroker.db", isolation_level=None)
    broker.execute("PRAGMA wal_autocheckpoint=0")
    broker.execute("UPDATE image SET name = 'in the log alone'")
    (tmp_path / "killed").mkdir()
    for name in ("magbroker.db", "magbroker.db-wal"):
        shutil.copy(tmp_path / name, tmp_path / "killed" / name)
    broker.close()
    before = (tmp_path / "killed" / "magbroker.db").read_bytes()
    file = copy_of(f"sqlite:///{tmp_path / 'killed' / 'magbroker.db'}", tmp_path / "copy.db")
    with contextlib.closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT DISTINCT name FROM image").fetchall() == [("in the log alone",)]
    assert (tmp_path / "killed" / "magbroker.db").read_bytes() == before


def test_what_is_no_site_of_this_version_is_not_copied(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database at all, and long enough to be read as one" * 100)
    sqlite3.connect(tmp_path / "other.db").execute("CREATE TABLE other (it)").connection.close()
    migrate(f"sqlite:///{tmp_path / 'old.db'}", "0001")
    said = {"none.db": "There is no database", "text.db": "cannot be opened", "other.db": "no database of magbroker's"}
    for name, words in (said | {"old.db": "older version's"}).items():
        with pytest.raises(FileManError, match=words), read_site(f"sqlite:///{tmp_path / name}"):
            pass


def test_a_copy_is_never_written_over_a_file(filled: str, tmp_path: Path) -> None:
    (tmp_path / "copy.db").write_text("mine")
    with pytest.raises(NotCopied, match="File exists"):
        copy_of(filled, tmp_path / "copy.db")
    assert (tmp_path / "copy.db").read_text() == "mine"


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_copy_that_differs_from_what_was_read_is_none(filled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    statement = fileman.frozen_site._INSERT["fault"].replace("?, ?", "?, ? || 'x'", 1)
    monkeypatch.setitem(fileman.frozen_site._INSERT, "fault", statement)
    with pytest.raises(NotCopied, match="fault differs"):
        copy_of(filled, tmp_path / "copy.db")


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """Give the copy of a small site."""
    fill_site(f"sqlite:///{tmp_path / 'magbroker.db'}", 10)
    return copy_of(f"sqlite:///{tmp_path / 'magbroker.db'}", tmp_path / "copy.db")


def test_a_copy_is_made_ready_for_a_later_start_elsewhere(copied: Path) -> None:
    """Gateways are answered as before what was in doubt, although answers are kept for days only."""
    store = Store(f"sqlite:///{copied}")
    was = store.read(lambda it: it.execute(AnsweredRequest.__table__.select().order_by("uuid")).all())
    places = store.read(lambda it: it.execute(NetworkLocation.__table__.select()).all())
    store.close()
    make_ready(copied, 1000.0, lambda path: f"/new{path}")
    store = Store(f"sqlite:///{copied}")
    now = store.read(lambda it: it.execute(AnsweredRequest.__table__.select().order_by("uuid")).all())
    assert [row.answered_at for row in now] == [row.answered_at + 1000.0 for row in was]
    assert {row.path for row in store.read(lambda it: it.execute(NetworkLocation.__table__.select()).all())} == {
        f"/new{row.path}" for row in places
    }
    store.close()


def test_a_copy_of_an_older_version_is_brought_up(tmp_path: Path) -> None:
    old = tmp_path / "old.db"
    migrate(f"sqlite:///{old}", "0001")
    make_ready(old, 0.0, lambda path: path)
    assert [it.name for it in tmp_path.iterdir()] == ["old.db"]
    with contextlib.closing(sqlite3.connect(old)) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(newest_revision(),)]


def test_a_copy_that_refuses_to_be_changed_is_an_error(copied: Path) -> None:
    with contextlib.closing(sqlite3.connect(copied)) as connection:
        connection.execute("CREATE TRIGGER no BEFORE UPDATE ON network_location BEGIN SELECT raise(ABORT, 'not this one'); END")
        connection.commit()
    with pytest.raises(NotReadied, match="not this one"):
        make_ready(copied, 0.0, lambda path: f"/new{path}")


def test_two_moments_of_one_reader_are_two_states(filled: str) -> None:
    store = Store(filled)
    try:
        with read_site(filled) as reader:
            with reader.moment() as first:
                before = first.counts()["fault"]
            store.transact(lambda it: it.execute(insert(Fault).values(name="between")))
            with reader.moment() as second:
                assert second.counts()["fault"] == before + 1
    finally:
        store.close()
