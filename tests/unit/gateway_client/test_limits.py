"""Associations are limited for each destination and in total, and every destination may always hold one."""

from __future__ import annotations

import pytest

from gateway_client.transmission.limits import Limits


@pytest.mark.parametrize(
    ("here", "elsewhere", "allowed"),
    [
        (0, [2, 2, 2, 2], True),  # the first one, however many there are
        (1, [], True),
        (2, [], False),
        (1, [2, 2], True),  # the third further one
        (1, [2, 2, 2], False),
        (1, [1] * 50, True),  # first ones do not count
    ],
)
def test_a_further_association_is_allowed_within_both_limits(here: int, elsewhere: list[int], allowed: bool) -> None:
    assert Limits(per_destination=2, further=3).allow(here, elsewhere) is allowed


def test_without_further_ones_each_destination_has_one() -> None:
    limits = Limits(per_destination=2, further=0)
    assert limits.allow(0, [1, 1])
    assert not limits.allow(1, [])
