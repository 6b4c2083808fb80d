"""Invented rows for any table, by its columns' types: to fill databases of past and present versions."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Boolean, Column, Connection, Float, Integer, String, Table, func, insert, select

Row = dict[str, object]


def invented_rows(table: Table, count: int = 3) -> list[Row]:
    """Invent rows numbered from 1, so that a pointer finds the entry of its own number."""
    return [{column.name: _value(column, number) for column in table.columns} for number in range(1, count + 1)]


def _value(column: Column[object], number: int) -> object:
    match column.type:
        case Boolean():
            return number % 2 == 0
        case Integer():
            return number
        case Float():
            return number * 1.5
        case String() as text:
            return f"{column.name} {number}"[: text.length]
    raise TypeError(f"no value is invented for {column.type!r}")


def fill(connection: Connection, tables: Iterable[Table], count: int = 3) -> None:
    """Put invented rows into tables, parents before children, in place of what is there."""
    ordered = list(tables)
    for table in reversed(ordered):
        connection.execute(table.delete())
    for table in ordered:
        connection.execute(insert(table), invented_rows(table, count))


def counts(connection: Connection, tables: Iterable[Table]) -> dict[str, int]:
    """Count the rows of each table."""
    return {table.name: connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables}
