"""A SQLite site moved to PostgreSQL, in one transaction of the target, and compared with it before that is committed.

PostgreSQL makes tables and sequences within transactions too. So whatever ends a move before its commit (a kill, a broken
connection, a full disk, a difference) leaves the target as empty as it was, and a broker that starts there meanwhile waits
for the end. Rows of running processes (leases, sessions, heartbeats, running tasks) move like all others: the processes that
they name have ended, leases run out by themselves, and the first worker takes over tasks whose executor is dead.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import URL, Connection, Engine, Table, delete, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import SQLAlchemyError

from fileman.engines import database_address, writing_engine
from fileman.errors import FileManError, MigrationFailed, listed, refusal
from fileman.files import NUMBERED_FILES
from fileman.fit import Misfit, TableFit
from fileman.migrate import check_known, hold_schema, newest_revision, revision_of, upgrade
from fileman.numbers import last_numbers, last_of_sequence, set_last_numbers
from fileman.sqlite_site import AS_THEY_ARE, COUNT_OF, SITE_TABLES, SqliteSite, open_site
from fileman.tables import ROWS, Tally, count_on, serial_sequence

#: Values that do not fit are looked for until so many are found.
MOST_MISFITS = 20
#: Seconds for which another process that makes or moves the target's schema is waited for.
PATIENCE = 30.0

_DRIVER = "postgresql+psycopg"
_LOCK_NOT_AVAILABLE = "55P03"
_ENCODING = text("SHOW server_encoding")
_RELATIONS = text(
    "SELECT relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace"
    " WHERE nspname = current_schema() AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')"
    " AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e')"
    " ORDER BY relkind = 'S', relname"
)
_MAKE_ANOTHER = "Nothing was moved. Make an empty database (createdb) and name that one."
#: No role's own limits end a move, which takes as long as it takes.
_NO_LIMITS = ("SET LOCAL statement_timeout = 0", "SET LOCAL idle_in_transaction_session_timeout = 0")
_COPY = {
    it.name: sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(it.name), sql.SQL(", ").join(sql.Identifier(column.name) for column in it.columns)
    )
    for it in SITE_TABLES
}
_ANALYZE = text("ANALYZE " + ", ".join(f'"{it.name}"' for it in SITE_TABLES))
_POSTGRESQL = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy gives it no types
_READ = {name: str(query.compile(dialect=_POSTGRESQL)) for name, query in AS_THEY_ARE.items()}


class NotMoved(FileManError):
    """The site was not moved; source and target are as they were."""


class UnfitSource(NotMoved):
    """The source holds values that PostgreSQL does not take."""

    def __init__(self, misfits: tuple[Misfit, ...]) -> None:
        self.misfits = misfits
        found = f"{len(misfits)} values" if len(misfits) < MOST_MISFITS else f"At least {len(misfits)} values"
        lines = "".join(f"\n  {misfit}" for misfit in misfits)
        super().__init__(f"{found} of the source do not fit PostgreSQL; mend them there. Nothing was moved.{lines}")


class Outcome(Enum):
    """What became of a move."""

    MOVED = "moved"
    REHEARSED = "rehearsed"
    THERE = "there already"
    DIFFERS = "differs"


@dataclass(frozen=True, slots=True)
class ComparedTable:
    """Rows and checksum of a table in both databases; see `Tally`."""

    name: str
    source_rows: int
    target_rows: int
    source_checksum: str
    target_checksum: str

    @property
    def equal(self) -> bool:
        """Tell whether both hold the same rows."""
        return (self.source_rows, self.source_checksum) == (self.target_rows, self.target_checksum)


@dataclass(frozen=True, slots=True)
class ComparedSequence:
    """The last number that was given, in both databases; 0 where none was."""

    name: str
    source: int
    target: int

    @property
    def equal(self) -> bool:
        """Tell whether both go on with the same number."""
        return self.source == self.target


@dataclass(frozen=True, slots=True)
class Moved:
    """What was moved, compared table by table and sequence by sequence."""

    outcome: Outcome
    tables: tuple[ComparedTable, ...]
    sequences: tuple[ComparedSequence, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """How far a move is: `done` of `total` rows, each of which is read once here and once there."""

    doing: str
    table: str
    done: int
    total: int


Progress = Callable[[Step], None]


def silent(_step: Step) -> None:
    """Tell nobody how far a move is."""


@dataclass(slots=True)
class Meter:
    """Counts rows on their way, and tells how many of `total` went by."""

    progress: Progress
    total: int
    _done: int = 0

    def counted(self, doing: str, table: Table, rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        """Pass a table's rows on, and tell at its beginning and every some rows how many there were in all."""
        self._tell(doing, table)
        for row in rows:
            self._done += 1
            yield row
            if not self._done % ROWS:
                self._tell(doing, table)

    def _tell(self, doing: str, table: Table) -> None:
        self.progress(Step(doing, table.name, self._done, self.total))


@dataclass(slots=True)
class _Reading:
    """Reads the source's tables, and keeps what is to be said about them at the end."""

    site: SqliteSite
    meter: Meter
    tallies: dict[str, Tally] = field(default_factory=dict)
    misfits: list[Misfit] = field(default_factory=list)

    def rows(self, table: Table) -> Iterator[tuple[Any, ...]]:
        """Give the rows that fit. Raises UnfitSource when too many do not."""
        fit = TableFit.of(table)
        tally = self.tallies[table.name] = Tally()
        for row in self.meter.counted("reading", table, self.site.rows(table)):
            try:
                fitted = fit.fitted(row)
            except Misfit as misfit:
                self.misfits.append(misfit)
                if len(self.misfits) == MOST_MISFITS:
                    self.check()
                continue
            tally.add(fitted)
            yield fitted

    def look_through(self, table: Table) -> None:
        """Read a table for what is to be said about it only."""
        deque(self.rows(table), maxlen=0)

    def check(self) -> None:
        """Raise UnfitSource when rows did not fit."""
        if self.misfits:
            raise UnfitSource(tuple(self.misfits))


@dataclass(frozen=True, slots=True)
class Transfer:
    """One move of a SQLite site to a PostgreSQL database. The source is never changed; nobody should write to it meanwhile.

    `patience` is how many seconds another process is waited for that makes or moves a schema there.
    """

    source: Path
    target: str = field(repr=False)
    progress: Progress = silent
    patience: float = PATIENCE

    def perform(self) -> Moved:
        """Move the site, and commit it unless anything differs.

        A target that holds this very site already is compared with it again and left as it is. Raises NotMoved, BadSource
        and other FileManErrors, with the target as it was.
        """
        with self._moved() as (moved, site, target):
            if moved.outcome is not Outcome.REHEARSED:
                return moved
            if site.changed():
                raise NotMoved(f"Somebody wrote to {self.source} meanwhile. Nothing was moved; try again when nobody does.")
            _commit(target)
            return replace(moved, outcome=Outcome.MOVED)

    def rehearse(self) -> Moved:
        """Do all that a move does, comparison included, and take it back. The source may be in use."""
        with self._moved() as (moved, _site, _target):
            return moved

    @contextlib.contextmanager
    def _moved(self) -> Iterator[tuple[Moved, SqliteSite, Connection]]:
        """Move the site in a transaction that is left open; unless it is committed, it ends here and leaves nothing."""
        address = _target_address(self.target)
        engine = writing_engine(self.target, pool_size=1)
        try:
            with _connected(engine, address) as target, open_site(self.source) as site:
                self._hold(target)
                yield self._copied(site, target, address), site, target
        except (SQLAlchemyError, psycopg.Error) as error:
            raise NotMoved(f"The target refused: {refusal(error)}. Nothing was moved.") from error
        finally:
            engine.dispose()

    def _hold(self, target: Connection) -> None:
        """Begin the transaction, and let nobody else make or move a schema there until it ends."""
        for statement in (*_NO_LIMITS, f"SET LOCAL lock_timeout = {int(self.patience * 1000)}"):
            target.exec_driver_sql(statement)
        try:
            hold_schema(target)
        except SQLAlchemyError as error:
            if getattr(getattr(error, "orig", None), "sqlstate", None) != _LOCK_NOT_AVAILABLE:
                raise
            raise NotMoved("Another process is moving a site there, or making a schema. Nothing was moved.") from error

    def _copied(self, site: SqliteSite, target: Connection, address: URL) -> Moved:
        relations = list(target.execute(_RELATIONS).scalars())
        _check_usable(target, address, relations)
        site.look_over()
        counts = site.counts()
        reading = _Reading(site, Meter(self.progress, 2 * sum(counts.values())))
        if relations:
            return _found_there(reading, target, address, counts)
        _make_schema(target)
        _copy_tables(reading, target)
        set_last_numbers(target, NUMBERED_FILES, site.last_numbers())
        target.execute(_ANALYZE)
        return _compared(Outcome.REHEARSED, reading, target)


def check_empty(url: str) -> None:
    """Raise NotMoved unless a PostgreSQL database is there, and is empty."""
    address = _target_address(url)
    engine = writing_engine(url, pool_size=1)
    try:
        with _connected(engine, address) as target:
            relations = list(target.execute(_RELATIONS).scalars())
            _check_usable(target, address, [])
    finally:
        engine.dispose()
    if relations:
        raise NotMoved(f"The target {_shown(address)} is not empty: it holds {listed(relations)}. {_MAKE_ANOTHER}")


def shown_target(url: str) -> str:
    """Write the target's URL without what is secret in it. Raises StoreFailed or NotMoved for what is no target."""
    return _shown(_target_address(url))


def _shown(address: URL) -> str:
    return address.set(query={}).render_as_string(hide_password=True)


def _target_address(url: str) -> URL:
    address = database_address(url)
    if address.drivername != _DRIVER:
        raise NotMoved(f"A site is moved to {_DRIVER}://USER:PASSWORD@HOST/DATABASE, not to {address.drivername}.")
    return address


def _connected(engine: Engine, address: URL) -> Connection:
    try:
        return engine.connect()
    except (SQLAlchemyError, psycopg.Error) as error:
        raise NotMoved(f"The target {_shown(address)} cannot be opened: {refusal(error)}") from error


def _commit(target: Connection) -> None:
    try:
        target.commit()
    except (SQLAlchemyError, psycopg.Error) as error:
        raise NotMoved(
            f"The target did not answer to the commit: {refusal(error)}. Run the command again: it tells whether the site is"
            " there, and moves it if it is not."
        ) from error


def _check_usable(target: Connection, address: URL, relations: list[str]) -> None:
    """Raise NotMoved unless the target is empty, or has this version's schema: it may hold this very site already."""
    try:
        revision = revision_of(target)
        check_known(revision)
    except MigrationFailed as error:
        raise NotMoved(f"The target {_shown(address)} cannot be used. {error}") from error
    if relations and revision != newest_revision():
        raise NotMoved(f"The target {_shown(address)} is not empty: it holds {listed(relations)}. {_MAKE_ANOTHER}")
    if (encoding := target.execute(_ENCODING).scalar_one()) != "UTF8":
        raise NotMoved(f"The target keeps text as {encoding}; make a database with ENCODING 'UTF8' TEMPLATE template0.")


def _found_there(reading: _Reading, target: Connection, address: URL, counts: dict[str, int]) -> Moved:
    """Compare the site with what the target holds, from a move whose end was not seen. Raises NotMoved for anything else."""
    other = [name for name, count in COUNT_OF.items() if target.execute(count).scalar_one() != counts[name]]
    if not other:
        for table in SITE_TABLES:
            reading.look_through(table)
        reading.check()
        found = _compared(Outcome.THERE, reading, target)
        if found.outcome is Outcome.THERE:
            return found
        other = [it.name for it in found.tables if not it.equal] or [it.name for it in found.sequences if not it.equal]
    differing = f"It holds a site that differs from the source in {listed(other)}."
    raise NotMoved(f"The target {_shown(address)} is not empty. {differing} {_MAKE_ANOTHER}")


def _make_schema(target: Connection) -> None:
    """Make this version's schema, without the rows that it begins with."""
    upgrade(target)
    for table in reversed(SITE_TABLES):
        target.execute(delete(table))


def driver_of(target: Connection) -> psycopg.Connection[tuple[Any, ...]]:
    """Give psycopg's own connection: SQLAlchemy knows no COPY, and leaves cursors of a server open when it goes down."""
    connection = target.connection.driver_connection
    assert isinstance(connection, psycopg.Connection)
    return connection


def select_as_it_is(table: Table) -> str:
    """Give the statement by which psycopg reads a table without making anything of its values."""
    return _READ[table.name]


def _copy_tables(reading: _Reading, target: Connection) -> None:
    """Copy every table, each by one statement: rows may point to others of their own table that come later."""
    for table in SITE_TABLES:
        if reading.misfits:  # the move is off; the rest is looked through for more of them
            reading.look_through(table)
            continue
        with driver_of(target).cursor() as cursor, cursor.copy(_COPY[table.name]) as copy:
            for row in reading.rows(table):
                copy.write_row(row)
        count_on(target, table)
    reading.check()


def _compared(outcome: Outcome, reading: _Reading, target: Connection) -> Moved:
    """Read the target back and compare it with what was read; the outcome is DIFFERS when anything does."""
    tables = tuple(_compared_table(reading, target, table) for table in SITE_TABLES)
    sequences = (*_numbered_files(reading.site, target), *_numbered_tables(reading.site, target))
    equal = all(it.equal for it in tables) and all(it.equal for it in sequences)
    return Moved(outcome if equal else Outcome.DIFFERS, tables, sequences)


def _compared_table(reading: _Reading, target: Connection, table: Table) -> ComparedTable:
    there = Tally()
    with driver_of(target).cursor(name="rows") as cursor:
        cursor.itersize = ROWS
        cursor.execute(select_as_it_is(table))
        for row in reading.meter.counted("comparing", table, cursor):
            there.add(row)
    here = reading.tallies[table.name]
    return ComparedTable(table.name, here.rows, there.rows, here.checksum, there.checksum)


def _numbered_files(site: SqliteSite, target: Connection) -> Iterator[ComparedSequence]:
    here, there = site.last_numbers(), last_numbers(target, NUMBERED_FILES)
    for file in NUMBERED_FILES:
        yield ComparedSequence(f"ien_{file}", here.get(file, 0), there.get(file, 0))


def _numbered_tables(site: SqliteSite, target: Connection) -> Iterator[ComparedSequence]:
    for table in SITE_TABLES:
        if (sequence := serial_sequence(target, table)) is not None:
            name = sequence.rpartition(".")[2]
            yield ComparedSequence(name, site.highest_number(table), last_of_sequence(target, sequence))
