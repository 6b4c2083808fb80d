"""Texts that begin with another text, as a range that an index of the bare column finds on both engines.

Both order texts by their bytes: SQLite does, and on PostgreSQL every column of text collates as "C".
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam

_LAST, _SURROGATES, _BEHIND_SURROGATES = 0x10FFFF, 0xD800, 0xE000


def begins(column: Any) -> ColumnElement[bool]:
    """Say that a column of text begins with what `beginning` gives the parameters for."""
    return and_(column >= bindparam("beginning"), column < bindparam("behind"))


def beginning(text: str) -> dict[str, str]:
    """Give the parameters of `begins`."""
    return {"beginning": text, "behind": behind(text)}


def behind(text: str) -> str:
    """Give the first text after all that begin with one."""
    kept = text.rstrip(chr(_LAST))
    if not kept:
        return chr(_LAST) * (len(text) + 1)
    following = ord(kept[-1]) + 1
    return kept[:-1] + chr(_BEHIND_SURROGATES if following == _SURROGATES else following)
