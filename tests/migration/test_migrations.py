"""Migrations lead to the schema that the models describe, and keep what a database holds."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, MetaData, insert, select, text

import fileman.migrate
from fileman import MigrationFailed, SiteKey, Store, apply_site, dump_site, read_site_file
from fileman.engines import is_sqlite, writing_engine
from fileman.files import NUMBERED_FILES, File, Institution
from fileman.migrate import MIGRATIONS, current_revision, migrate, newest_revision
from tests.conftest import ORACLE_SITE
from tests.support.postgres import PostgresCluster
from tests.support.rows import Row, fill

NOW = datetime.fromisoformat("2026-11-21T12:00")
#: Columns of text that do not collate as "C".
OTHER_ORDERS = """
SELECT c.relname, a.attname FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid JOIN pg_collation o ON o.oid = a.attcollation
WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace AND o.collname <> 'C' AND c.relname <> 'alembic_version'
"""
#: The oldest first.
REVISIONS = [script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()][::-1]

NEXT = '''"""A revision to come."""

import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "{newest}"


def upgrade() -> None:
    """Apply."""
    {work}
'''
ADD_COLUMN = """with op.batch_alter_table("new_person", recreate="auto") as batch:
        batch.add_column(sa.Column("pager", sa.String(), nullable=False, server_default=""))"""
REBUILD_PARENT = """recreate = "always" if op.get_bind().dialect.name == "sqlite" else "never"
    with op.batch_alter_table("new_person", recreate=recreate) as batch:
        batch.add_column(sa.Column("pager", sa.String(), nullable=False, server_default=""))"""
FAIL_HALFWAY = """op.drop_table("holiday")
    op.execute("INSERT INTO no_such_table VALUES (1)")"""
ORPHAN = """op.execute("DELETE FROM option WHERE ien = 1")"""


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = writing_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def next_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let this version have one revision more."""

    def add(work: str) -> None:
        copy = tmp_path / "migrations"
        shutil.copytree(MIGRATIONS, copy, ignore=shutil.ignore_patterns("__pycache__"))
        newest = newest_revision()
        (copy / "versions" / "9999_to_come.py").write_text(NEXT.format(newest=newest, work=work))
        monkeypatch.setattr(fileman.migrate, "MIGRATIONS", copy)

    return add


def contents(engine: Engine) -> dict[str, list[Row]]:
    """Read every row of every table that is there, in an order of its own."""
    schema = MetaData()
    with engine.connect() as connection:
        schema.reflect(connection)
        return {
            table.name: [
                dict(row)
                for row in connection.execute(select(table).order_by(*(column.name for column in table.primary_key))).mappings()
            ]
            for table in schema.sorted_tables
            if table.name != "alembic_version"
        }


def fill_everything(engine: Engine) -> dict[str, list[Row]]:
    """Put invented rows into every table that is there; give the contents."""
    schema = MetaData()
    with engine.begin() as connection:
        schema.reflect(connection)
        fill(connection, [table for table in schema.sorted_tables if table.name != "alembic_version"])
    return contents(engine)


def test_the_migrated_schema_is_that_of_the_models(database_url: str, engine: Engine) -> None:
    migrate(database_url)
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), File.metadata)
        sequences = (
            dict(connection.execute(text("SELECT sequencename, start_value FROM pg_sequences")).all())
            if connection.dialect.name == "postgresql"
            else {}
        )
    assert differences == []
    if not is_sqlite(database_url):
        expected = {f"ien_{file}": 1000 if file == "task" else 1 for file in NUMBERED_FILES}
        assert {name: first for name, first in sequences.items() if name.startswith("ien_")} == expected


def test_texts_are_in_the_order_of_their_bytes_whatever_the_locale(postgres: PostgresCluster) -> None:
    name, url = postgres.create_linguistic_database()
    migrate(url)
    engine = writing_engine(url)
    with engine.begin() as connection:
        connection.execute(insert(Institution), [{"ien": ien, "name": word} for ien, word in enumerate("Ba~1", 1)])
        ordered = list(connection.execute(select(Institution.name).order_by(Institution.name)).scalars())
        others = connection.execute(text(OTHER_ORDERS)).all()
        database = list(connection.execute(text("SELECT w FROM unnest(ARRAY['B','a','~','1']) w ORDER BY w")).scalars())
    engine.dispose()
    postgres.drop_database(name)
    assert database == ["~", "1", "a", "B"], "the database itself has another order"
    assert ordered == ["1", "B", "a", "~"]
    assert others == [], "a revision that adds text has to let it collate as C"


def test_migrating_twice_changes_nothing(database_url: str, engine: Engine) -> None:
    migrate(database_url)
    before = fill_everything(engine)
    migrate(database_url)
    assert current_revision(database_url) == newest_revision()
    assert contents(engine) == before


def check_kept(before: dict[str, list[Row]], after: dict[str, list[Row]]) -> None:
    """Compare rows in the columns that there are before and after."""
    for table, rows in before.items():
        kept = [{key: row[key] for key in rows[0] if key in row} for row in after[table]]
        assert kept == [{key: row[key] for key in kept[0]} for row in rows]


def test_each_step_keeps_the_rows_of_a_filled_database(database_url: str, engine: Engine) -> None:
    before: dict[str, list[Row]] = {}
    for revision in REVISIONS:
        migrate(database_url, revision)
        assert current_revision(database_url) == revision
        check_kept(before, contents(engine))
        before = fill_everything(engine)
    assert REVISIONS[-1] == newest_revision()


@pytest.mark.parametrize("revision", REVISIONS[::6])
def test_a_filled_database_of_an_old_version_keeps_its_rows(database_url: str, engine: Engine, revision: str) -> None:
    migrate(database_url, revision)
    before = fill_everything(engine)
    migrate(database_url)
    assert current_revision(database_url) == newest_revision()
    check_kept(before, contents(engine))


def test_copies_that_only_the_send_queue_knew_of_are_written_down(database_url: str, engine: Engine) -> None:
    migrate(database_url, "0008")
    before = fill_everything(engine)
    location, image = before["network_location"][0]["ien"], before["image"][0]["ien"]
    at = NOW.timestamp()
    changes = [
        ("DELETE FROM routed_copy", {}),
        ("DELETE FROM send_queue WHERE ien != :ien", {"ien": before["send_queue"][0]["ien"]}),
        ("UPDATE image SET file_ref = 'SL1.DCM' WHERE ien = :ien", {"ien": image}),
        ("UPDATE network_location SET name = 'OUTREACH' WHERE ien = :ien", {"ien": location}),
        (
            "UPDATE send_queue SET image = :image, destination = :where, file_type = 'TEXT', status = 'SENT', status_at = :at,"
            " purged_at = NULL, queued = '3261121.11'",
            {"image": image, "where": f"{location};MAG(2005.2,", "at": at},
        ),
    ]
    with engine.begin() as connection:
        for statement, values in changes:
            connection.execute(text(statement), values)
    migrate(database_url)
    (copy,) = contents(engine)["routed_copy"]
    assert (copy["image"], copy["sequence"], copy["copy"], copy["destination"]) == (image, 1, 1, location)
    assert (copy["name"], copy["file_type"], copy["file"]) == ("OUTREACH", "TEXT", "SL1.DCM")
    assert (copy["queued"], copy["sent"], copy["removed"]) == ("3261121.11", "3261121.12", "")


def test_what_rules_decided_about_a_study_becomes_one_row_and_keeps_its_rules(database_url: str, engine: Engine) -> None:
    migrate(database_url, "0012")
    fill_everything(engine)
    elements = [["2", "1^ACTION^SEND"], ["3", "1^ACTION^1^OUTREACH"]]
    decided = "INSERT INTO study_decision (task, study_uid, rule, fired, decided_at) VALUES (:task, :study, :rule, :fired, :at)"
    changes: list[tuple[str, Row]] = [
        ("DELETE FROM study_decision", {}),
        ("UPDATE rule_decision SET task = 2, version = '0123456789ab'", {}),
        ("UPDATE task SET arguments = :text WHERE number = 2", {"text": json.dumps({"location": 660, "rules": elements})}),
        ("INSERT INTO site_setting (name, value) VALUES ('rule_semantics', '\"vista\"')", {}),
    ]
    for task, study, rule, fired in ((2, "1.2", 10, True), (2, "1.2", 2, True), (2, "1.2", 3, False), (9, "1.3", 1, False)):
        changes.append((decided, {"task": task, "study": study, "rule": rule, "fired": fired, "at": float(rule)}))
    with engine.begin() as connection:
        for statement, values in changes:
            connection.execute(text(statement), values)
    migrate(database_url)
    after = contents(engine)
    kept = [
        (row["task"], row["study_uid"], row["version"], row["fired_rules"], row["decided_at"]) for row in after["study_decision"]
    ]
    assert kept == [(2, "1.2", "0123456789ab", "[2, 10]", 10.0), (9, "1.3", "", "[]", 1.0)]
    (version,) = after["rule_version"]
    assert (version["id"], version["kind"], version["semantics"]) == ("0123456789ab", "elements", "vista")
    assert json.loads(str(version["text"])) == elements
    assert all(row["decided_by"] == row["image"] and row["queued"] == "[]" for row in after["rule_decision"])


def test_a_site_is_the_same_after_the_database_was_closed(database_url: str, tmp_path: Path) -> None:
    key = SiteKey.load_or_create(tmp_path / "site.key")
    store = Store(database_url)
    store.transact(lambda connection: apply_site(connection, read_site_file(ORACLE_SITE), key, NOW))
    before = store.read(dump_site)
    store.close()
    store = Store(database_url)
    assert store.read(dump_site) == before
    store.close()


@pytest.mark.parametrize("work", [ADD_COLUMN, REBUILD_PARENT])
def test_a_revision_to_come_keeps_every_row(
    database_url: str, engine: Engine, next_revision: Callable[[str], None], work: str
) -> None:
    migrate(database_url)
    before = fill_everything(engine)
    next_revision(work)
    migrate(database_url)
    assert current_revision(database_url) == "9999"
    after = contents(engine)
    assert {row.pop("pager") for row in after["new_person"]} == {""}
    assert after == before


def test_the_old_sqlite_file_stays_beside_the_new_one(tmp_path: Path, next_revision: Callable[[str], None]) -> None:
    path = tmp_path / "magbroker.db"
    url = f"sqlite:///{path}"
    migrate(url)
    old = newest_revision()
    before = fill_everything(writing_engine(url))
    next_revision(ADD_COLUMN)
    migrate(url)
    kept = f"sqlite:///{path}.before-{old}"
    assert current_revision(kept) == old
    assert contents(writing_engine(kept)) == before
    assert {file.name for file in tmp_path.iterdir()} == {"magbroker.db", f"magbroker.db.before-{old}", "migrations"}


@pytest.mark.parametrize("work", [FAIL_HALFWAY, ORPHAN])
def test_a_migration_that_fails_leaves_the_database_as_it_was(
    database_url: str, engine: Engine, next_revision: Callable[[str], None], work: str
) -> None:
    migrate(database_url)
    old = newest_revision()
    before = fill_everything(engine)
    next_revision(work)
    if work == ORPHAN and not is_sqlite(database_url):
        migrate(database_url)  # PostgreSQL keeps its foreign keys on: the children go with the parent, nothing points to nothing
        assert {row["option"] for row in contents(engine)["option_rpc"]} == {2, 3}
        return
    with pytest.raises(MigrationFailed, match=r"as (it was )?before"):
        migrate(database_url)
    assert current_revision(database_url) == old
    assert contents(engine) == before


@pytest.mark.parametrize("writing", [True, False])
def test_a_database_in_use_by_another_process_is_not_put_aside(
    tmp_path: Path, next_revision: Callable[[str], None], writing: bool
) -> None:
    path = tmp_path / "magbroker.db"
    url = f"sqlite:///{path}"
    migrate(url)
    old = newest_revision()
    next_revision(ADD_COLUMN)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("INSERT INTO holiday (date, name) VALUES ('3261225', 'CHRISTMAS DAY')")
    if writing:
        other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(MigrationFailed, match="in use by another process"):
            migrate(url)
        assert current_revision(url) == old
        assert other.execute("SELECT name FROM holiday").fetchall() == [("CHRISTMAS DAY",)]
    finally:
        other.close()


def test_a_database_of_a_newer_version_is_refused_untouched(
    database_url: str, engine: Engine, next_revision: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    next_revision(ADD_COLUMN)
    migrate(database_url)
    before = fill_everything(engine)
    monkeypatch.setattr(fileman.migrate, "MIGRATIONS", MIGRATIONS)
    with pytest.raises(MigrationFailed, match="revision 9999, which this version does not know"):
        Store(database_url)
    assert contents(engine) == before
