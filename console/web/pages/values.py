"""What actions give, as a page shows it: times on the visitor's clock, lists, objects, nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

from console.action_tables import DATES, day_told, words

#: Characters of a value's text, and rows of a table within a cell.
ROOM, ROWS = 300, 100
_TABLE = Markup('<table class="within"><thead>{}</thead><tbody>{}</tbody></table>')
_FACT = Markup('<tr><th scope="row">{}</th><td>{}</td></tr>')
_HEAD, _CELL = Markup('<th scope="col">{}</th>'), Markup("<td>{}</td>")
_CODE = re.compile("`([^`]*)`")
_PARAGRAPH, _NAME = Markup("<p>{}</p>"), Markup("<code>{}</code>")
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
        if isinstance(value, list) and all(isinstance(it, Mapping) for it in value):
            return self._table(value)
        if isinstance(value, list):
            return Markup("<br>").join(self.value("", it) for it in value)
        if isinstance(value, Mapping):
            rows = (_FACT.format(words(key), self.value(key, it)) for key, it in value.items())
            return _TABLE.format(Markup(), Markup().join(rows))
        return escape(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)[:ROOM])

    def _table(self, rows: Sequence[Mapping[str, Any]]) -> Markup:
        """Write objects as rows, ROWS at most; the names of the first are the columns."""
        columns = list(rows[0])
        head = Markup("<tr>{}</tr>").format(Markup().join(_HEAD.format(words(column)) for column in columns))
        lines = [Markup().join(_CELL.format(self.value(column, row.get(column))) for column in columns) for row in rows[:ROWS]]
        if len(rows) > ROWS:
            lines.append(Markup('<td colspan="{}">and {} more</td>').format(len(columns), len(rows) - ROWS))
        return _TABLE.format(head, Markup().join(Markup("<tr>{}</tr>").format(line) for line in lines))

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


def prose(text: str) -> Markup:
    """Write a docstring's text: paragraphs whose lines run on, names between grave accents as code."""
    paragraphs = (" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
    return Markup().join(_PARAGRAPH.format(_with_code(it)) for it in paragraphs if it)


def _with_code(text: str) -> Markup:
    """Mark names between grave accents; every other part is plain text and the part between."""
    parts = _CODE.split(text)
    return Markup().join(_NAME.format(part) if number % 2 else escape(part) for number, part in enumerate(parts))


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
