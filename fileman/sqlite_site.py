"""A SQLite site as it is read to be moved elsewhere: looked over first, in the state of one moment, and left as it is."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Select, Table, column, event, func, select, table, text
from sqlalchemy.exc import SQLAlchemyError

from fileman.engines import reading_engine, untouched, untouched_url
from fileman.errors import FileManError, MigrationFailed, listed
from fileman.files import NUMBERED_FILES, File, FileHeader
from fileman.fit import decode
from fileman.migrate import check_known, current_revision, up_to_date
from fileman.numbers import last_numbers
from fileman.tables import UnreadableTable, highest_number, one_moment, parts

#: The tables that hold a site, parents before children. On PostgreSQL sequences stand for the rows of `file_header`.
SITE_TABLES = tuple(it for it in File.metadata.sorted_tables if it.name != FileHeader.__tablename__)
#: Rows that point to nothing are looked for until so many are found.
_DANGLING = 20
_OUR_TABLES = {it.name: {part.name for part in it.columns} for it in File.metadata.sorted_tables}
_ALEMBIC = {"alembic_version": {"version_num"}}

_COLUMNS = text(
    "SELECT it.name, part.name FROM sqlite_master AS it, pragma_table_info(it.name) AS part"
    " WHERE it.type = 'table' AND it.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
)
#: Counts a table's rows.
COUNT_OF = {it.name: select(func.count()).select_from(it) for it in SITE_TABLES}


def untyped(of: Table) -> Select[*tuple[Any, ...]]:
    """Select a table's columns as the engine gives them: nothing is made of their values."""
    return select(*(column(part.name) for part in of.columns)).select_from(table(of.name))


#: Reads a table of either engine without making anything of its values.
AS_THEY_ARE = {it.name: untyped(it) for it in SITE_TABLES}
_KEYS = {it.name: select(*it.primary_key).where(text("rowid = :row")) for it in SITE_TABLES}
_NUMBERED = select(FileHeader.file)


class BadSource(FileManError):
    """The source is no SQLite site that can be moved."""


@dataclass(frozen=True, slots=True)
class SqliteSite:
    """A SQLite site that is open, in the state of one moment."""

    file: Path
    _connection: Connection
    _watch: sqlite3.Connection
    _version: int

    def look_over(self) -> None:
        """Raise BadSource for a file that is damaged, for rows that point to nothing, and for what would be left behind."""
        for complaint in (self._damage(), self._unknown(), self._dangling()):
            if complaint:
                raise BadSource(f"The source {self.file} {complaint}")

    def counts(self) -> dict[str, int]:
        """Count the rows of each table."""
        return {name: int(self._connection.execute(count).scalar_one()) for name, count in COUNT_OF.items()}

    def rows(self, of: Table) -> Iterator[tuple[Any, ...]]:
        """Give a table's rows as they are; see `TableFit` for what fits. Raises BadSource."""
        try:
            for part in parts(self._connection, of, AS_THEY_ARE[of.name]):
                yield from map(tuple, part)
        except UnreadableTable as damage:
            raise BadSource(f"The source {self.file} is damaged. {damage}") from damage

    def last_numbers(self) -> dict[str, int]:
        """Give the last internal entry number of each numbered file."""
        return last_numbers(self._connection, NUMBERED_FILES)

    def highest_number(self, of: Table) -> int:
        """Give the highest number of a table whose rows the database numbers by itself; 0 without rows."""
        return highest_number(self._connection, of)

    def changed(self) -> bool:
        """Tell whether anybody wrote to the file since it was opened."""
        return _data_version(self.file, self._watch) != self._version

    def _damage(self) -> str:
        try:
            found = str(self._connection.exec_driver_sql("PRAGMA quick_check(1)").scalar())
        except SQLAlchemyError as error:
            found = str(getattr(error, "orig", error))
        return "" if found == "ok" else f"is damaged: {found.splitlines()[-1]}."

    def _unknown(self) -> str:
        found: dict[str, set[str]] = {}
        for name, part in self._connection.execute(_COLUMNS):
            found.setdefault(name, set()).add(part)
        known = _OUR_TABLES | _ALEMBIC
        names = [f"table {name}" for name in sorted(found.keys() - known)]
        names += [f"column {name}.{part}" for name in sorted(found.keys() & known) for part in sorted(found[name] - known[name])]
        files = set(self._connection.execute(_NUMBERED).scalars())
        names += [f"numbers of {name!r} in file_header" for name in sorted(files - set(NUMBERED_FILES))]
        lacking = [f"{name}.{part}" for name in sorted(known) for part in sorted(known[name] - found.get(name, set()))]
        if lacking:
            return f"lacks {listed(lacking)}, which a site of this version has."
        return f"holds what magbroker does not know and would leave behind: {listed(names)}. Take it out first." if names else ""

    def _dangling(self) -> str:
        with contextlib.closing(self._connection.exec_driver_sql("PRAGMA foreign_key_check")) as found:
            first = found.fetchmany(_DANGLING)
        names = [f"{name} ({self._key(name, row)}) to {parent}" for name, row, parent, _number in first]
        return f"has rows that point to nothing: {listed(names)}. Mend or delete them first." if names else ""

    def _key(self, name: str, row: int) -> str:
        key = self._connection.execute(_KEYS[name], {"row": row}).one()
        return ", ".join(f"{part} {value!r}" for part, value in key._mapping.items())


@contextlib.contextmanager
def open_site(file: Path) -> Iterator[SqliteSite]:
    """Open a SQLite site to be read; one that an older version left is read from a migrated copy, for a while beside it.

    Raises BadSource for what is no site of magbroker's or a newer version's, StoreFailed for what is no database, and
    MigrationFailed where a copy cannot be made.
    """
    if not file.is_file():
        raise BadSource(f"There is no database {file}.")
    revision = current_revision(untouched_url(file))
    if revision is None:
        raise BadSource(f"The source {file} is no database of magbroker's.")
    try:
        check_known(revision)
    except MigrationFailed as error:
        raise BadSource(f"The source {file} cannot be moved: {error}") from error
    with contextlib.closing(sqlite3.connect(untouched(file), uri=True)) as watch, up_to_date(file, file.parent) as newest:
        version = _data_version(file, watch)
        engine = reading_engine(untouched_url(newest))
        event.listen(engine, "connect", _keep_every_text)
        try:
            with engine.connect() as connection, one_moment(connection):
                yield SqliteSite(file, connection, watch, version)
        finally:
            engine.dispose()


def _data_version(file: Path, connection: sqlite3.Connection) -> int:
    try:
        return int(connection.execute("PRAGMA data_version").fetchone()[0])
    except sqlite3.Error as error:
        raise BadSource(f"The source {file} cannot be read: {error}.") from error


def _keep_every_text(connection: Any, _record: Any) -> None:
    connection.text_factory = decode
