"""Workers that release images and bring them back are killed at many more moments than `make test` has time for."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from fileman import Store
from runtime import FixedClock
from tests.integration.system.conftest import Site, fill_site
from tests.integration.system.killing import kill_while_recalling, kill_while_releasing


@pytest.fixture
def site(store: Store, tmp_path: Path) -> Site:
    """Give the small site of the system tasks' tests."""
    store.transact(fill_site)
    (tmp_path / "data").mkdir()
    return Site(store, FixedClock(datetime.fromisoformat("2026-11-21T12:00")), tmp_path / "data")


@pytest.mark.parametrize("seed", range(2, 5))
def test_nothing_is_lost_or_released_twice_when_workers_are_killed(site: Site, seed: int) -> None:
    kill_while_releasing(site, seed, count=600, kills=4)


@pytest.mark.parametrize("seed", range(2, 5))
def test_nothing_is_lost_or_brought_back_twice_when_workers_are_killed(site: Site, seed: int) -> None:
    kill_while_recalling(site, seed, count=600, kills=4)
