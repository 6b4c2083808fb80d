"""INSERTs that say what to do about a row that is there; each database engine has a statement of its own for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from fileman.files.base import File

Insert: TypeAlias = sqlite.Insert | postgresql.Insert

_MAKERS: dict[str, Callable[[type[File]], Insert]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def insert_into(connection: Connection, file: type[File]) -> Insert:
    """Begin an INSERT for the engine of a connection."""
    return _MAKERS[connection.dialect.name](file)


def upserts(file: type[File], finish: Callable[[Insert], Insert]) -> dict[str, Insert]:
    """Make a statement once per engine, for what is executed often; the keys are the names of SQLAlchemy's dialects."""
    return {name: finish(make(file)) for name, make in _MAKERS.items()}
