"""An entry is tried again so often and so late as its destination's settings say, and a destination is left alone by them."""

from __future__ import annotations

import pytest

from gateway_client.backoff import Backoff
from gateway_client.transmission.lanes import Lane
from gateway_client.transmission.retries import pause_before_retry
from runtime import DestinationSettings


def pauses(settings: DestinationSettings, random: float = 0.5) -> list[float | None]:
    """Give what comes after each failed try, up to the one that is the last."""
    found: list[float | None] = []
    while not found or found[-1] is not None:
        found.append(pause_before_retry(settings, len(found) + 1, lambda: random))
    return found


def test_three_retries_ten_minutes_apart_are_the_default() -> None:
    assert pauses(DestinationSettings()) == [600.0, 600.0, 600.0, None]


def test_without_retries_the_first_failure_is_the_last() -> None:
    assert pauses(DestinationSettings(retries=0)) == [None]


def test_with_back_off_pauses_double_and_are_spread() -> None:
    settings = DestinationSettings(retries=3, retry_minutes=1, backoff=True)
    assert pauses(settings, 0.0) == [30.0, 60.0, 120.0, None]
    assert pauses(settings, 1.0) == [60.0, 120.0, 240.0, None]
    assert max(it for it in pauses(DestinationSettings(retries=40, backoff=True), 1.0) if it) == 86400.0


def lane(**settings: float) -> Lane:
    return Lane("X", DestinationSettings.model_validate(settings), Backoff(lambda: 1.0, first=2.0, last=60.0))


def test_a_breaker_opens_after_so_many_failures_in_a_row_and_closes_with_a_success() -> None:
    it = lane(breaker=3, breaker_minutes=10)
    for now, pause in ((0.0, 2.0), (100.0, 4.0), (200.0, 600.0), (900.0, 600.0)):
        it.lost(now, "gone")
        assert (it.down(now + pause - 0.1), it.down(now + pause)) == (True, False)
    it.reached()
    it.lost(2000.0, "gone")
    assert not it.down(2002.0)


def test_what_fails_while_a_destination_is_left_alone_makes_that_no_longer() -> None:
    it = lane()
    for _ in range(5):
        it.lost(10.0, "gone")
    assert not it.down(12.0)
    assert it.ask(11.0) == ["X^0"]
    assert it.ask(12.0) == ["X^1^"], "one entry is tried first"


@pytest.mark.parametrize(("interrupt", "line"), [(False, "X^4^7"), (True, "X^4^")])
def test_a_study_that_was_begun_is_named_unless_priorities_interrupt_it(interrupt: bool, line: str) -> None:
    it = lane(interrupt=interrupt)
    it.tracks[0].export = 7
    assert it.ask(0.0) == [line]
