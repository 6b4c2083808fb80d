"""The store: how everything above reads and writes the database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Connection, CursorResult, select, update
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from fileman.engines import is_sqlite, maintaining_engine, reading_engine, writing_engine
from fileman.errors import StoreClosed, StoreFailed, refusal
from fileman.files.kernel import SiteVersion
from fileman.migrate import migrate
from fileman.waking import Sleepers
from fileman.writer import GroupCommitWriter, PooledWriter, Writer

T = TypeVar("T")

#: Seconds that closing the store waits for a look-up that another thread is at.
LAST_READ_SECONDS = 10.0
_DATA_VERSION = "PRAGMA data_version"
_SITE_VERSION = select(SiteVersion.number).where(SiteVersion.id == 1)
_BUMP = update(SiteVersion).where(SiteVersion.id == 1).values(number=SiteVersion.number + 1)


@dataclass(slots=True, eq=False)
class _Reader:
    """What one thread reads with; whoever closes the connection holds the lock, for SQLite does not survive it otherwise."""

    thread: threading.Thread
    connection: Connection
    lock: threading.RLock = field(default_factory=threading.RLock)

    def close(self) -> None:
        """Close the connection once its thread is not using it; one that is used for longer is left to the end of the process."""
        if self.lock.acquire(timeout=LAST_READ_SECONDS):
            try:
                self.connection.close()
            finally:
                self.lock.release()


class Store:
    """One open database, SQLite or PostgreSQL.

    `write` runs work in a transaction and resolves after its commit. `read` runs quick look-ups at once, in the calling
    thread, each statement seeing the newest committed state. `scan` runs long reads on threads of their own. `sleepers` are
    those whom a commit wakes.
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
        self.sleepers = Sleepers()
        writer = GroupCommitWriter if self.sqlite else PooledWriter
        self._writer: Writer = writer(self._writing, self.sleepers)
        self._scanners = ThreadPoolExecutor(readers, thread_name_prefix="scan")
        self._local = threading.local()
        self._readers: list[_Reader] = []
        self._guard = threading.Lock()
        self._quiet = threading.Condition(self._guard)
        self._looking = 0  # on pooled connections
        self._closed = False

    def write(self, work: Callable[[Connection], T]) -> Future[T]:
        """Run work in a transaction; the future's result comes after the commit, so it may be answered to a peer."""
        return self._writer.submit(work)

    def transact(self, work: Callable[[Connection], T]) -> T:
        """Run work in a transaction and wait for the commit. Not for the reactor's thread."""
        return self._writer.run(work)

    def read(self, work: Callable[[Connection], T]) -> T:
        """Run look-ups now, on an AUTOCOMMIT connection: this thread's own on SQLite, one of a pool on PostgreSQL.

        When the server dropped the connection (PostgreSQL was started anew) they run once more on a new one. Raises
        StoreFailed for what the database refuses.
        """
        try:
            return self._look_up(work)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise _refused(error) from error
        except SQLAlchemyError as error:
            raise _refused(error) from error
        try:
            return self._look_up(work)
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

    def changes_seen(self) -> int | None:
        """Give a number that is another one once anybody committed since this thread asked; None where none is told (PostgreSQL).

        For who looks again and again at what hardly ever changes: this is quicker than most looks.
        """
        return self.read(_data_version) if self.sqlite else None

    def _site_version(self, connection: Connection) -> int:
        if self.sqlite:
            seen = _data_version(connection)
            key = (threading.get_ident(), seen)
            if getattr(self._local, "data_version", None) == key:
                return int(self._local.site_version)
            number = int(connection.execute(_SITE_VERSION).scalar() or 0)
            self._local.data_version, self._local.site_version = key, number
            return number
        return int(connection.execute(_SITE_VERSION).scalar() or 0)

    def _look_up(self, work: Callable[[Connection], T]) -> T:
        if not self.sqlite:
            return self._look_up_pooled(work)
        reader = self._reader()
        with reader.lock:
            if self._closed:
                raise StoreClosed
            return work(reader.connection)

    def _look_up_pooled(self, work: Callable[[Connection], T]) -> T:
        with self._quiet:
            if self._closed:
                raise StoreClosed
            self._looking += 1
        try:
            with self._reading.connect() as connection:
                return work(connection)
        finally:
            with self._quiet:
                self._looking -= 1
                self._quiet.notify_all()

    def _reader(self) -> _Reader:
        reader: _Reader | None = getattr(self._local, "reader", None)
        if reader is None or reader.connection.closed or reader.connection.invalidated:
            reader = self._local.reader = self._new_reader(reader)
        return reader

    def _new_reader(self, old: _Reader | None) -> _Reader:
        """Give this thread a connection; close its old one, and those of threads that have ended."""
        if self._closed:
            raise StoreClosed
        reader = _Reader(threading.current_thread(), self._reading.connect())
        with self._guard:
            left = [it for it in self._readers if it is old or not it.thread.is_alive()]
            self._readers = [it for it in self._readers if it not in left]
            (left if self._closed else self._readers).append(reader)
        for it in left:
            it.close()
        return reader

    def close(self) -> None:
        """Commit what was submitted, let the look-ups end that have begun, and close every connection."""
        if self._closed:
            return
        self._closed = True
        self._writer.close()
        self._scanners.shutdown()
        with self._quiet:
            self._quiet.wait_for(lambda: self._looking == 0, LAST_READ_SECONDS)
            readers = list(self._readers)
        for reader in readers:
            reader.close()
        self._reading.dispose()
        self._writing.dispose()


def _data_version(connection: Connection) -> int:
    """Read SQLite's count of what other connections committed: past SQLAlchemy, for it is asked before each image and call."""
    driver: Any = connection.connection.driver_connection
    return int(driver.execute(_DATA_VERSION).fetchone()[0])


def _rows(result: CursorResult[Any]) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in result] if result.returns_rows else []


def _refused(error: SQLAlchemyError) -> StoreFailed:
    return StoreFailed(f"The database refused to be read: {refusal(error)}")


def bump_site_version(connection: Connection) -> None:
    """Tell every cache of site data, in every process, that it is stale once this transaction commits."""
    connection.execute(_BUMP)
