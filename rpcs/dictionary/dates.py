"""FileMan dates in words."""

from __future__ import annotations

from fileman import external_date


def external_date_time(text: str) -> str:
    """Show a FileMan moment as DD^%DT does here: `JUN 10,2024@09:30`, with seconds where there are some."""
    day, _, clock = text.partition(".")
    if not clock:
        return external_date(text)
    clock = clock.ljust(6, "0")
    seconds = f":{clock[4:6]}" if clock[4:6] != "00" else ""
    return f"{external_date(day)}@{clock[:2]}:{clock[2:4]}{seconds}"
