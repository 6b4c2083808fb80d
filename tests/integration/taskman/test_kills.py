"""Workers are killed at random moments: nothing is lost, nothing is done twice, nobody works beside another."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from fileman import Store
from tests.integration.taskman.killing import kill_workers


@pytest.mark.parametrize("seed", [1])
def test_nothing_is_lost_or_done_twice_when_workers_are_killed(oracle_store: Store, tmp_path: Path, seed: int) -> None:
    assert kill_workers(oracle_store, tmp_path, seed, kills=6) == []


def test_nothing_is_lost_or_done_twice_when_workers_are_killed_while_rules_are_published(
    oracle_store: Store, tmp_path: Path
) -> None:
    assert kill_workers(oracle_store, tmp_path, seed=11, kills=4, publishing=True) == []


def test_nothing_is_lost_or_done_twice_when_workers_are_replaced_one_after_the_other(oracle_store: Store, tmp_path: Path) -> None:
    assert kill_workers(oracle_store, tmp_path, seed=1, kills=4, how=signal.SIGTERM) == []
