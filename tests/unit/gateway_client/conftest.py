"""Fixtures of the gateway's unit tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.gateway_client.fakes import Desk
from tests.unit.gateway_client.transmitting import Office


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Give a filing task with a broker in memory."""
    desk = Desk(tmp_path)
    yield desk
    desk.close()


@pytest.fixture(params=["many at once", "one at a time"])
def office(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Office]:
    """Give a transmitter that takes entries many at once, and one at a time."""
    office = Office(tmp_path, many=request.param == "many at once")
    yield office
    office.stop()


@pytest.fixture
def large_office(tmp_path: Path) -> Iterator[Office]:
    """Give a transmitter that takes entries many at once."""
    office = Office(tmp_path, many=True)
    yield office
    office.stop()
