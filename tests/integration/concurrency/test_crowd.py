"""Fifty sessions at one broker do random things at once: IENs, counters and queues are exactly what the answers say.

Scripts are drawn from a seed; how the sessions' calls interleave is the engine's affair.
"""

from __future__ import annotations

import pytest

from fileman import SiteKey, Store
from tests.integration.concurrency.crowds import crowd_together

SESSIONS, CALLS = 50, 16


@pytest.mark.parametrize("seed", [1])
def test_what_fifty_sessions_leave_behind_is_what_they_were_answered(oracle_store: Store, site_key: SiteKey, seed: int) -> None:
    assert crowd_together(oracle_store, site_key, SESSIONS, CALLS, seed) == []
