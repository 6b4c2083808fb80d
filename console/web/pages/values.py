"""What actions give, as a page shows it: times on the visitor's clock, lists, objects, nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

from console.action_tables import DATES, day_told

#: Characters of an object's text in a table.
ROOM = 300
_NOTHING = Markup('<span class="nothing">&ndash;</span>')


@dataclass(frozen=True, slots=True)
class Shown:
    """Writes values for one visitor."""

    zone: ZoneInfo
    now: datetime

    def value(self, name: str, value: Any) -> Markup:
        """Write a value under its name, as markup."""
        if value is None or value in ("", [], {}):
            return _NOTHING
        if isinstance(value, bool):
            return Markup("yes" if value else "no")
        if name == "at" or name.endswith("_at") or name in ("since", "until"):
            return self.moment(value)
        if name in DATES:
            return escape(day_told(str(value)))
        if isinstance(value, list):
            return Markup("<br>").join(escape(_plain(it)) for it in value)
        return escape(_plain(value))

    def moment(self, value: Any) -> Markup:
        """Write a time, ISO 8601 or seconds since the epoch, on the visitor's clock: of another day with its date."""
        try:
            if isinstance(value, int | float):
                at = datetime.fromtimestamp(value, self.zone)
            else:
                read = datetime.fromisoformat(str(value))
                at = read.astimezone(self.zone) if read.tzinfo else read.replace(tzinfo=self.zone)
        except (ValueError, OverflowError, OSError):
            return escape(str(value))
        short = "%H:%M:%S" if at.date() == self.now.date() else "%m-%d %H:%M" if at.year == self.now.year else "%Y-%m-%d %H:%M"
        return Markup('<time datetime="{}" title="{:%Y-%m-%d %H:%M:%S %Z}">{}</time>').format(
            at.isoformat(timespec="seconds"), at, at.strftime(short)
        )


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_plain(it)}" for key, it in value.items())[:ROOM]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)[:ROOM]


def grouped(number: Any) -> str:
    """Write a number with thin groups of thousands; what is none as it is."""
    return f"{number:,}".replace(",", "\u202f") if isinstance(number, int | float) else str(number)


def size_told(number: float) -> str:
    """Write a number of bytes as people read it."""
    for unit in ("bytes", "KB", "MB", "GB"):
        if number < 1024:
            return f"{number:.0f} {unit}"
        number /= 1024
    return f"{number:.1f} TB"


def age_told(seconds: float) -> str:
    """Write how long something is ago: 4 s, 3 min, 2 h, 5 d."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
