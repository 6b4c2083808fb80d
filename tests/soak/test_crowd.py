"""Fifty sessions do more at one broker than `make test` has time for, from more seeds."""

from __future__ import annotations

import pytest

from fileman import SiteKey, Store
from tests.integration.concurrency.crowds import crowd_together


@pytest.mark.parametrize("seed", range(2, 6))
def test_what_fifty_sessions_leave_behind_is_what_they_were_answered(oracle_store: Store, site_key: SiteKey, seed: int) -> None:
    assert crowd_together(oracle_store, site_key, sessions=50, calls=100, seed=seed) == []
