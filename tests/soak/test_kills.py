"""Kills at many more moments than the acceptance test has time for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.test_road import check_that_kills_lose_nothing


@pytest.mark.parametrize("seed", range(2, 12))
def test_nothing_is_lost_or_doubled_when_processes_are_killed(tmp_path: Path, seed: int) -> None:
    check_that_kills_lose_nothing(tmp_path, seed)
