"""The store: how everything above reads and writes the database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from sqlalchemy import Connection, CursorResult, select, text, update
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from fileman.engines import is_sqlite, maintaining_engine, reading_engine, writing_engine
from fileman.errors import StoreClosed, StoreFailed, refusal
from fileman.files.kernel import SiteVersion
from fileman.migrate import migrate
from fileman.writer import GroupCommitWriter, PooledWriter, Writer

T = TypeVar("T")

_DATA_VERSION = text("PRAGMA data_version")
_SITE_VERSION = select(SiteVersion.number).where(SiteVersion.id == 1)
_BUMP = update(SiteVersion).where(SiteVersion.id == 1).values(number=SiteVersion.number + 1)


class Store:
    """One open database, SQLite or PostgreSQL.

    `write` runs work in a transaction and resolves after its commit. `read` runs quick look-ups at once, in the calling
    thread, each statement seeing the newest committed state. `scan` runs long reads on threads of their own.
    """

    def __init__(self, url: str, *, synchronous: str = "FULL", readers: int = 4) -> None:
        """Open the database, bring its schema to this version, and start the writer.

        Args:
            url: a SQLAlchemy URL, `sqlite:///path` or `postgresql+psycopg://...`.
            synchronous: SQLite's setting; FULL keeps every answered request through a power cut, NORMAL does not.
            readers: threads for scans.
        """
        migrate(url)
        self.url = url
        self.sqlite = is_sqlite(url)
        self._writing = writing_engine(url, synchronous)
        self._reading = reading_engine(url)
        self._writer: Writer = GroupCommitWriter(self._writing) if self.sqlite else PooledWriter(self._writing)
        self._scanners = ThreadPoolExecutor(readers, thread_name_prefix="scan")
        self._local = threading.local()
        self._connections: list[tuple[threading.Thread, Connection]] = []
        self._guard = threading.Lock()
        self._closed = False

    def write(self, work: Callable[[Connection], T]) -> Future[T]:
        """Run work in a transaction; the future's result comes after the commit, so it may be answered to a peer."""
        return self._writer.submit(work)

    def transact(self, work: Callable[[Connection], T]) -> T:
        """Run work in a transaction and wait for the commit. Not for the reactor's thread."""
        return self._writer.submit(work).result()

    def read(self, work: Callable[[Connection], T]) -> T:
        """Run look-ups now, on this thread's own AUTOCOMMIT connection.

        When the server dropped the connection (PostgreSQL was started anew) they run once more on a new one. Raises
        StoreFailed for what the database refuses.
        """
        try:
            return work(self._connection())
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise _refused(error) from error
        except SQLAlchemyError as error:
            raise _refused(error) from error
        try:
            return work(self._connection())
        except SQLAlchemyError as error:
            raise _refused(error) from error

    def scan(self, work: Callable[[Connection], T]) -> Future[T]:
        """Run a long read on a thread of the read pool."""
        if self._closed:
            raise StoreClosed
        try:
            return self._scanners.submit(self.read, work)
        except RuntimeError as error:  # closed meanwhile
            raise StoreClosed from error

    def maintain(self, statements: Sequence[str]) -> list[list[tuple[Any, ...]]]:
        """Run statements outside of any transaction on a connection of their own; give the rows that each answers.

        For what cannot be in a transaction: PRAGMA, ANALYZE. Raises StoreFailed when the database refuses one, on SQLite also
        when it is too busy for a moment.
        """
        if self._closed:
            raise StoreClosed
        engine = maintaining_engine(self.url)
        try:
            with engine.connect() as connection:
                return [_rows(connection.exec_driver_sql(statement)) for statement in statements]
        except SQLAlchemyError as error:
            raise StoreFailed(f"The database refused its maintenance: {refusal(error)}") from error
        finally:
            engine.dispose()

    def site_version(self) -> int:
        """Tell which state the site data has; a cache that was filled under another number is stale."""
        return self.read(self._site_version)

    def _site_version(self, connection: Connection) -> int:
        if self.sqlite:
            seen = connection.execute(_DATA_VERSION).scalar_one()
            key = (threading.get_ident(), seen)
            if getattr(self._local, "data_version", None) == key:
                return int(self._local.site_version)
            number = int(connection.execute(_SITE_VERSION).scalar() or 0)
            self._local.data_version, self._local.site_version = key, number
            return number
        return int(connection.execute(_SITE_VERSION).scalar() or 0)

    def _connection(self) -> Connection:
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None or connection.closed or connection.invalidated:
            if self._closed:
                raise StoreClosed
            connection = self._reading.connect()
            self._local.connection = connection
            with self._guard:
                self._connections = [pair for pair in self._connections if _still_used(*pair)]
                self._connections.append((threading.current_thread(), connection))
        return connection

    def close(self) -> None:
        """Commit what was submitted, and close every connection."""
        if self._closed:
            return
        self._closed = True
        self._writer.close()
        self._scanners.shutdown()
        with self._guard:
            for _thread, connection in self._connections:
                connection.close()
        self._reading.dispose()
        self._writing.dispose()


def _still_used(thread: threading.Thread, connection: Connection) -> bool:
    """Close the connection of a thread that has ended."""
    if thread.is_alive() and not connection.invalidated:
        return True
    connection.close()
    return False


def _rows(result: CursorResult[Any]) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in result] if result.returns_rows else []


def _refused(error: SQLAlchemyError) -> StoreFailed:
    return StoreFailed(f"The database refused to be read: {refusal(error)}")


def bump_site_version(connection: Connection) -> None:
    """Tell every cache of site data, in every process, that it is stale once this transaction commits."""
    connection.execute(_BUMP)
