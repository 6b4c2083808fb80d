"""Fixtures of the gateway's unit tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.gateway_client.fakes import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Give a filing task with a broker in memory."""
    desk = Desk(tmp_path)
    yield desk
    desk.close()
