"""Bring a database to the schema of this version (Alembic), without ever spoiling what is there."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from fileman.engines import database_address, is_sqlite, reading_engine, sqlite_file, untouched, untouched_url, writing_engine
from fileman.errors import MigrationFailed, StoreFailed, refusal

#: Where the revisions lie.
MIGRATIONS = Path(str(resources.files("fileman"))) / "migrations"
#: Held on PostgreSQL by whoever makes or changes the schema, until its transaction ends.
_HOLD_SCHEMA = text("SELECT pg_advisory_xact_lock(7203005)")


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def newest_revision() -> str:
    """Name the schema revision that this version needs."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise MigrationFailed("The package holds no migrations.")
    return head


def _known_revisions() -> set[str]:
    return {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}


def revision_of(connection: Connection) -> str | None:
    """Name the revision of an open database; None for an empty one. Raises MigrationFailed where several are written down."""
    try:
        return MigrationContext.configure(connection).get_current_revision()
    except CommandError as error:
        raise MigrationFailed(f"The database's revision cannot be told: {error}") from error


def check_known(revision: str | None) -> None:
    """Raise MigrationFailed for a revision that a newer version made."""
    if revision is not None and revision not in _known_revisions():
        raise MigrationFailed(f"The database has revision {revision}, which this version does not know: a newer one made it.")


def current_revision(url: str) -> str | None:
    """Name the revision of a database; None for an empty one. Raises StoreFailed when it cannot be opened."""
    engine = reading_engine(url)  # a writer's connection would wait for whoever writes now
    try:
        with engine.connect() as connection:
            return revision_of(connection)
    except UnicodeDecodeError as error:  # SQLite's message quotes what stands in a damaged schema
        raise StoreFailed(f"The database {engine.url!r} cannot be opened: its schema is damaged.") from error
    except SQLAlchemyError as error:
        raise StoreFailed(f"The database {engine.url!r} cannot be opened: {refusal(error)}") from error
    finally:
        engine.dispose()


def migrate(url: str, revision: str = "head") -> None:
    """Bring a database to this version; a new one is made. Raises MigrationFailed, with the database as it was.

    A filled SQLite database is migrated on a copy, with foreign keys off and checked afterwards, and then put in its place;
    the old file stays beside it as `NAME.before-REVISION`. `revision` stops earlier, for tests of old versions.
    """
    try:
        _migrate(url, revision)
    except (CommandError, SQLAlchemyError, sqlite3.Error, OSError) as error:
        raise MigrationFailed(f"The database could not be brought to this version; it is as it was before: {error}") from error


def _migrate(url: str, revision: str) -> None:
    path = sqlite_file(url)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    present = current_revision(url) if path is None or path.exists() else None
    check_known(present)
    if present is not None and present in (revision, newest_revision()):
        return
    if path is None or present is None:
        _upgrade(url, revision)
        return
    fold_log(path)
    copy = path.with_name(path.name + ".migrating")
    _copy_database(path, copy)
    _upgrade(str(database_address(url).set(database=str(copy))), revision)
    fold_log(copy)
    _copy_database(path, path.with_name(f"{path.name}.before-{present}"))
    copy.replace(path)


@contextlib.contextmanager
def up_to_date(file: Path, folder: Path | None = None) -> Iterator[Path]:
    """Give a SQLite file with this version's schema: itself, or for a while a migrated copy, which lies in a folder.

    The file itself is left alone. Raises MigrationFailed.
    """
    if current_revision(untouched_url(file)) == newest_revision():
        yield file
        return
    try:
        place = tempfile.TemporaryDirectory(prefix=".magbroker-copy-", dir=folder)
    except OSError as error:
        raise MigrationFailed(f"There is no place for a copy of {file}: {error.strerror}.") from error
    with place as name:
        yield _migrated_copy(file, Path(name) / file.name)


def _migrated_copy(file: Path, copy: Path) -> Path:
    try:
        _copy_database(file, copy)
    except (sqlite3.Error, OSError) as error:
        raise MigrationFailed(f"{file} cannot be copied: {error}.") from error
    migrate(f"sqlite:///{copy}")
    return copy


def _copy_database(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    origin, copy = sqlite3.connect(untouched(source), uri=True), sqlite3.connect(target)
    try:
        origin.backup(copy)
    finally:
        origin.close()
        copy.close()
    fold_log(target)


def fold_log(path: Path) -> None:
    """Let the file alone hold the database: a write-ahead log left beside it would be played into whatever takes its place."""
    connection = sqlite3.connect(path, timeout=1)
    try:
        connection.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.OperationalError as error:
        raise MigrationFailed(f"The database {path} is in use by another process; it is as it was before.") from error
    finally:
        connection.close()


def hold_schema(connection: Connection) -> None:
    """Be the only one that makes or changes the schema of a PostgreSQL database until the transaction ends; wait for others."""
    connection.execute(_HOLD_SCHEMA)


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Make the schema, or bring it up, within the caller's transaction."""
    command.upgrade(_config(connection), revision)


def _upgrade(url: str, revision: str) -> None:
    engine = writing_engine(url, foreign_keys=False)
    try:
        with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                hold_schema(connection)
            upgrade(connection, revision)
            if is_sqlite(url):
                broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
                if broken:
                    raise MigrationFailed(f"After the migration {len(broken)} rows point to nothing; the database is as before.")
    finally:
        engine.dispose()
