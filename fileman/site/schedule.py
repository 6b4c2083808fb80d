"""What TaskMan is to run when; `taskman.schedule` puts it into the database."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Literal

from pydantic import Field

from fileman.dates import to_fileman
from fileman.files import OptionSchedule
from fileman.site.rows import FileManDate, Row
from fileman.site.sections import Columns, Section, always


class OptionScheduleRow(Row):
    """[[option_schedule]]: OPTION SCHEDULING (#19.2). Without `next` the first run is the first after loading.

    An entry with `special` and without `next` runs at TaskMan's start only.
    """

    option: str = Field(min_length=1)
    frequency: str = ""
    next: FileManDate = ""
    special: Literal["", "S", "SP", "P"] = ""
    device: str = ""
    volume: str = ""
    variables: dict[str, bool | int | float | str] = Field(default_factory=dict)
    parameter: str = ""
    duz: int = 0
    paused: bool = False
    catch_up: bool = False


def _when(row: Columns) -> Columns:
    wall = str(row["wall"])
    return {"next": to_fileman(datetime.fromisoformat(wall)) if wall else "", "variables": json.loads(str(row["variables"]))}


def _runs_again(row: Columns) -> bool:
    """Tell an entry that is still to run from one that was to be run once, and was."""
    return bool(row["frequency"] or row["special"] or row["wall"])


OPTION_SCHEDULES = Section(
    "option_schedule",
    OptionSchedule,
    OptionScheduleRow,
    more=always(_when),
    left_out=frozenset({"ien", "next_at", "wall", "task", "last_at", "skipped"}),
    wanted=_runs_again,
)
