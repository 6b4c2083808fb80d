"""Backups amid a stream of a thousand images, on both engines."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.test_backup import ENGINES, check_that_backups_amid_a_stream_lose_nothing, databases


@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_of_a_thousand_images_is_lost_by_five_backups(
    tmp_path: Path, engine: str, request: pytest.FixtureRequest
) -> None:
    postgres = request.getfixturevalue("postgres") if engine == "postgresql" else None
    check_that_backups_amid_a_stream_lose_nothing(tmp_path, 1000, 5, databases(engine, postgres, 6))
