"""A SQLite site moves to PostgreSQL whole or not at all, whatever happens meanwhile, and the SQLite file stays as it was."""

from __future__ import annotations

import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select, text, update

import fileman.migrate
from fileman import (
    BadSource,
    FileManError,
    NotMoved,
    Outcome,
    Step,
    Store,
    Transfer,
    UnfitSource,
    next_ien,
    shown_target,
)
from fileman.files import NUMBERED_FILES, File, Image, ImageEvent
from fileman.migrate import MIGRATIONS, migrate, newest_revision
from fileman.numbers import FIRST_NUMBER
from fileman.sqlite_site import SITE_TABLES
from fileman.transfer import MOST_MISFITS
from tests.support.filled_site import last_numbers_of, site_file
from tests.support.postgres import Database, PostgresCluster
from tests.support.spoiling import AT_COMMIT, BEFORE, spoil
from tests.support.waiting import until

MANY, SOME = 10_000, 300
SEED = 1

#: Kills itself after so many rows were told of: nothing is closed, committed or taken back.
KILLED = """
import os, signal, sys
from pathlib import Path
from fileman import Transfer

def tell(step):
    if step.done >= int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)

Transfer(Path(sys.argv[1]), sys.argv[2], tell).perform()
"""

REVISION = '''"""A revision to come."""

import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "{newest}"


def upgrade() -> None:
    """Apply."""
    {work}
'''


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return site_file(tmp_path_factory.mktemp("site"), SOME)


@pytest.fixture
def source(made: Path, tmp_path: Path) -> Path:
    """Give a small site with rows in every table, in a folder of its own."""
    (tmp_path / "var").mkdir()
    return Path(shutil.copy(made, tmp_path / "var"))


def state_of(folder: Path) -> dict[str, bytes]:
    """Read every file of a folder; what SQLite's readers share among them is none."""
    return {file.name: file.read_bytes() for file in folder.iterdir() if not file.name.endswith("-shm")}


def contents(url: str) -> dict[str, list[tuple[object, ...]]]:
    """Read every row of every table, in an order of its own."""
    store = Store(url)
    try:
        return store.read(lambda it: {t.name: sorted(map(tuple, it.execute(select(t))), key=repr) for t in SITE_TABLES})
    finally:
        store.close()


def change(source: Path, *statements: str) -> None:
    """Change a SQLite file as a tool would that knows nothing of magbroker."""
    connection = sqlite3.connect(source)
    with connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


# what is moved


def test_ten_thousand_images_move_with_every_row_of_every_table_and_numbers_go_on(tmp_path: Path, target: Database) -> None:
    source = site_file(tmp_path, MANY)
    before = state_of(tmp_path)
    moved = Transfer(source, target.url).perform()
    assert moved.outcome is Outcome.MOVED
    assert state_of(tmp_path) == before
    assert {it.name for it in moved.tables} == set(File.metadata.tables) - {"file_header"}, "its rows are the sequences"
    assert [it.name for it in moved.tables if not it.source_rows] == [], (
        "a table that the filled site leaves empty proves nothing"
    )
    assert all(it.equal for it in moved.tables)
    assert all(it.equal for it in moved.sequences)
    here, there = contents(f"sqlite:///{source}"), contents(target.url)
    assert there == here
    assert {it.name: (it.source_rows, it.target_rows) for it in moved.tables} == {n: (len(r), len(r)) for n, r in here.items()}
    assert len(there["image"]) == MANY


def test_new_entries_are_numbered_after_the_old_ones(source: Path, target: Database) -> None:
    moved = Transfer(source, target.url).perform()
    last = last_numbers_of(SOME)
    sequences = {it.name: it.target for it in moved.sequences}
    assert {file: sequences[f"ien_{file}"] for file in NUMBERED_FILES} == {file: last.get(file, 0) for file in NUMBERED_FILES}
    store = Store(target.url)
    try:
        given = store.transact(lambda it: {file: next_ien(it, file) for file in NUMBERED_FILES})
        event = insert(ImageEvent).values(uid="1", stage="STORE", at=1.0).returning(ImageEvent.ien)
        assert store.transact(lambda it: it.execute(event).scalar()) == sequences["image_event_ien_seq"] + 1 == 5 * SOME + 1
        image = {"ien": given["image"], "name": "X", "object_type": 100, "patient": 1, "saved_at": "", "saved_by": 0}
        store.transact(lambda it: it.execute(insert(Image).values(image)))
    finally:
        store.close()
    assert given == {file: last[file] + 1 if file in last else FIRST_NUMBER.get(file, 1) for file in NUMBERED_FILES}
    serial = [table for table in SITE_TABLES if table.autoincrement_column is not None]
    assert {it.name for it in moved.sequences} == {f"ien_{file}" for file in NUMBERED_FILES} | {
        f"{table.name}_{table.autoincrement_column.name}_seq" for table in serial if table.autoincrement_column is not None
    }


ODD = [
    'O\'BRIEN "QUOTED" \\backslash\\ \\. \\N',
    "tab\there\nand\r\nlines\v\f\b",
    "".join(map(chr, range(1, 32))) + "\x7f\x80\x9f",
    "\U0001f642 e\u0301 \u202e \ufeff \ufffe \U0010ffff",
    "",
    " ",
    "NULL",
    "ÄÖÜ€" * 500,
]


def test_odd_texts_move_as_they_are(source: Path, target: Database) -> None:
    store = Store(f"sqlite:///{source}")
    for number, odd in enumerate(ODD, start=1):
        store.transact(lambda it, number=number, odd=odd: it.execute(update(Image).where(Image.ien == number).values(name=odd)))
    store.close()
    assert Transfer(source, target.url).perform().outcome is Outcome.MOVED
    found = target.execute(f"SELECT name FROM image WHERE ien <= {len(ODD)} ORDER BY ien")
    assert [name for (name,) in found] == ODD


def test_the_smallest_and_largest_numbers_move_as_they_are(source: Path, target: Database) -> None:
    times = (1e-320, 1.7976931348623157e308, 0.1 + 0.2, float("inf"), -0.5)
    for number, at in enumerate(times, start=1):
        change(source, f"UPDATE image_event SET at = {'9e999' if at == float('inf') else repr(at)} WHERE ien = {number}")
    change(source, "UPDATE image SET location = 2147483647, parent = -2147483648, report = NULL WHERE ien = 1")
    assert Transfer(source, target.url).perform().outcome is Outcome.MOVED
    assert target.execute("SELECT location, parent, report FROM image WHERE ien = 1") == [(2147483647, -2147483648, None)]
    assert target.execute("SELECT at FROM image_event WHERE ien <= 5 ORDER BY ien") == [(at,) for at in times]


def test_what_a_killed_broker_left_in_the_log_is_moved_and_the_log_stays(source: Path, target: Database) -> None:
    write = """
import os, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("UPDATE image SET name = 'IN THE LOG' WHERE ien = 1")
connection.commit()
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", write, str(source)], check=False).returncode == -signal.SIGKILL
    before = state_of(source.parent)
    assert before[source.name + "-wal"]
    assert Transfer(source, target.url).perform().outcome is Outcome.MOVED
    assert target.execute("SELECT name FROM image WHERE ien = 1") == [("IN THE LOG",)]
    assert state_of(source.parent) == before


def test_a_site_of_an_older_version_moves_from_a_copy_and_stays_as_it_was(tmp_path: Path, target: Database) -> None:
    old = tmp_path / "magbroker.db"
    migrate(f"sqlite:///{old}", "0001")
    change(
        old, "INSERT INTO holiday (date, name) VALUES ('3261225', 'CHRISTMAS DAY')", "INSERT INTO file_header VALUES ('image', 7)"
    )
    before = state_of(tmp_path)
    assert Transfer(old, target.url).perform().outcome is Outcome.MOVED
    assert state_of(tmp_path) == before
    assert target.execute("SELECT * FROM holiday") == [("3261225", "CHRISTMAS DAY")]
    assert target.execute("SELECT version_num FROM alembic_version") == [(newest_revision(),)]
    assert target.execute("SELECT nextval('ien_image')") == [(8,)]


@pytest.fixture
def next_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let this version have one revision more."""

    def add(work: str) -> None:
        copy = tmp_path / "migrations"
        shutil.copytree(MIGRATIONS, copy, ignore=shutil.ignore_patterns("__pycache__"))
        (copy / "versions" / "9999_to_come.py").write_text(REVISION.format(newest=newest_revision(), work=work))
        monkeypatch.setattr(fileman.migrate, "MIGRATIONS", copy)

    return add


def test_rows_that_point_to_later_rows_of_their_own_table_move(
    source: Path, target: Database, next_revision: Callable[[str], None]
) -> None:
    next_revision("""if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE image ADD CONSTRAINT fk_image_parent FOREIGN KEY (parent) REFERENCES image (ien)")""")
    change(source, "UPDATE image SET parent = ien + 1", f"UPDATE image SET parent = NULL WHERE ien = {SOME}")
    assert Transfer(source, target.url).perform().outcome is Outcome.MOVED
    assert target.execute("SELECT count(*) FROM image WHERE parent = ien + 1") == [(SOME - 1,)]


# what does not fit


def test_values_that_postgresql_refuses_are_all_named_and_nothing_is_moved(source: Path, target: Database) -> None:
    change(
        source,
        "UPDATE patient SET name = 'SECRET' || char(0) WHERE dfn = 3",
        "UPDATE patient SET name = CAST(x'534543524554EDA080' AS TEXT) WHERE dfn = 4",
        "UPDATE image SET patient = 2147483648 WHERE ien = 9",
        "UPDATE image SET members = 1.5 WHERE ien = 10",
        "UPDATE network_location SET online = 2 WHERE ien = 5",
        "UPDATE answered_request SET answer = x'534543524554' WHERE machine = 'machine 6'",
        f"UPDATE image_header SET uid = '{'1.' * 40}' WHERE image = 7",
        "UPDATE lease SET expires_at = 'SECRET' WHERE name = 'name 8'",
    )
    before = state_of(source.parent)
    with pytest.raises(UnfitSource) as raised:
        Transfer(source, target.url).perform()
    assert sorted((it.table, it.key, it.column) for it in raised.value.misfits) == [
        ("answered_request", "machine 'machine 6', uuid 'uuid 6'", "answer"),
        ("image", "ien 10", "members"),
        ("image", "ien 9", "patient"),
        ("image_header", f"uid '{('1.' * 40)[:79]}", "uid"),
        ("lease", "name 'name 8'", "expires_at"),
        ("network_location", "ien 5", "online"),
        ("patient", "dfn 3", "name"),
        ("patient", "dfn 4", "name"),
    ]
    said = str(raised.value)
    assert "8 values" in said
    assert "patient, dfn 3: name holds a NUL character" in said
    assert "SECRET" not in said
    assert target.relations() == []
    assert state_of(source.parent) == before


def test_a_source_full_of_values_that_do_not_fit_is_not_read_to_its_end(source: Path, target: Database) -> None:
    change(source, "UPDATE image SET name = char(0)")
    steps: list[Step] = []
    with pytest.raises(UnfitSource, match=f"At least {MOST_MISFITS} values") as raised:
        Transfer(source, target.url, steps.append).perform()
    assert [it.key for it in raised.value.misfits] == [f"ien {number}" for number in range(1, MOST_MISFITS + 1)]
    assert steps[-1].table == "image"
    assert target.relations() == []


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("ALTER TABLE image ADD COLUMN colour TEXT", r"would leave behind: column image\.colour"),
        ("CREATE TABLE notes (note TEXT)", "would leave behind: table notes"),
        ("INSERT INTO file_header VALUES ('pager', 5)", "numbers of 'pager' in file_header"),
        ("ALTER TABLE image DROP COLUMN digest", r"lacks image\.digest"),
        ("DROP TABLE holiday", r"lacks holiday\.date, holiday\.name"),
        ("DELETE FROM patient WHERE dfn = 2", r"point to nothing: .*exam \(ien 2\) to patient"),
    ],
)
def test_what_a_move_would_lose_is_named_and_nothing_is_moved(source: Path, target: Database, statement: str, said: str) -> None:
    change(source, statement)
    with pytest.raises(BadSource, match=said):
        Transfer(source, target.url).perform()
    assert target.relations() == []


# what is no source


def _no_file(source: Path) -> None:
    source.unlink()


def _text(source: Path) -> None:
    source.write_text("these are my notes, not a database\n" * 100)


def _another_database(source: Path) -> None:
    source.unlink()
    change(source, "CREATE TABLE notes (note TEXT)")


def _newer(source: Path) -> None:
    change(source, "UPDATE alembic_version SET version_num = '9999'")


def _cut_short(source: Path) -> None:
    source.write_bytes(source.read_bytes()[: source.stat().st_size // 2])


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_no_file, "There is no database"),
        (_text, "not a database"),
        (_another_database, "no database of magbroker's"),
        (_newer, "revision 9999, which this version does not know"),
        (_cut_short, r"damaged|malformed"),
    ],
)
def test_what_is_no_sound_site_is_refused(source: Path, target: Database, damage: Callable[[Path], None], said: str) -> None:
    damage(source)
    before = state_of(source.parent)
    with pytest.raises(FileManError, match=said):
        Transfer(source, target.url).perform()
    assert target.relations() == []
    assert state_of(source.parent) == before


# what is no target


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite:////tmp/x.db", "not to sqlite"),
        ("mysql://user:secret@host/db", "not to mysql"),
        ("secret", "neither sqlite"),
        ("postgresql+psycopg://user:secret@127.0.0.1:1/db?password=secret", "cannot be opened"),
        ("postgresql+psycopg://user:secret@127.0.0.1:1/db?secret=secret", "cannot be opened"),
    ],
)
def test_what_is_no_target_is_refused_without_its_password(source: Path, url: str, said: str) -> None:
    with pytest.raises(FileManError, match=said) as raised:
        Transfer(source, url).perform()
    assert "secret" not in str(raised.value).replace('invalid connection option "secret"', "").replace('parameter "secret"', "")
    assert "secret" not in repr(Transfer(source, url))


def test_a_target_is_shown_without_what_is_secret_in_it() -> None:
    assert shown_target("postgresql+psycopg://user:secret@host:1/db?password=secret") == "postgresql+psycopg://user:***@host:1/db"


def test_a_database_that_is_not_there_is_no_target(source: Path, target: Database) -> None:
    with pytest.raises(NotMoved, match="cannot be opened"):
        Transfer(source, target.url + "x").perform()


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("CREATE TABLE notes (note text)", "is not empty: it holds notes.*createdb"),
        ("CREATE VIEW notes AS SELECT 1", "is not empty: it holds notes"),
        ("CREATE SEQUENCE notes", "is not empty: it holds notes"),
        ("CREATE TABLE alembic_version AS SELECT '9999' AS version_num", "revision 9999, which this version does not know"),
        ("CREATE TABLE alembic_version AS VALUES ('0001'), ('0002')", "is not empty|cannot be told|does not exist"),
        (
            "CREATE TABLE alembic_version (version_num text); INSERT INTO alembic_version VALUES ('0001'), ('0002')",
            "cannot be told",
        ),
    ],
)
def test_a_target_that_is_not_empty_is_refused_and_left_as_it_is(
    source: Path, target: Database, statement: str, said: str
) -> None:
    target.execute(statement)
    before = target.relations()
    with pytest.raises(NotMoved, match=said):
        Transfer(source, target.url).perform()
    assert target.relations() == before


@pytest.mark.parametrize(
    ("revision", "said"),
    [("0001", r"it holds acquisition_count.*and \d+ more"), ("head", "differs from the source in .* more")],
)
def test_a_target_on_which_a_broker_was_started_is_refused(source: Path, target: Database, revision: str, said: str) -> None:
    migrate(target.url, revision)
    before = target.relations()
    with pytest.raises(NotMoved, match=rf"is not empty.*{said}.*createdb"):
        Transfer(source, target.url).perform()
    assert target.relations() == before
    assert target.execute("SELECT count(*) FROM image") == [(0,)]


def test_what_an_extension_brings_does_not_count(source: Path, target: Database) -> None:
    target.execute("CREATE TABLE kept (x int); CREATE VIEW shown AS SELECT 1")
    target.execute("ALTER EXTENSION plpgsql ADD TABLE kept; ALTER EXTENSION plpgsql ADD VIEW shown")
    assert Transfer(source, target.url).perform().outcome is Outcome.MOVED


def test_a_target_that_cannot_hold_every_text_is_refused(source: Path, postgres: PostgresCluster, target: Database) -> None:
    target.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    try:
        with pytest.raises(NotMoved, match="keeps text as LATIN1; make a database with ENCODING 'UTF8'"):
            Transfer(source, target.url.rpartition("/")[0] + "/latin").perform()
    finally:
        postgres.drop_database("latin")


def test_a_user_who_may_make_no_tables_is_told_so(source: Path, target: Database) -> None:
    target.execute("CREATE ROLE reader LOGIN")
    try:
        with pytest.raises(NotMoved, match="The target refused: permission denied for schema public"):
            Transfer(source, target.url.replace("tests@", "reader@")).perform()
    finally:
        target.execute("DROP ROLE reader")


def test_two_moves_to_one_target_do_not_run_at_once(source: Path, target: Database) -> None:
    refused: list[str] = []

    def tell(step: Step) -> None:
        if step.done and not refused:
            with pytest.raises(NotMoved, match="Another process is moving a site there") as raised:
                Transfer(source, target.url, patience=0.1).perform()
            refused.append(str(raised.value))

    assert Transfer(source, target.url, tell).perform().outcome is Outcome.MOVED
    assert refused


# what happens meanwhile


def test_a_move_that_was_killed_anywhere_leaves_nothing_and_the_next_one_succeeds(source: Path, target: Database) -> None:
    """A killed reader leaves SQLite's log where there was none, without a page in it."""
    steps: list[Step] = []
    assert Transfer(source, target.url, steps.append).rehearse().outcome is Outcome.REHEARSED
    moments = [*random.Random(SEED).sample(range(1, steps[-1].done), 3), 0, steps[-1].done]
    before, state = contents(f"sqlite:///{source}"), source.read_bytes()
    for moment in moments:
        killed = subprocess.run([sys.executable, "-c", KILLED, str(source), target.url, str(moment)], check=False, timeout=60)
        assert killed.returncode == -signal.SIGKILL, f"seed {SEED}, row {moment}"
        assert target.relations() == [], f"seed {SEED}, row {moment}"
        assert source.read_bytes() == state
    assert Transfer(source, target.url).perform().outcome is Outcome.MOVED
    assert contents(target.url) == before
    assert contents(f"sqlite:///{source}") == before


@pytest.mark.parametrize("doing", ["reading", "comparing"])
def test_a_connection_that_breaks_leaves_nothing_and_the_next_move_succeeds(source: Path, target: Database, doing: str) -> None:
    def tell(step: Step) -> None:
        if step.doing == doing and step.table == "image_event":
            target.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    with pytest.raises(NotMoved, match="Nothing was moved"):
        Transfer(source, target.url, tell).perform()
    assert target.relations() == []
    assert Transfer(source, target.url).perform().outcome is Outcome.MOVED


@pytest.mark.parametrize(("how", "said"), [(BEFORE, "Nothing was moved"), (AT_COMMIT, "tells whether the site is there")])
def test_a_database_that_refuses_halfway_or_at_the_end_keeps_nothing(
    source: Path, target: Database, how: tuple[str, str], said: str
) -> None:
    spoil(target, "image", "RAISE EXCEPTION 'the disk is full' USING DETAIL = 'SECRET'; RETURN NEW;", how)
    with pytest.raises(NotMoved, match="the disk is full") as raised:
        Transfer(source, target.url).perform()
    assert said in str(raised.value)
    assert "SECRET" not in str(raised.value)
    assert target.relations() == []
    target.execute("DROP EVENT TRIGGER spoil")
    assert Transfer(source, target.url).perform().outcome is Outcome.MOVED


@pytest.mark.parametrize(
    "work",
    [
        "IF NEW.ien = 7 THEN RETURN NULL; END IF; RETURN NEW;",
        "IF NEW.ien = 7 THEN NEW.name := NEW.name || ' '; END IF; RETURN NEW;",
        "IF NEW.ien = 7 THEN NEW.abstract_location := NULL; END IF; RETURN NEW;",
        "NEW.last_access := ''; RETURN NEW;",
    ],
)
def test_a_site_that_comes_back_different_is_not_kept(source: Path, target: Database, work: str) -> None:
    spoil(target, "image", work)
    for transfer in (Transfer(source, target.url).rehearse, Transfer(source, target.url).perform):
        moved = transfer()
        assert moved.outcome is Outcome.DIFFERS
        assert [it.name for it in moved.tables if not it.equal] == ["image"]
        assert target.relations() == []


def test_a_number_that_comes_back_different_is_not_kept(source: Path, target: Database) -> None:
    spoil(target, "exam", "PERFORM nextval('patient_dfn_seq'); RETURN NEW;")  # patients come first
    moved = Transfer(source, target.url).perform()
    assert moved.outcome is Outcome.DIFFERS
    exams = next(it.source_rows for it in moved.tables if it.name == "exam")
    assert [(it.name, it.target - it.source) for it in moved.sequences if not it.equal] == [("patient_dfn_seq", exams)]
    assert target.relations() == []


def test_nothing_is_kept_when_somebody_wrote_to_the_source_meanwhile(source: Path, target: Database) -> None:
    def tell(step: Step) -> None:
        if step.done:
            change(source, f"UPDATE image SET name = 'WRITTEN AT {step.done}' WHERE ien = 1")

    with pytest.raises(NotMoved, match="Somebody wrote to"):
        Transfer(source, target.url, tell).perform()
    assert target.relations() == []
    assert Transfer(source, target.url).perform().outcome is Outcome.MOVED


def test_a_rehearsal_keeps_nothing_and_holds_nobody_up(source: Path, target: Database) -> None:
    store = Store(f"sqlite:///{source}")

    def rename(connection: Connection, name: str) -> None:
        connection.execute(update(Image).where(Image.ien == 1).values(name=name))

    store.transact(lambda it: rename(it, "BEFORE"))
    moved = Transfer(source, target.url, lambda step: store.transact(lambda it: rename(it, f"AT {step.done}"))).rehearse()
    assert moved.outcome is Outcome.REHEARSED
    assert all(it.equal for it in moved.tables)
    assert target.relations() == []
    store.transact(lambda it: rename(it, "AFTER"))
    store.close()
    assert Transfer(source, target.url).perform().outcome is Outcome.MOVED
    assert target.execute("SELECT name FROM image WHERE ien = 1") == [("AFTER",)]


def test_a_broker_that_starts_on_the_target_meanwhile_waits_and_finds_the_whole_site(source: Path, target: Database) -> None:
    found: list[int] = []

    def begin() -> None:
        store = Store(target.url)
        found.append(store.read(lambda it: it.execute(text("SELECT count(*) FROM image")).scalar_one()))
        store.close()

    broker = threading.Thread(target=begin)
    waits = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"

    def tell(step: Step) -> None:
        if step.table == "image_event" and not broker.ident:
            broker.start()
            until(lambda: target.execute(waits) != [], "the broker waits")

    assert Transfer(source, target.url, tell).perform().outcome is Outcome.MOVED
    broker.join(60)
    assert found == [SOME]


# a second time


def test_a_site_that_is_there_already_is_compared_again_and_left_alone(source: Path, target: Database) -> None:
    first = Transfer(source, target.url).perform()
    again = Transfer(source, target.url).perform()
    assert again.outcome is Outcome.THERE
    assert (again.tables, again.sequences) == (first.tables, first.sequences)


@pytest.mark.parametrize(
    ("statement", "differs"),
    [
        ("UPDATE image SET name = 'ANOTHER' WHERE ien = 5", "image"),
        ("DELETE FROM image WHERE ien = 5", "image"),
        ("SELECT nextval('ien_image')", "ien_image"),
    ],
)
def test_a_site_that_went_on_elsewhere_is_never_written_over(
    source: Path, target: Database, statement: str, differs: str
) -> None:
    Transfer(source, target.url).perform()
    target.execute(statement)
    before = contents(target.url)
    with pytest.raises(NotMoved, match=rf"is not empty.*differs from the source in {differs}\..*createdb"):
        Transfer(source, target.url).perform()
    assert contents(target.url) == before
