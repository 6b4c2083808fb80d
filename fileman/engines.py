"""Database engines, set up the way the store needs them."""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

#: Milliseconds that a SQLite connection waits for another's lock.
BUSY_TIMEOUT_MS = 5000


def is_sqlite(url: str) -> bool:
    """Tell whether a database URL names a SQLite file."""
    return make_url(url).get_backend_name() == "sqlite"


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
        return create_engine(url, pool_size=pool_size, max_overflow=2, pool_pre_ping=True)
    engine = create_engine(url, poolclass=NullPool, connect_args={"check_same_thread": False})
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


def reading_engine(url: str, *, pool_size: int = 8) -> Engine:
    """Make the engine of readers: AUTOCOMMIT, because a kept transaction goes stale and pins the write-ahead log."""
    if not is_sqlite(url):
        return create_engine(url, isolation_level="AUTOCOMMIT", pool_size=pool_size, max_overflow=8, pool_pre_ping=True)
    engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool, connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: Any) -> None:
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        connection.execute("PRAGMA query_only=ON")

    return engine
