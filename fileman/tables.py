"""Tables as they are copied from one database to another: read of one moment, in parts, numbered on in the copy."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, func, select, text
from sqlalchemy.exc import SQLAlchemyError

from fileman.errors import FileManError

#: Rows that are read at a time.
ROWS = 1000

_ONE_MOMENT = {"sqlite": "BEGIN", "postgresql": "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"}
_SERIAL = text("SELECT pg_get_serial_sequence(:table, :column)")


class UnreadableTable(FileManError):
    """Rows of a table cannot be read."""


@contextlib.contextmanager
def one_moment(connection: Connection) -> Iterator[None]:
    """Let an AUTOCOMMIT connection see the state of one moment; whoever writes is not held up."""
    connection.exec_driver_sql(_ONE_MOMENT[connection.dialect.name])
    try:
        yield
    finally:
        connection.exec_driver_sql("ROLLBACK")


def parts(connection: Connection, table: Table, query: Select[Any]) -> Iterator[Sequence[Row[Any]]]:
    """Give a query's rows of a table, some at a time. Raises UnreadableTable."""
    try:
        yield from connection.execute(query.execution_options(yield_per=ROWS)).partitions()
    except (SQLAlchemyError, ValueError) as error:
        raise UnreadableTable(f"Rows of {table.name} cannot be read ({type(error).__name__}).") from error


def serial_sequence(connection: Connection, table: Table) -> str | None:
    """Name the sequence from which PostgreSQL numbers a table's rows by itself; None where rows bring their numbers along."""
    column = table.autoincrement_column
    if column is None or connection.dialect.name == "sqlite":
        return None
    name: str | None = connection.execute(_SERIAL, {"table": table.name, "column": column.name}).scalar()
    return name


def highest_number(connection: Connection, table: Table) -> int:
    """Give the highest number of a table whose rows the database numbers by itself; 0 without rows."""
    return int(connection.execute(select(func.max(table.autoincrement_column))).scalar() or 0)


def count_on(connection: Connection, table: Table) -> None:
    """Let PostgreSQL number new rows after those that were copied; SQLite does so by itself."""
    if (sequence := serial_sequence(connection, table)) is not None:
        connection.execute(text(f"ALTER SEQUENCE {sequence} RESTART WITH {highest_number(connection, table) + 1}"))
