"""Kills at many more moments than the acceptance test has time for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.test_kills import check_that_kills_lose_nothing


def test_nothing_is_lost_or_doubled_when_the_gateway_is_killed_thirty_times(tmp_path: Path) -> None:
    check_that_kills_lose_nothing(tmp_path, 2, 1000, gateways=30)


@pytest.mark.parametrize("seed", range(3, 12))
def test_nothing_is_lost_or_doubled_when_gateway_and_broker_are_killed(tmp_path: Path, seed: int) -> None:
    check_that_kills_lose_nothing(tmp_path, seed, 400, gateways=2, brokers=2)
