"""Connections are bounded by address, in number and in rate."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from broker.limits import Limits
from broker.visitors import REMEMBERED, Visitors


def visitors(**limits: float) -> tuple[Visitors, Clock]:
    clock = Clock()
    return Visitors(Limits(**limits), clock), clock


def test_an_address_has_so_many_connections_and_no_more_until_one_leaves() -> None:
    guests, _clock = visitors(sessions_per_address=2)
    assert [guests.arrive("192.0.2.1") for _ in range(3)] == [True, True, False]
    assert guests.arrive("192.0.2.2")
    guests.leave("192.0.2.1")
    assert guests.arrive("192.0.2.1")


def test_an_address_may_come_in_a_burst_and_then_at_its_rate() -> None:
    guests, clock = visitors(connections_per_second=2, sessions_per_address=1000)
    assert [guests.arrive("192.0.2.1") for _ in range(21)] == [True] * 20 + [False]
    clock.advance(0.4)
    assert not guests.arrive("192.0.2.1")
    clock.advance(0.1)
    assert guests.arrive("192.0.2.1")
    assert not guests.arrive("192.0.2.1")
    clock.advance(3600)
    assert [guests.arrive("192.0.2.1") for _ in range(21)] == [True] * 20 + [False]


def test_one_address_that_comes_too_often_does_not_keep_others_out() -> None:
    guests, _clock = visitors(connections_per_second=0.1)
    assert [guests.arrive("192.0.2.1") for _ in range(2)] == [True, False]
    assert guests.arrive("192.0.2.2")


def test_a_refused_address_is_told_of_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    guests, clock = visitors(sessions_per_address=1)
    for _ in range(50):
        guests.arrive("192.0.2.1")
    assert len(caplog.records) == 1
    clock.advance(61)
    guests.arrive("192.0.2.1")
    assert len(caplog.records) == 2


def test_the_memory_of_addresses_is_bounded() -> None:
    guests, _clock = visitors()
    for number in range(REMEMBERED + 10):
        address = f"2001:db8::{number:x}"
        assert guests.arrive(address)
        guests.leave(address)
    assert len(guests._allowances) == REMEMBERED
    assert len(guests._open) == 0
