"""The journey through an archive on PostgreSQL, where TaskMan is a process of its own, which is killed."""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.test_archive_journey import check_journey
from tests.support.postgres import PostgresCluster


def test_a_study_goes_through_an_archive_whose_taskman_is_apart(tmp_path: Path, postgres: PostgresCluster) -> None:
    name, url = postgres.create_database()
    check_journey(tmp_path, url)
    postgres.drop_database(name)
