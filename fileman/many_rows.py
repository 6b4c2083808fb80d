"""INSERTs that often take many rows: their text is made once, and their values go to the driver with little work on each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, insert
from sqlalchemy.sql.dml import Insert

from fileman.files.base import File

T = TypeVar("T")


#: Entries that one statement takes where nobody says otherwise: databases bound its parameters.
AT_ONCE = 500


def in_parts(entries: Sequence[T], most: int = AT_ONCE) -> Iterator[Sequence[T]]:
    """Part entries into what one statement takes."""
    return (entries[begin : begin + most] for begin in range(0, len(entries), most))


@dataclass(frozen=True, slots=True)
class _Text:
    """A statement for one engine and some columns: the order of its values where they have one, what every row gets besides
    its own, and what makes a row's values the driver's.
    """

    sql: str
    names: Sequence[str]
    positional: bool
    same: Mapping[str, object]
    converted: Sequence[tuple[str, Callable[[Any], Any]]]

    def values(self, row: Mapping[str, object]) -> tuple[object, ...] | dict[str, object]:
        full = {**self.same, **row}
        for name, convert in self.converted:
            full[name] = convert(full[name])
        return tuple([full[name] for name in self.names]) if self.positional else full


class ManyRows:
    """An INSERT of rows that have the same columns; those that are left out get their defaults.

    `statement` is a file, or an INSERT for each engine, by the names of SQLAlchemy's dialects (see `upserts`).
    """

    def __init__(self, statement: type[File] | Insert | Mapping[str, Insert]) -> None:
        self._statement = insert(statement) if isinstance(statement, type) else statement
        self._texts: dict[tuple[str, ...], _Text] = {}

    def write(self, connection: Connection, rows: Sequence[Mapping[str, object]]) -> None:
        """Insert rows. Raises what SQLAlchemy does for values that the database refuses, and ValueError for unlike rows.

        A value that is not of its column's kind at all raises what making it the driver's raises: TypeError, ValueError.
        """
        if not rows:
            return
        key = (connection.dialect.name, *rows[0])
        text = self._texts.get(key)
        if text is None:
            text = self._texts[key] = self._text(connection, rows[0])
        columns = rows[0].keys()
        if any(row.keys() != columns for row in rows):
            raise ValueError("Rows that are written together have the same columns")
        connection.exec_driver_sql(text.sql, [text.values(row) for row in rows])

    def _text(self, connection: Connection, columns: Mapping[str, object]) -> _Text:
        dialect = connection.dialect
        statement = self._statement if isinstance(self._statement, Insert) else self._statement[dialect.name]
        compiled: Any = statement.compile(
            dialect=dialect, column_keys=list(columns), for_executemany=True, compile_kwargs={"render_postcompile": True}
        )
        same = {**compiled.params, **{column.key: _default(column) for column in compiled.insert_prefetch}}
        types = {name: it.type.dialect_impl(dialect) for it, name in compiled.bind_names.items()}
        convert = {name: made for name, it in types.items() if (made := it.bind_processor(dialect)) is not None}
        return _Text(
            str(compiled),
            compiled.positiontup or (),
            compiled.positional,
            {name: convert.get(name, _as_it_is)(value) for name, value in same.items() if name not in columns},
            [(name, made) for name, made in convert.items() if name in columns],
        )


def _as_it_is(value: object) -> object:
    return value


def _default(column: Any) -> object:
    if not column.default.is_scalar:
        raise TypeError(f"The default of {column} is made anew for each row, which ManyRows does not do")
    return column.default.arg
