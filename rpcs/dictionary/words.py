"""Values in words: dates, sets of codes, and the names that pointers stand for."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Select

from fileman import external_date
from rpcs.call import Call
from rpcs.dictionary.view import External, Row


def external_date_time(text: str) -> str:
    """Show a FileMan moment as DD^%DT does here: `JUN 10,2024@09:30`, with seconds where there are some."""
    day, _, clock = text.partition(".")
    if not clock:
        return external_date(text)
    clock = clock.ljust(6, "0")
    seconds = f":{clock[4:6]}" if clock[4:6] != "00" else ""
    return f"{external_date(day)}@{clock[:2]}:{clock[2:4]}{seconds}"


def date(_call: Call, _row: Row, internal: str) -> str:
    """Show a moment."""
    return external_date_time(internal)


def institution(call: Call, _row: Row, internal: str) -> str:
    """Name an institution; nothing for one that is not there."""
    found = call.site.institutions.get(int(internal))
    return found.name if found else ""


def location(call: Call, _row: Row, internal: str) -> str:
    """Name a network location; nothing for one that is not there."""
    found = call.site.locations.get(int(internal))
    return found.name if found else ""


def one_of(codes: Mapping[str, str]) -> External:
    """Give the words of a set of codes; nothing for what is no code."""
    return lambda _call, _row, internal: codes.get(internal, "")


def pointer(name_of: Select[str]) -> External:
    """Give what a pointer's entry is called, by a query of it by `ien`; nothing for one that is not there."""

    def external(call: Call, _row: Row, internal: str) -> str:
        return call.connection.execute(name_of, {"ien": int(internal)}).scalar() or ""

    return external
