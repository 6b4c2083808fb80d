"""Database engines, set up the way the store needs them."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, InvalidatePoolError, NoSuchModuleError
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from fileman.errors import StoreFailed

#: Milliseconds that a SQLite connection waits for another's lock.
BUSY_TIMEOUT_MS = 5000
#: The same for maintenance, which holds writers up while it waits for readers and is better done another time then.
MAINTENANCE_TIMEOUT_MS = 250
#: Seconds after which a pooled connection to PostgreSQL is asked whether it lives.
REST_SECONDS = 1.0
#: Connections to PostgreSQL that one process reads with.
READERS = 6
#: What keeps a reader's connection from writing by mistake.
SQLITE_READER = (f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}", "PRAGMA query_only=ON")
POSTGRESQL_READER = ("SET default_transaction_read_only = on",)


def is_sqlite(url: str) -> bool:
    """Tell whether a database URL names a SQLite file. Raises StoreFailed for what is no URL."""
    return database_address(url).get_backend_name() == "sqlite"


def database_address(url: str) -> URL:
    """Take a database URL apart; StoreFailed names what is expected, without repeating a password."""
    try:
        address = make_url(url)
        address.get_dialect()
    except (ArgumentError, NoSuchModuleError, ImportError):
        raise StoreFailed(
            "The database's URL is neither sqlite:///FILE nor postgresql+psycopg://USER:PASSWORD@HOST/DATABASE."
        ) from None  # its text holds the URL, password included
    if address.get_backend_name() == "sqlite" and address.database in (None, "", ":memory:"):
        raise StoreFailed("A SQLite database has to be a file: its readers and its writer are connections of their own.")
    return address


def sqlite_file(url: str) -> Path | None:
    """Give the file of a SQLite database; None for another engine's. Raises StoreFailed for what is no URL."""
    address = database_address(url)
    return Path(address.database or "") if address.get_backend_name() == "sqlite" else None


def untouched(file: Path) -> str:
    """Give the URI by which a SQLite file is read and left as it is.

    What a killed process left in the file's log is read and not folded in; a reader that could not fold would leave a log of
    its own where there is none.
    """
    log = file.with_name(file.name + "-wal")
    return f"file:{quote(str(file.resolve()))}?mode={'ro' if log.exists() else 'rw'}"


def untouched_url(file: Path) -> str:
    """Give the same as a database URL."""
    path, _, mode = untouched(file).partition("?mode=")
    return URL.create("sqlite", database=path, query={"mode": mode, "uri": "true"}).render_as_string()


def _pragmas(synchronous: str, foreign_keys: bool) -> tuple[str, ...]:
    return (
        f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}",
        "PRAGMA journal_mode=WAL",
        f"PRAGMA synchronous={synchronous}",
        f"PRAGMA foreign_keys={'ON' if foreign_keys else 'OFF'}",
        "PRAGMA temp_store=MEMORY",
        "PRAGMA cache_size=-65536",
    )


def writing_engine(url: str, synchronous: str = "FULL", *, foreign_keys: bool = True, pool_size: int = 8) -> Engine:
    """Make the engine of writers: on SQLite every transaction is BEGIN IMMEDIATE, so that it never fails half-way for a lock."""
    if not is_sqlite(url):
        engine = create_engine(url, pool_size=pool_size, max_overflow=2, hide_parameters=True)
        _ask_after_a_rest(engine)
        return engine
    engine = create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args={"check_same_thread": False})
    statements = _pragmas(synchronous, foreign_keys)

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # transactions are begun by hand, below
        for statement in statements:
            connection.execute(statement)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def maintaining_engine(url: str) -> Engine:
    """Make the engine of what no transaction can hold (checkpoints, statistics): AUTOCOMMIT, and soon tired of waiting.

    It may write: it is no reader, and beside the one writer of SQLite it takes its lock for moments only.
    """
    engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool, hide_parameters=True)
    if is_sqlite(url):

        @event.listens_for(engine, "connect")
        def prepare(connection: Any, _record: Any) -> None:
            connection.execute(f"PRAGMA busy_timeout={MAINTENANCE_TIMEOUT_MS}")

    return engine


def _ask_after_a_rest(engine: Engine) -> None:
    """Let a connection that nobody used for a while prove that it lives before somebody gets it; otherwise a new one is made."""

    @event.listens_for(engine, "checkin")
    def note(_connection: Any, record: ConnectionPoolEntry) -> None:
        record.info["used_at"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def ask(connection: Any, record: ConnectionPoolEntry, _proxy: Any) -> None:
        if time.monotonic() - record.info.get("used_at", 0.0) < REST_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError from error


def reading_engine(url: str) -> Engine:
    """Make the engine of readers: AUTOCOMMIT, because a kept transaction goes stale and pins the write-ahead log.

    On SQLite nothing is pooled: the store keeps one connection per thread for as long as the thread lives. A PostgreSQL server
    has few connections to give, and a worker many threads: they share READERS, and as many again for a moment.
    """
    common: dict[str, Any] = {"isolation_level": "AUTOCOMMIT", "hide_parameters": True}
    sqlite = is_sqlite(url)
    if sqlite:
        engine = create_engine(url, poolclass=NullPool, connect_args={"check_same_thread": False}, **common)
    else:
        engine = create_engine(url, pool_size=READERS, max_overflow=READERS, **common)
        _ask_after_a_rest(engine)
    readers_only = SQLITE_READER if sqlite else POSTGRESQL_READER

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        for statement in readers_only:
            connection.execute(statement)
        connection.commit()

    return engine
