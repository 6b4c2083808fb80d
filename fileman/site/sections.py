"""How a table of the site file comes out of a file of the database, and rows into it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, Table, delete, insert, select

from fileman.files import File
from fileman.secrets import SiteKey
from fileman.site.rows import Row

Columns = dict[str, object]
#: What a table shows besides an entry's own columns.
Shown = Callable[[Columns], Columns]


def _nothing(_connection: Connection) -> Shown:
    return lambda _columns: {}


def _all(_columns: Columns) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Section:
    """A table of the site file: its name there, the file, the rows' model, and by which column entries are ordered.

    `more` reads what entries show besides their columns. `renamed` are columns that have another name as keys; `left_out` are no
    part of a site file: what happened since, and numbers that come from the order. Entries that are not `wanted` are none, too.
    """

    name: str
    file: type[File]
    model: type[Row]
    order: str = "ien"
    more: Callable[[Connection], Shown] = _nothing
    renamed: Mapping[str, str] = field(default_factory=dict)
    left_out: frozenset[str] = frozenset()
    wanted: Callable[[Columns], bool] = _all

    def contents(self, connection: Connection) -> Iterable[Columns]:
        """Read the entries as the site file has them."""
        more = self.more(connection)
        for row in _rows(connection, self.file, self.order):
            if self.wanted(row):
                own = {self.renamed.get(key, key): value for key, value in row.items() if key not in self.left_out}
                yield own | more(row)


def _rows(connection: Connection, file: type[File], order: str) -> Iterable[Columns]:
    table = file.__table__
    if not isinstance(table, Table):
        raise TypeError(f"{file.__name__} is no table")
    ordered = select(table).order_by(table.c[order], *table.primary_key.columns)
    return [dict(row) for row in connection.execute(ordered).mappings()]


def always(shown: Shown) -> Callable[[Connection], Shown]:
    """Show what an entry's columns say, without reading more."""
    return lambda _connection: shown


def split(name: str, kind: Callable[[str], object] = str) -> Callable[[Connection], Shown]:
    """Show a column that holds a list, its items apart by commas."""
    return always(lambda row: {name: [kind(item) for item in str(row[name]).split(",") if item]})


def joined(row: Columns) -> Columns:
    """Put lists into columns, their items apart by commas."""
    return {name: ",".join(map(str, value)) if isinstance(value, tuple) else value for name, value in row.items()}


def multiple(connection: Connection, file: type[File]) -> dict[object, list[object]]:
    """Read a multiple: its owner comes first; its value is the column that is neither that nor `position` nor a `key` of it."""
    columns = {column.name: column for column in file.__table__.columns}
    position = columns.pop("position")
    owner = columns.pop("duz" if "duz" in columns else "option")
    value = next(iter(columns.values()))
    found: dict[object, list[object]] = {}
    for parent, item in connection.execute(select(owner, value).order_by(owner, position)):
        found.setdefault(parent, []).append(item)
    return found


def fill(connection: Connection, file: type[File], rows: list[Columns]) -> None:
    """Put rows into a file."""
    if rows:
        connection.execute(insert(file), rows)


def empty(connection: Connection, files: Iterable[type[File]]) -> None:
    """Take everything out of files, in their order: children before parents."""
    for file in files:
        connection.execute(delete(file))


def encipher(row: Columns, name: str, key: SiteKey) -> None:
    """Put a secret into its column: the clear one enciphered, or the enciphered one when this key opens it."""
    enciphered = str(row.pop(f"{name}_enciphered"))
    clear = str(row[name])
    key.decipher(enciphered)
    row[name] = key.encipher(clear) if clear else enciphered
