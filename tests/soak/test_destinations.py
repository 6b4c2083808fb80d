"""Four destinations, three of them in trouble, with many more images than the acceptance test has time for."""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.test_destinations import check_that_each_destination_has_its_own


def test_a_hanging_a_refusing_and_a_dead_destination_hold_up_nobody(tmp_path: Path) -> None:
    check_that_each_destination_has_its_own(tmp_path, 2000, time_outs=2)
