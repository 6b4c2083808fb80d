"""The state of one moment of a running database, of either engine, copied to a SQLite file; whoever writes is not held up.

A site on SQLite is copied page by page (its own backup interface reads within the moment's transaction), one on PostgreSQL row by
row. Either way the copy is one file with this version's schema, from which `Transfer` makes a site on PostgreSQL.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from sqlalchemy import Connection, Engine, Table, create_engine, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from fileman.engines import database_address, reading_engine, sqlite_file, untouched_url
from fileman.errors import FileManError, StoreFailed, refusal
from fileman.files import NUMBERED_FILES
from fileman.fit import TableFit, decode
from fileman.image_files import Folder, read_folders
from fileman.migrate import check_known, current_revision, fold_log, migrate, newest_revision
from fileman.numbers import last_numbers, set_last_numbers
from fileman.sqlite_site import AS_THEY_ARE, COUNT_OF, SITE_TABLES
from fileman.tables import ROWS, Tally, one_moment
from fileman.transfer import Meter, Progress, Step, driver_of, select_as_it_is, silent

#: Pages of a SQLite database that are copied between two signs of progress.
_PAGES = 2048
_INSERT = {
    it.name: f'INSERT INTO "{it.name}" ({", ".join(f"{chr(34)}{part.name}{chr(34)}" for part in it.columns)})'
    f" VALUES ({', '.join('?' * len(it.columns))})"
    for it in SITE_TABLES
}
_SQLITE = sqlite.dialect()
_SELECT = {name: str(query.compile(dialect=_SQLITE)) for name, query in AS_THEY_ARE.items()}
_TABLES_THERE = (
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    " AND name NOT IN ('alembic_version', 'file_header')"
)
_REVISION = text("SELECT version_num FROM alembic_version")
#: No role's own limits end a copy, which takes as long as it takes.
_NO_LIMITS = ("SET LOCAL statement_timeout = 0", "SET LOCAL idle_in_transaction_session_timeout = 0")


class NotCopied(FileManError):
    """The database cannot be copied; it is as it was."""


@dataclass(frozen=True, slots=True)
class FrozenSite:
    """A database as it was at one moment, whatever is written since."""

    revision: str
    engine: str
    _connection: Connection

    def counts(self) -> dict[str, int]:
        """Count the rows of each table."""
        return {name: int(self._connection.execute(count).scalar_one()) for name, count in COUNT_OF.items()}

    def folders(self, data: Path) -> dict[int, Folder]:
        """Give the network locations, by their numbers."""
        return read_folders(self._connection, data)

    def copy(self, file: Path, progress: Progress = silent) -> None:
        """Write the moment to a new SQLite file, durable but for its name, for its owner's eyes alone.

        Raises NotCopied, also where the copy differs from what was read; what there is of the file then is worth nothing.
        """
        try:
            os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            if self.engine == "sqlite":
                self._copy_pages(file, progress)
            else:
                self._copy_rows(file, progress)
            fold_log(file)
            check_whole(file)
            _sync(file)
        except (sqlite3.Error, SQLAlchemyError, psycopg.Error) as error:
            raise NotCopied(f"The database cannot be copied to {file}: {refusal(error)}.") from error
        except OSError as error:
            raise NotCopied(f"The database cannot be copied to {file}: {error.strerror}.") from error

    def _copy_pages(self, file: Path, progress: Progress) -> None:
        source: Any = self._connection.connection.driver_connection
        with contextlib.closing(sqlite3.connect(file)) as target:
            source.backup(
                target, pages=_PAGES, progress=lambda _, left, all_: progress(Step("copying", "database", all_ - left, all_))
            )

    def _copy_rows(self, file: Path, progress: Progress) -> None:
        counts = self.counts()
        meter = Meter(progress, 2 * sum(counts.values()))
        numbers = last_numbers(self._connection, NUMBERED_FILES)
        migrate(f"sqlite:///{file}")
        with _opened(file) as target:
            for table in reversed(SITE_TABLES):
                target.exec_driver_sql(f'DELETE FROM "{table.name}"')
            read = {table.name: self._copy_table(table, target, meter) for table in SITE_TABLES}
            set_last_numbers(target, NUMBERED_FILES, numbers)
            target.commit()
            for table in SITE_TABLES:
                if _tally(target, table, meter) != read[table.name]:
                    raise NotCopied(f"The copy {file} of table {table.name} differs from what was read.")

    def _copy_table(self, table: Table, target: Connection, meter: Meter) -> Tally:
        tally, there = Tally(), _sqlite_of(target)
        with driver_of(self._connection).cursor(name="rows") as cursor:
            cursor.itersize = ROWS
            cursor.execute(select_as_it_is(table))
            there.executemany(_INSERT[table.name], _counted(meter.counted("copying", table, cursor), tally))
        return tally


@dataclass(frozen=True, slots=True)
class SiteReader:
    """A database that was found to be a site of this version's, of which moments are held on to."""

    name: str
    revision: str
    _engine: Engine

    @contextlib.contextmanager
    def moment(self) -> Iterator[FrozenSite]:
        """Hold on to this moment's state until the end; writers go on. It takes milliseconds. Raises StoreFailed, NotCopied."""
        try:
            with self._engine.connect() as connection, one_moment(connection):
                if connection.dialect.name != "sqlite":
                    for statement in _NO_LIMITS:
                        connection.exec_driver_sql(statement)
                if connection.execute(_REVISION).scalar_one() != self.revision:  # with the first look the moment begins
                    raise NotCopied(f"{self.name} was brought to another version meanwhile. Begin again.")
                yield FrozenSite(self.revision, connection.dialect.name, connection)
        except (SQLAlchemyError, psycopg.Error, UnicodeDecodeError) as error:
            raise StoreFailed(f"The database {self.name} cannot be read: {refusal(error)}.") from error


@contextlib.contextmanager
def read_site(url: str) -> Iterator[SiteReader]:
    """Open a database to be copied.

    Raises NotCopied for one that is missing, is no site, or is an older or newer version's, and StoreFailed when it cannot be
    opened.
    """
    file = sqlite_file(url)
    if file is not None and not file.is_file():
        raise NotCopied(f"There is no database {file}.")
    read_from = url if file is None else untouched_url(file)
    name = database_address(url).set(query={}).render_as_string(hide_password=True) if file is None else str(file)
    revision = current_revision(read_from)
    if revision is None:
        raise NotCopied(f"{name} is no database of magbroker's.")
    check_known(revision)
    if revision != newest_revision():
        raise NotCopied(f"{name} is an older version's: start a broker on it, which brings it up, or use that version.")
    engine = reading_engine(read_from)
    try:
        yield SiteReader(name, revision, engine)
    finally:
        engine.dispose()


def check_whole(file: Path) -> None:
    """Raise NotCopied for a SQLite file that is damaged, or has rows that point to nothing."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{quote(str(file.resolve()))}?mode=ro", uri=True)) as connection:
            found = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
            dangling = connection.execute("PRAGMA foreign_key_check").fetchone()
    except sqlite3.Error as error:
        raise NotCopied(f"{file} is damaged: {error}.") from error
    if found != "ok":
        raise NotCopied(f"{file} is damaged: {found.splitlines()[-1]}.")
    if dangling is not None:
        raise NotCopied(f"{file} has rows of {dangling[0]} that point to no {dangling[2]}.")


def rows_of(file: Path) -> dict[str, int]:
    """Count the rows of each table that a SQLite file has, whichever version's it is. Raises NotCopied."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{quote(str(file.resolve()))}?mode=ro", uri=True)) as connection:
            names = connection.execute(_TABLES_THERE).fetchall()
            return {name: int(connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]) for (name,) in names}
    except sqlite3.Error as error:
        raise NotCopied(f"{file} is damaged: {error}.") from error


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[Connection]:
    """Open a copy to be written: without foreign keys, as rows may come before those that they point to."""
    engine = create_engine(f"sqlite:///{file}", poolclass=NullPool, hide_parameters=True)
    try:
        with engine.connect() as connection:
            _sqlite_of(connection).text_factory = decode
            connection.exec_driver_sql("PRAGMA synchronous=OFF")  # who made it makes it durable, whole
            yield connection
    finally:
        engine.dispose()


def _sqlite_of(connection: Connection) -> sqlite3.Connection:
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver


def _counted(rows: Iterator[tuple[Any, ...]], tally: Tally) -> Iterator[tuple[Any, ...]]:
    for row in rows:
        tally.add(row)
        yield row


def _tally(copy: Connection, table: Table, meter: Meter) -> Tally:
    """Count a copied table's rows as PostgreSQL gives them: SQLite has 0 and 1 for truth."""
    tally, fit = Tally(), TableFit.of(table)
    for row in meter.counted("comparing", table, _sqlite_of(copy).execute(_SELECT[table.name])):
        tally.add(fit.fitted(row))
    return tally


def _sync(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
