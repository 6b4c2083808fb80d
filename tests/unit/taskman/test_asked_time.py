"""When a task is to begin is read as people write it, by the site's clocks, or refused with what can be written."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from taskman.asked_time import read_time
from taskman.errors import BadTime

ZONE = ZoneInfo("America/Denver")
NOW = datetime(2026, 11, 21, 15, 30, tzinfo=ZONE).timestamp()


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("now", "2026-11-21T15:30:00-07:00"),
        ("", "2026-11-21T15:30:00-07:00"),
        ("16:00", "2026-11-21T16:00:00-07:00"),
        ("8:05", "2026-11-22T08:05:00-07:00"),
        ("15:30", "2026-11-22T15:30:00-07:00"),
        ("15:30:01", "2026-11-21T15:30:01-07:00"),
        ("+90s", "2026-11-21T15:31:30-07:00"),
        ("+30MIN", "2026-11-21T16:00:00-07:00"),
        ("+2H", "2026-11-21T17:30:00-07:00"),
        ("+1D", "2026-11-22T15:30:00-07:00"),
        ("t", "2026-11-21T00:00:00-07:00"),
        ("T-7", "2026-11-14T00:00:00-07:00"),
        ("T+1@10:30", "2026-11-22T10:30:00-07:00"),
        ("T@0805", "2026-11-21T08:05:00-07:00"),
        ("2026-12-01", "2026-12-01T00:00:00-07:00"),
        ("2026-12-01 08:15", "2026-12-01T08:15:00-07:00"),
        ("2026-12-01T08:15:00Z", "2026-12-01T08:15:00+00:00"),
        ("2027-03-14T02:30", "2027-03-14T03:00:00-06:00"),  # clocks jump over it
        ("2027-11-07T01:30", "2027-11-07T01:30:00-06:00"),  # the first of two
    ],
)
def test_a_time_is_read(text: str, moment: str) -> None:
    assert read_time(text, NOW, ZONE) == datetime.fromisoformat(moment).timestamp()


def test_fileman_and_horolog_are_of_this_machine_as_in_ztload() -> None:
    moment = datetime.fromisoformat("2026-12-01T08:15").timestamp()
    assert read_time("3261201.0815", NOW, ZONE) == moment
    assert read_time("67905,29700", NOW, ZONE) == moment


@pytest.mark.parametrize(
    "text", ["@", "tomorrow", "25:00", "8:60", "+2", "+2W", "2026-13-01", "3261332", "1.5", "-1D", "T7", "T@24:00", "9" * 40]
)
def test_what_is_no_time_is_refused_with_examples(text: str) -> None:
    with pytest.raises(BadTime, match="08:30"):
        read_time(text, NOW, ZONE)
