"""A clock tells one moment in its three ways."""

from __future__ import annotations

from datetime import datetime

from runtime import Clock, FixedClock, SystemClock

MOMENT = datetime.fromisoformat("2026-11-21T03:37:33")


def test_a_fixed_clock_stands_until_it_is_moved() -> None:
    clock = FixedClock(MOMENT)
    before = clock.monotonic()
    assert clock.now() == clock.now() == MOMENT
    clock.advance(90)
    assert (clock.now() - MOMENT).total_seconds() == 90
    assert clock.monotonic() - before == 90
    assert clock.seconds() == clock.now().timestamp()


def test_the_system_clock_tells_local_wall_time_without_a_zone() -> None:
    clock: Clock = SystemClock()
    early = clock.seconds()
    now = clock.now()
    assert now.tzinfo is None
    assert early <= now.timestamp() <= clock.seconds()
    assert clock.monotonic() <= clock.monotonic()
