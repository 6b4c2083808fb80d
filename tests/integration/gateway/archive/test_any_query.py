"""Whatever pynetdicom, DCMTK and Orthanc ask of an archive's entities, they hear what a plain matcher over the objects finds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings

from tests.support.archive_comparison import ArchiveAndPeers, archive_and_peers, as_dicom_says
from tests.support.made_queries import MadeQuery, made_queries

QUERIES = 100


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ArchiveAndPeers]:
    with archive_and_peers(tmp_path_factory.mktemp("archive")) as running:
        yield running


def test_real_peers_find_what_a_plain_matcher_finds(asked: ArchiveAndPeers) -> None:
    found = []

    @settings(max_examples=QUERIES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(made_queries().map(as_dicom_says))
    def compare(query: MadeQuery) -> None:
        assert not asked.differing(query), query
        found.append(len(asked.expected(query)))

    compare()
    assert sum(matches > 0 for matches in found) > QUERIES / 10, "queries that find nothing compare little"
