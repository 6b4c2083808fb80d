"""A store and a clock for TaskMan's unit tests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from fileman import Store
from runtime import FixedClock


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Open an empty SQLite database."""
    store = Store(f"sqlite:///{tmp_path / 'magbroker.db'}")
    yield store
    store.close()


@pytest.fixture
def clock() -> FixedClock:
    """Give a clock that stands still."""
    return FixedClock(datetime.fromisoformat("2026-11-21T03:44"))
