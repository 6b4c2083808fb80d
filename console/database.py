"""The database of a data directory, as commands open it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from console.errors import ConsoleError
from fileman import Store
from runtime import Settings


@contextlib.contextmanager
def opened(settings: Settings) -> Iterator[Store]:
    """Open the database beside whatever runs: to read, or to write in short transactions."""
    if settings.database_url.startswith("sqlite") and not (settings.data / "magbroker.db").exists():
        raise ConsoleError(f"There is no database in {settings.data}; start 'magbroker broker --site FILE', or use --data.")
    store = Store(settings.database_url, synchronous=settings.synchronous)
    try:
        yield store
    finally:
        store.close()
