"""A start time is read in every form that %ZTLOAD takes; what is none is refused in its words."""

from __future__ import annotations

from datetime import datetime

import pytest

from taskman import Refused
from taskman.when import When, requeue_time, start_time

NOON = datetime.fromisoformat("2026-11-21T12:00")
NOW = NOON.timestamp()

#: Day 67895 of $HOROLOG is 21 November 2026: 31 December 1840 + 67,895 days.
STARTS: list[tuple[When, float | None]] = [
    (None, NOW),
    ("@", None),
    (NOON, NOW),
    (NOW + 5, NOW + 5),
    ("67895,43200", NOW),
    ("67895,0", NOW - 43200),
    ("67895,86400", NOW + 43200),
    ("3261121.12", NOW),
    ("3261121.1200", NOW),
    ("3261121.120005", NOW + 5),
    ("3261121", NOW - 43200),
    ("3261121.24", NOW + 43200),
    ("1,1", 0.0),  # long past: at once
    ("2500101", 0.0),
]
NONE = ["", "T+1", "67895", "67895,", "67895,86401", "99999,99999", "3261321", "3261121.25", "32611211", "NOW", "3261121.1200001"]

#: ZTDTH of REQ^%ZTLOAD for a task that was scheduled an hour ago.
REQUEUES: list[tuple[When, float | None]] = [
    (None, NOW - 3600),
    ("", NOW),
    ("@", None),
    ("3261122", NOW + 43200),
    ("30S", NOW),  # 120 times 30 seconds reach now
    ("2H", NOW + 3600),
    ("50H", NOW + 49 * 3600),
    ("1D", NOW + 23 * 3600),
]


@pytest.mark.parametrize(("when", "seconds"), STARTS)
def test_a_start_time_is_read(when: When, seconds: float | None) -> None:
    assert start_time(when, NOW) == seconds


@pytest.mark.parametrize("when", NONE)
def test_what_is_no_time_is_refused(when: str) -> None:
    with pytest.raises(Refused) as refused:
        start_time(when, NOW)
    assert refused.value.reason == "Bad Date/Time"


@pytest.mark.parametrize(("when", "seconds"), REQUEUES)
def test_a_requeue_counts_from_the_time_that_the_task_had(when: When, seconds: float | None) -> None:
    assert requeue_time(when, NOW - 3600, NOW) == seconds


@pytest.mark.parametrize("when", ["0S", "S", "1M", "-1H", "1H2"])
def test_an_interval_that_is_none_is_refused(when: str) -> None:
    with pytest.raises(Refused):
        requeue_time(when, NOW - 3600, NOW)


def test_an_interval_of_a_task_without_a_time_counts_from_now() -> None:
    assert requeue_time("1H", None, NOW) == NOW + 3600
    assert requeue_time(None, None, NOW) == NOW


def test_a_second_that_was_missed_for_years_is_reached_at_once() -> None:
    assert requeue_time("1S", 0.0, NOW) == NOW
