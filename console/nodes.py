"""Nodes of a list parameter as people write them: KEY=VALUE, the key as VistA writes subscripts, or without its quotes."""

from __future__ import annotations

from console.errors import WrongUsage
from xwb import first_expression

Node = tuple[tuple[str, ...], str]


def node_of(entry: str) -> Node:
    """Read `1=a`, `"TEXT",1=a` or `TEXT,1=a`: subscripts and value. Raises WrongUsage."""
    key = first_expression(entry, "=")
    subscripts = tuple(_subscripts(key))
    if len(key) == len(entry) or not all(subscripts):
        raise WrongUsage(f"{entry!r} is not written as KEY=VALUE.")
    return subscripts, entry[len(key) + 1 :]


def string_of(text: str) -> str:
    """Give what an M string in quotes stands for; a text without quotes stands for itself."""
    return text[1:-1].replace('""', '"') if len(text) > 1 and text.startswith('"') and text.endswith('"') else text


def _subscripts(key: str) -> list[str]:
    found, place = [], 0
    while place <= len(key):
        part = first_expression(key, ",", place)
        found.append(string_of(part))
        place += len(part) + 1
    return found
