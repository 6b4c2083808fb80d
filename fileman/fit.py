"""Rows as SQLite keeps them, fitted to columns that PostgreSQL holds to their types.

SQLite keeps any value in any column: text that is too long or no Unicode, NUL characters, numbers of 64 bits, a word where a
number belongs. Nothing is bent to fit: what does not is a Misfit, which a person has to mend.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Float, Integer, LargeBinary, SmallInteger, String, Table
from sqlalchemy.types import TypeEngine

from fileman.errors import FileManError

Fit = Callable[[Any], Any]

#: Characters of a key that a message shows of each column.
_SHOWN = 80
_KINDS = {type(None): "nothing", int: "an integer", float: "a fraction", str: "text", bytes: "bytes"}


class Misfit(FileManError):
    """PostgreSQL does not take a value that SQLite keeps."""

    def __init__(self, table: str, key: str, column: str, why: str) -> None:
        self.table = table
        self.key = key
        self.column = column
        self.why = why
        super().__init__(f"{table}, {key}: {column} holds {why}")


class _Unfit(Exception):
    """Says what a column holds; its value stays unsaid, since it may be a patient's."""


def decode(raw: bytes) -> str:
    """Decode SQLite's text, for `text_factory`; bytes that are no UTF-8 become surrogates, which fit nowhere."""
    return raw.decode("utf-8", "surrogateescape")


def _kind(value: object) -> str:
    return _KINDS.get(type(value), "something")


def _integer(bits: int) -> Fit:
    limit = 1 << (bits - 1)

    def fit(value: Any) -> Any:
        if type(value) is not int:
            raise _Unfit(f"{_kind(value)} where an integer belongs")
        if not -limit <= value < limit:
            raise _Unfit(f"a number that {bits} bits do not hold")
        return value

    return fit


def _boolean(value: Any) -> Any:
    if type(value) is int and value in (0, 1):
        return value == 1
    raise _Unfit(f"{_kind(value)} where 0 or 1 belongs")


def _float(value: Any) -> Any:
    if type(value) is not float:
        raise _Unfit(f"{_kind(value)} where a number belongs")
    return value


def _bytes(value: Any) -> Any:
    if type(value) is not bytes:
        raise _Unfit(f"{_kind(value)} where bytes belong")
    return value


def _text(length: int | None) -> Fit:
    def fit(value: Any) -> Any:
        if type(value) is not str:
            raise _Unfit(f"{_kind(value)} where text belongs")
        if "\0" in value:
            raise _Unfit("a NUL character")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise _Unfit("text that is no Unicode (bytes that are no UTF-8, or halves of surrogate pairs)") from None
        if length is not None and len(value) > length:
            raise _Unfit(f"{len(value)} characters where {length} have room")
        return value

    return fit


#: The first type that a column's is one of counts.
_FITS: tuple[tuple[type[TypeEngine[Any]], Callable[[Any], Fit]], ...] = (
    (Boolean, lambda _type: _boolean),
    (SmallInteger, lambda _type: _integer(16)),
    (BigInteger, lambda _type: _integer(64)),
    (Integer, lambda _type: _integer(32)),
    (Float, lambda _type: _float),
    (String, lambda type_: _text(type_.length)),
    (LargeBinary, lambda _type: _bytes),
)


def _fit_of(column: Column[Any]) -> Fit:
    make = next((make for kind, make in _FITS if isinstance(column.type, kind)), None)
    if make is None:
        raise TypeError(f"it is not said what of SQLite's fits {column.table.name}.{column.name}, {column.type!r}")
    fit = make(column.type)
    return (lambda value: None if value is None else fit(value)) if column.nullable else fit


@dataclass(frozen=True, slots=True)
class TableFit:
    """Fits rows of one table, which hold every column in the table's order."""

    table: Table
    _fits: tuple[Fit, ...]

    @classmethod
    def of(cls, table: Table) -> TableFit:
        """Build the fits of a table's columns. Raises TypeError for a type that nothing is known about."""
        return cls(table, tuple(_fit_of(column) for column in table.columns))

    def fitted(self, row: Sequence[Any]) -> tuple[Any, ...]:
        """Give a row as PostgreSQL takes it. Raises Misfit for the first value that it would refuse."""
        try:
            return tuple([fit(value) for fit, value in zip(self._fits, row, strict=True)])
        except _Unfit:
            raise self._misfit(row) from None

    def _misfit(self, row: Sequence[Any]) -> Misfit:
        for column, fit, value in zip(self.table.columns, self._fits, row, strict=True):
            try:
                fit(value)
            except _Unfit as unfit:
                return Misfit(self.table.name, self._key(row), column.name, str(unfit))
        raise AssertionError("a row is unfit and each of its values fits")

    def _key(self, row: Sequence[Any]) -> str:
        pairs = zip(self.table.columns, row, strict=True)
        return ", ".join(f"{column.name} {value!r:.{_SHOWN}}" for column, value in pairs if column.primary_key)
