"""A thousand queries, each time others: real peers hear from the archive's entities what a plain matcher finds."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from tests.support.archive_comparison import archive_and_peers, as_dicom_says
from tests.support.made_queries import MadeQuery, made_queries

QUERIES = 1000


def test_a_thousand_queries_make_no_difference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = []
    with archive_and_peers(tmp_path) as asked:

        @settings(max_examples=QUERIES, deadline=None, derandomize=False, database=None, suppress_health_check=list(HealthCheck))
        @given(made_queries().map(as_dicom_says))
        def compare(query: MadeQuery) -> None:
            assert not asked.differing(query), query
            found.append(len(asked.expected(query)))

        compare()
    with capsys.disabled():
        print(f"\n{len(found)} queries by three peers with {sum(found)} matches in all: no difference", flush=True)
    assert len(found) >= QUERIES
    assert sum(found) > QUERIES
