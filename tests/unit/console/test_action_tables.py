"""What an action gave is shown as people read it: dates as dates, lists with something in them, and that there is nothing."""

from __future__ import annotations

from datetime import datetime
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from console.action_tables import tables_of
from rpcs.actions import ACTIONS

PERSON = {"dfn": 1, "name": "DEMO,ONE", "ssn": "666001100", "birth_date": "2500131", "sex": "M", "icn": ""}
MERGED = {"dfn": 2, "name": "DEMO,UNO", "ssn": "666001101", "into": 1, "merged_by": 3, "merged_at": None}


def shown(name: str, answer: Any) -> list[str]:
    text = StringIO()
    Console(file=text, width=160).print(tables_of(ACTIONS[name], answer, datetime(2026, 11, 24)))  # noqa: DTZ001  shown as local
    return [" ".join(line.split()) for line in text.getvalue().splitlines()]


def test_a_lone_list_needs_no_title_and_a_date_is_written_out() -> None:
    lines = shown("MAGB PATIENT LIST", {"entries": [PERSON], "merged": [], "next": None})
    assert lines == ["dfn name ssn birth date sex icn", "1 DEMO,ONE 666001100 1950-01-31 M -"]


def test_two_lists_have_titles_and_what_comes_next_is_told() -> None:
    lines = shown("MAGB PATIENT LIST", {"entries": [PERSON], "merged": [MERGED], "next": 1})
    assert [line for line in lines if "DEMO" not in line] == [
        "entries",
        "dfn name ssn birth date sex icn",
        "merged",
        "dfn name ssn into merged by merged",
        "There are more: --after 1",
    ]


def test_a_second_list_alone_says_what_it_is() -> None:
    assert shown("MAGB PATIENT LIST", {"entries": [], "merged": [MERGED], "next": None})[0] == "merged"


def test_that_there_is_nothing_is_said_in_a_line() -> None:
    assert shown("MAGB PATIENT LIST", {"entries": [], "merged": [], "next": None}) == ["no entries, no merged"]


@pytest.mark.parametrize(
    ("date", "text"), [("2500131", "1950-01-31"), ("2500000", "2500000"), ("3261124.0930", "2026-11-24 09:30")]
)
def test_a_date_that_is_not_exact_stays_as_it_is(date: str, text: str) -> None:
    lines = shown("MAGB PATIENT LIST", {"entries": [PERSON | {"birth_date": date}], "merged": [], "next": None})
    assert lines[1] == f"1 DEMO,ONE 666001100 {text} M -"
