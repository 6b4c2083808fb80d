"""Writing nodes of VistA's globals as a dump shows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, Table, select

from fileman import SiteKey
from fileman.files import File
from fileman.numbers import last_numbers
from xwb import m_number, m_text

Entry = Row[tuple[Any, ...]]


def shown(value: object) -> str:
    """Write a value or a subscript as M does: a number bare, any other text in quotes."""
    text = "" if value is None else str(value)
    if text and m_text(m_number(text)) == text:
        return text
    return '"' + text.replace('"', '""') + '"'


@dataclass
class Nodes:
    """Nodes by their names, as M writes both; and of which dump, by which key and tasks' numbers they are rendered."""

    dump: str = ""
    key: SiteKey | None = None
    tasks: Mapping[int, str] = field(default_factory=dict)  # a task's number, and that of the recorded one
    values: dict[str, str] = field(default_factory=dict)

    def put(self, name: str, *subscripts: object, value: object = "") -> None:
        """Set a node of a global, `^MAG` or `^RARPT`."""
        self.values[f"{name}({','.join(map(shown, subscripts))})"] = shown(value)

    def lines(self) -> set[str]:
        """Give the nodes as lines of a dump."""
        return {f"{name}={value}" for name, value in self.values.items()}


Renderer = Callable[[Connection, Nodes], None]


def pieces(*values: object, strip: bool = True) -> str:
    """Join the pieces of a node; FileMan sets none after the last that has a value."""
    text = "^".join("" if value is None else str(value) for value in values)
    return text.rstrip("^") if strip else text


def rows_of(connection: Connection, file: type[File], *order: str) -> Sequence[Entry]:
    """Read a whole file."""
    table = file.__table__
    assert isinstance(table, Table)
    return connection.execute(select(table).order_by(*(table.c[name] for name in order or ("ien",)))).all()


def header(nodes: Nodes, name: str, file: str, title: str, last: object, count: int) -> None:
    """Set the zero node of a file."""
    nodes.put(name, *((file,) if file else ()), 0, value=f"{title}^{last or ''}^{count}")


def last_ien(connection: Connection, file: str) -> int:
    """Give the last number that a file gave."""
    return last_numbers(connection, [file]).get(file, 0)


def inverse(date: str) -> str:
    """Give the number by which FileMan sorts the newest date first."""
    return m_text(m_number("9999999.9999") - m_number(date))
