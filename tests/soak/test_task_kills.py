"""TaskMan's workers are killed at many more moments than `make test` has time for."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from fileman import Store
from tests.integration.taskman.killing import kill_workers


@pytest.mark.parametrize("seed", range(2, 9))
def test_nothing_is_lost_or_done_twice_when_workers_are_killed(oracle_store: Store, tmp_path: Path, seed: int) -> None:
    assert kill_workers(oracle_store, tmp_path, seed, kills=6) == []


@pytest.mark.parametrize("seed", range(12, 15))
def test_nothing_is_lost_or_done_twice_when_workers_are_killed_while_rules_are_published(
    oracle_store: Store, tmp_path: Path, seed: int
) -> None:
    assert kill_workers(oracle_store, tmp_path, seed, kills=6, publishing=True) == []


@pytest.mark.parametrize("seed", range(2, 5))
def test_nothing_is_lost_or_done_twice_when_workers_are_replaced(oracle_store: Store, tmp_path: Path, seed: int) -> None:
    assert kill_workers(oracle_store, tmp_path, seed, kills=6, how=signal.SIGTERM) == []
