"""A FileMan file as a view of a table: its fields, and the nodes in which VistA keeps them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Integer, Select, String, bindparam, cast, delete, select, tuple_, update

from fileman import beginning, begins
from fileman.files import File
from rpcs.call import Call
from xwb import m_number, m_text

Row = Mapping[str, Any]
External = Callable[[Call, Row, str], str]
Accept = Callable[[str], object]
Nodes = dict[tuple[str, ...], str]
#: Most entries that one call lists.
MOST = 1000
#: The subscript below an entry at which `more` has its nodes.
MULTIPLE = "1"
#: What stands behind a name before the next one: no name holds a character before this.
_AFTER_NAME = "\x01"
_NUMBER = re.compile(r"\d+\.?\d*|\.\d+")


@dataclass(frozen=True, slots=True)
class Field:
    """A field: `node` is subscript and piece as a data dictionary has them, `0;1`; `external` gives the value in words.

    `accept` turns what a caller writes into the column's value, or raises NotAccepted; a field without it is read only.
    """

    number: str
    label: str
    node: str
    column: str
    external: External | None = None
    accept: Accept | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a file, as it was when it was read."""

    view: FileView
    row: Row

    @property
    def ien(self) -> int:
        """Its internal entry number."""
        return int(self.row["ien"])

    def internal(self, found: Field) -> str:
        """Give a field's value as FileMan stores it; a number 0 is no pointer, so nothing."""
        value = self.row[found.column]
        if isinstance(value, bool):
            return str(int(value))
        return str(value) if value not in (None, 0) else ""

    def values(self, call: Call, found: Field) -> tuple[str, str]:
        """Give a field's value as it is stored and in words."""
        internal = self.internal(found)
        if not internal or found.external is None:
            return internal, internal
        return internal, found.external(call, self.row, internal)

    def nodes(self) -> Nodes:
        """Give the entry's nodes, subscripts below the entry's own, as VistA stores them."""
        pieces: dict[str, dict[int, str]] = {}
        for one in self.view.fields:
            subscript, _, piece = one.node.partition(";")
            pieces.setdefault(subscript, {})[int(piece)] = self.internal(one)
        found: Nodes = {}
        for subscript, values in pieces.items():
            text = "^".join(values.get(number, "") for number in range(1, max(values) + 1)).rstrip("^")
            if text or subscript == "0":
                found[(subscript,)] = text
        return found


@dataclass(frozen=True, slots=True)
class FileView:
    """A file that may be read; its .01 field comes first.

    `root` is its global, `more` adds the nodes of its multiples. Rows for which `there` does not hold are no entries. An entry
    of a file that is `deletable` may be deleted.
    """

    number: str
    name: str
    root: tuple[str, str]
    table: type[File]
    key: ColumnElement[Any]
    fields: tuple[Field, ...]
    more: Callable[[Call, int], Nodes] | None = None
    there: ColumnElement[bool] | None = None
    deletable: bool = False
    _by_key: Any = field(init=False, repr=False, compare=False)
    _after: Any = field(init=False, repr=False, compare=False)
    _by_name: Any = field(init=False, repr=False, compare=False)
    _from_behind: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Build the statements that read it, once."""
        columns = sorted({one.column for one in self.fields})
        query = self._entries(select(self.key.label("ien"), *(getattr(self.table, column) for column in columns)))
        object.__setattr__(self, "_by_key", query.where(self.key == bindparam("key_")))
        after = query.where(self.key > bindparam("after")).order_by(self.key).limit(bindparam("count"))
        object.__setattr__(self, "_after", after)
        name = getattr(self.table, self.fields[0].column)
        if not isinstance(name.type, String):
            name = cast(name, String)  # of places, which are few: no index holds the digits
        named = query.where(begins(name)).limit(bindparam("most"))
        place = tuple_(name, self.key)
        since = tuple_(bindparam("since_name", type_=String), bindparam("since_key", type_=Integer))
        object.__setattr__(self, "_by_name", named.where(place > since).order_by(name, self.key))
        before = named.where((bindparam("since_name", type_=String) == "") | (place < since))
        object.__setattr__(self, "_from_behind", before.order_by(name.desc(), self.key.desc()))

    def _entries(self, query: Select[Any]) -> Select[Any]:
        return query if self.there is None else query.where(self.there)

    def entry(self, call: Call, ien: int) -> Entry | None:
        """Read an entry; None when there is none."""
        row = call.connection.execute(self._by_key, {"key_": ien}).mappings().first()
        return None if row is None else Entry(self, dict(row))

    @property
    def before(self) -> tuple[str, ...]:
        """The subscripts before those of its entries."""
        return tuple(part for part in self.root[1:] if part)

    @property
    def subscripts(self) -> set[str]:
        """The first subscripts that may stand below an entry's own."""
        own = {one.node.partition(";")[0] for one in self.fields}
        return own | {MULTIPLE} if self.more is not None else own

    def entries(self, call: Call, after: int, count: int) -> list[Entry]:
        """Give so many entries after one, in the order of their numbers."""
        rows = call.connection.execute(self._after, {"after": after, "count": count}).mappings()
        return [Entry(self, dict(row)) for row in rows]

    def named(
        self, call: Call, text: str, most: int, since: tuple[str, int] = ("", 0), *, backwards: bool = False
    ) -> list[Entry]:
        """Give entries whose .01 begins with a text, in order of it (cross-reference B), after a name and an entry of it."""
        names = beginning(text)
        if since[0] and backwards:
            names["behind"] = min(names["behind"], since[0] + _AFTER_NAME)
        elif not backwards:
            names["beginning"] = max(names["beginning"], since[0])
        asked = {**names, "most": min(most, MOST + 1)}
        place = {"since_name": since[0], "since_key": since[1]}
        rows = call.connection.execute(self._from_behind if backwards else self._by_name, {**asked, **place}).mappings()
        return [Entry(self, dict(row)) for row in rows]

    def field(self, name: str) -> Field | None:
        """Find a field by its number or its label."""
        wanted = name.strip().upper()
        number = m_text(m_number(wanted)) if _NUMBER.fullmatch(wanted) else wanted
        return next((one for one in self.fields if number in (one.number, one.label)), None)

    def change(self, call: Call, ien: int, values: Mapping[str, object]) -> bool:
        """Set columns of an entry; False when there is none."""
        return call.connection.execute(update(self.table).where(self.key == ien).values(**values)).rowcount == 1

    def remove(self, call: Call, ien: int) -> bool:
        """Delete an entry; False when there is none."""
        return call.connection.execute(delete(self.table).where(self.key == ien)).rowcount == 1
