"""Tables as they are copied from one database to another: read of one moment, in parts, numbered on in the copy."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, func, select, text
from sqlalchemy.exc import SQLAlchemyError

from fileman.errors import FileManError

#: Rows that are read at a time.
ROWS = 1000

_ONE_MOMENT = {"sqlite": "BEGIN", "postgresql": "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"}
_SERIAL = text("SELECT pg_get_serial_sequence(:table, :column)")


#: Bytes of a row's digest. Sums of digests are kept to the same size.
_DIGEST_BYTES = 16


@dataclass(slots=True)
class Tally:
    """What is counted of a table's rows: the same for the same rows in any order, in either engine.

    The checksum is the sum of the rows' digests, so a row that stands twice counts twice. A row is its values in the order
    of the table's columns, as Python writes them.
    """

    rows: int = 0
    _sum: int = 0

    def add(self, row: tuple[Any, ...]) -> None:
        """Count a row."""
        digest = hashlib.blake2b(repr(row).encode(), digest_size=_DIGEST_BYTES).digest()
        self.rows += 1
        self._sum += int.from_bytes(digest, "big")

    @property
    def checksum(self) -> str:
        """Write the checksum of the rows that were counted."""
        return (self._sum % (1 << 8 * _DIGEST_BYTES)).to_bytes(_DIGEST_BYTES, "big").hex()


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


def parts(connection: Connection, table: Table, query: Select[*tuple[Any, ...]]) -> Iterator[Sequence[Row[*tuple[Any, ...]]]]:
    """Give a query's rows of a table, some at a time. Raises UnreadableTable."""
    try:
        with contextlib.closing(connection.execute(query.execution_options(yield_per=ROWS))) as found:
            yield from found.partitions()
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
