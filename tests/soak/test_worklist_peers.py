"""A thousand worklist queries, each time others: we, DCMTK's wlmscpfs and a plain matcher do not differ."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from tests.support.worklist_comparison import Keys, queries, worklists

QUERIES = 1000


def test_a_thousand_queries_make_no_difference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = []
    with worklists(tmp_path) as both:

        @settings(max_examples=QUERIES, deadline=None, derandomize=False, database=None, suppress_health_check=list(HealthCheck))
        @given(keys=queries())
        def ask(keys: Keys) -> None:
            answers = both.answers(keys)
            assert answers["we"] == answers["wlmscpfs"] == answers["matcher"], keys
            asked.append(len(answers["we"]))

        ask()
    with capsys.disabled():
        print(f"\n{len(asked)} worklist queries with {sum(asked)} matches in all: no difference", flush=True)
    assert len(asked) >= QUERIES
    assert sum(asked) > QUERIES
