"""LAST ACCESS DATE is the day on which an image was retrieved last: what is released goes by it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import select

from fileman import SiteKey, Store, to_fileman
from fileman.files import Image
from runtime import FixedClock
from tests.integration.rpcs.queues import Routing, run_routing

DAY = 86400.0


@pytest.fixture
def routing(oracle_store: Store, site_key: SiteKey, clock: FixedClock) -> Iterator[Routing]:
    with run_routing(oracle_store, site_key, clock) as routing:
        yield routing


def tell(routing: Routing, *lines: str) -> None:
    assert routing.client.call("MAGB IMAGE EVENTS", list(lines)).text == str(len(lines))


def accessed(routing: Routing) -> dict[int, str]:
    found = routing.all(select(Image.ien, Image.last_access).where(Image.last_access != ""))
    return {row.ien: row.last_access for row in found}


def test_what_c_move_and_c_get_sent_was_looked_at_that_day(routing: Routing, clock: FixedClock) -> None:
    clock.advance(30 * DAY)  # behind what was recorded
    before = accessed(routing)
    tell(
        routing,
        "^2^MOVE^^VIEWER^sent^",
        "^3^GET^^VIEWER^sent^",
        "^5^MOVE^^VIEWER^failed^",
        "^5^SEND^^VIEWER^sent^",
        "1.2^^GET^^^sent^",
    )
    today = to_fileman(clock.now().date())
    assert accessed(routing) == before | {2: today, 3: today}
    clock.advance(2 * DAY)
    tell(routing, "^3^MOVE^^VIEWER^sent^")
    assert accessed(routing) == before | {2: today, 3: to_fileman(clock.now().date())}
