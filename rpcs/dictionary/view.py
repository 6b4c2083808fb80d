"""A FileMan file as a view of a table: its fields, and the nodes in which VistA keeps them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, bindparam, select

from fileman.files import File
from rpcs.call import Call

Row = Mapping[str, Any]
External = Callable[[Call, Row, str], str]
Nodes = dict[tuple[str, ...], str]


@dataclass(frozen=True, slots=True)
class Field:
    """A field: `node` is subscript and piece as a data dictionary has them, `0;1`; `external` gives the value in words."""

    number: str
    label: str
    node: str
    column: str
    external: External | None = None

    def internal(self, row: Row) -> str:
        """Give the stored value as FileMan keeps it; a number 0 is no pointer, so nothing."""
        value = row[self.column]
        if isinstance(value, bool):
            return str(int(value))
        return str(value) if value not in (None, 0) else ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a file, as it was when it was read."""

    view: FileView
    row: Row

    def values(self, call: Call, found: Field) -> tuple[str, str]:
        """Give a field's value as it is stored and in words."""
        internal = found.internal(self.row)
        if not internal or found.external is None:
            return internal, internal
        return internal, found.external(call, self.row, internal)

    def nodes(self) -> Nodes:
        """Give the entry's nodes, subscripts below the entry's own, as VistA stores them."""
        pieces: dict[str, dict[int, str]] = {}
        for one in self.view.fields:
            subscript, _, piece = one.node.partition(";")
            pieces.setdefault(subscript, {})[int(piece)] = one.internal(self.row)
        found: Nodes = {}
        for subscript, values in pieces.items():
            text = "^".join(values.get(number, "") for number in range(1, max(values) + 1)).rstrip("^")
            if text or subscript == "0":
                found[(subscript,)] = text
        return found


@dataclass(frozen=True, slots=True)
class FileView:
    """A file that may be read: `root` is its global, `more` adds the nodes of its multiples."""

    number: str
    name: str
    root: tuple[str, str]
    table: type[File]
    key: ColumnElement[Any]
    fields: tuple[Field, ...]
    more: Callable[[Call, int], Nodes] | None = None
    _by_key: Any = field(init=False, repr=False, compare=False)
    _after: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Build the two statements that read it, once."""
        columns = sorted({one.column for one in self.fields})
        query = select(*(getattr(self.table, column) for column in columns))
        object.__setattr__(self, "_by_key", query.where(self.key == bindparam("ien")))
        after = select(self.key).where(self.key > bindparam("after")).order_by(self.key).limit(bindparam("count"))
        object.__setattr__(self, "_after", after)

    def entry(self, call: Call, ien: int) -> Entry | None:
        """Read an entry; None when there is none."""
        row = call.connection.execute(self._by_key, {"ien": ien}).mappings().first()
        return None if row is None else Entry(self, dict(row))

    def numbers(self, call: Call, after: int, count: int) -> list[int]:
        """Give the numbers of so many entries after one, in order."""
        return list(call.connection.execute(self._after, {"after": after, "count": count}).scalars())

    def field(self, name: str) -> Field | None:
        """Find a field by its number or its label."""
        wanted = name.strip().upper()
        number = wanted.lstrip("0") if wanted.startswith("0.") else wanted
        return next((one for one in self.fields if one.number == number or one.label == wanted), None)
