"""Migrations lead to the schema that the models describe, and keep what a database holds."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from fileman import SiteKey, Store, apply_site, dump_site, read_site_file
from fileman.engines import writing_engine
from fileman.files import NUMBERED_FILES, File
from fileman.migrate import current_revision, migrate, newest_revision
from tests.conftest import ORACLE_SITE

NOW = datetime(2026, 11, 21, 12)  # noqa: DTZ001  VistA's times carry no zone


def test_the_migrated_schema_is_that_of_the_models(database_url: str) -> None:
    migrate(database_url)
    engine = writing_engine(database_url)
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), File.metadata)
        sequences = (
            set(connection.execute(text("SELECT sequencename FROM pg_sequences")).scalars())
            if connection.dialect.name == "postgresql"
            else {f"ien_{file}" for file in NUMBERED_FILES}
        )
    engine.dispose()
    assert differences == []
    assert sequences >= {f"ien_{file}" for file in NUMBERED_FILES}


def test_migrating_twice_changes_nothing(database_url: str) -> None:
    migrate(database_url)
    migrate(database_url)
    assert current_revision(database_url) == newest_revision()


def test_a_filled_database_of_every_version_keeps_its_site(database_url: str, tmp_path: Path) -> None:
    key = SiteKey.load_or_create(tmp_path / "site.key")
    store = Store(database_url)
    store.transact(lambda connection: apply_site(connection, read_site_file(ORACLE_SITE), key, NOW))
    before = store.read(dump_site)
    store.close()
    store = Store(database_url)
    assert store.read(dump_site) == before
    store.close()
