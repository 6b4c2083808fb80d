"""Every statement that a piece of work executes on SQLite, with the plan that SQLite makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event

from fileman import Store


class Statements:
    """Statements seen, each once, with the parameters of the first time."""

    def __init__(self) -> None:
        self.seen: dict[str, Any] = {}

    def plans(self, store: Store) -> dict[str, list[str]]:
        """Give the steps of each statement's plan."""
        return {text: self._plan(store, text, values) for text, values in self.seen.items()}

    @staticmethod
    def _plan(store: Store, text: str, values: Any) -> list[str]:
        rows = store.read(lambda connection: connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values).all())
        return [row[3] for row in rows]


@contextmanager
def statements_of(store: Store) -> Iterator[Statements]:
    """Collect what the store executes within the block: queries and changes, no pragmas."""
    statements = Statements()

    def note(_connection: Any, _cursor: Any, text: str, values: Any, _context: Any, many: bool) -> None:
        if text.split()[0] in ("SELECT", "INSERT", "UPDATE", "DELETE"):
            statements.seen.setdefault(text, values[0] if many else values)

    engines: list[Engine] = [store._reading, store._writing]
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    yield statements
    for engine in engines:
        event.remove(engine, "before_cursor_execute", note)
