"""Menus and prohibited times."""

from __future__ import annotations

from datetime import datetime

import pytest

from rpcs.options import OptionData, prohibited, reach, with_broker_items


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("times", "now", "range_"),
    [
        ("", "2026-11-18T12:00", ""),
        ("0800-1630", "2026-11-18T08:00", "0800-1630"),
        ("0800-1630", "2026-11-18T16:30", "0800-1630"),
        ("0800-1630", "2026-11-18T16:31", ""),
        ("0800-1630,2000-2100", "2026-11-18T20:30", "2000-2100"),
        ("2200-0500", "2026-11-18T23:00", "2200-0500"),
        ("2200-0500", "2026-11-18T04:59", "2200-0500"),
        ("2200-0500", "2026-11-18T05:01", ""),
        ("WE@0000-2400", "2026-11-18T23:59", "0000-2400"),
        ("WE@0000-2400", "2026-11-19T00:00", ""),
        ("SA-MO@0000-2400", "2026-11-22T10:00", "0000-2400"),
        ("SA-MO@0000-2400", "2026-11-24T10:00", ""),
        ("FR@2200-0500", "2026-11-21T03:00", "2200-0500"),
        ("FR@2200-0500", "2026-11-20T03:00", ""),
    ],
)
def test_a_time_is_prohibited_within_its_ranges_and_on_their_days(times: str, now: str, range_: str) -> None:
    assert prohibited(times, at(now)) == range_


def test_menus_in_a_circle_end() -> None:
    options = with_broker_items(
        [
            OptionData("A", items=("B", "GONE"), rpcs={"R1": ""}),
            OptionData("B", items=("A", "C"), rpcs={"R2": "KEY"}),
            OptionData("C", type="M", items=("B",), rpcs={"R3": ""}),
        ]
    )
    assert reach(options, ["A"]) == {"A", "B", "C", "GONE"}
    assert [options["A"].key_of(rpc) for rpc in ("R1", "R2", "R3")] == ["", "KEY", None]
    assert [part.name for part in options["A"].parts] == ["B"]


def test_a_star_registers_every_procedure() -> None:
    option = OptionData("A", rpcs={"*": "", "LOCKED": "KEY"})
    assert [option.key_of(rpc) for rpc in ("ANY", "LOCKED")] == ["", "KEY"]
