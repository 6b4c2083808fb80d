"""Bring a database to the schema of this version (Alembic), without ever spoiling what is there."""

from __future__ import annotations

import sqlite3
from importlib import resources
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.engine import make_url

from fileman.engines import is_sqlite, writing_engine
from fileman.errors import MigrationFailed


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(resources.files("fileman") / "migrations"))
    config.attributes["connection"] = connection
    return config


def newest_revision() -> str:
    """Name the schema revision that this version needs."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise MigrationFailed("The package holds no migrations.")
    return head


def current_revision(url: str) -> str | None:
    """Name the revision of a database; None for an empty one."""
    engine = writing_engine(url)
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()


def migrate(url: str) -> None:
    """Bring a database to this version; a new one is made.

    A filled SQLite database is migrated on a copy, with foreign keys off and checked afterwards, and then put in its place;
    the old file stays beside it as `NAME.before-REVISION`.
    """
    if not is_sqlite(url):
        _upgrade(url)
        return
    path = Path(make_url(url).database or "")
    path.parent.mkdir(parents=True, exist_ok=True)
    revision = current_revision(url) if path.exists() else None
    if revision == newest_revision():
        return
    if revision is None:
        _upgrade(url)
        return
    copy = path.with_name(path.name + ".migrating")
    copy.unlink(missing_ok=True)
    _copy_database(path, copy)
    _upgrade(str(make_url(url).set(database=str(copy))))
    _copy_database(path, path.with_name(f"{path.name}.before-{revision}"))
    copy.replace(path)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _copy_database(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    origin, copy = sqlite3.connect(source), sqlite3.connect(target)
    try:
        origin.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
    finally:
        origin.close()
        copy.close()


def _upgrade(url: str) -> None:
    engine = writing_engine(url, foreign_keys=False)
    try:
        with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7203005)")
            command.upgrade(_config(connection), "head")
            if is_sqlite(url):
                broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
                if broken:
                    raise MigrationFailed(f"After the migration {len(broken)} rows point to nothing; the database is as before.")
    finally:
        engine.dispose()
