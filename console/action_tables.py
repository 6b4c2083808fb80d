"""What an action gave, on a terminal: its lists as tables that fit, everything else as lines of name and value."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from console.tasks.screens import Screens
from fileman import from_fileman

if TYPE_CHECKING:
    from rpcs.actions import Action
    from rpcs.actions.declarations import Declaration

#: Characters of a value that is itself a list or an object.
_ROOM = 200
#: What is a FileMan date.
DATES = frozenset({"birth_date", "locked_until", "terminated", "until"})


def tables_of(action: Declaration | Action, answer: Any, now: datetime) -> RenderableType:
    """Lay out what an action gave at a moment, times of which day are written shortly."""
    screens = Screens(now)
    if not isinstance(answer, Mapping):
        return _value(screens, "", answer)
    parts: list[RenderableType] = []
    others = {name: value for name, value in answer.items() if name not in action.lists and name not in ("next", "more")}
    if others:
        parts.append(facts_table(screens, others))
    filled = [name for name in action.lists if answer.get(name)]
    titles = ["" if filled == [*action.lists][:1] else words(name) for name in filled]
    parts += [_listed(screens, answer[name], action.lists[name], title) for name, title in zip(filled, titles, strict=True)]
    if action.lists and not parts:
        parts.append(", ".join(f"no {words(name)}" for name in action.lists))
    if answer.get("next") is not None:
        flag = "--before" if "BEFORE" in action.takes else "--after"
        parts.append(f"[dim]There are more: {flag} {escape(str(answer['next']))}")
    return parts[0] if len(parts) == 1 else Group(*parts)


def facts_table(screens: Screens, facts: Mapping[str, Any]) -> Table:
    """Lay facts out, a line each; a list of objects stands below its name, one a line."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(words(name), _value(screens, name, value))
    return table


def _listed(screens: Screens, rows: Iterable[Mapping[str, Any]], columns: Sequence[str], title: str) -> Table:
    rows = list(rows)
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold", title=title or None, title_justify="left")
    for column in columns:
        numbers = all(isinstance(row.get(column), int | float) and not isinstance(row.get(column), bool) for row in rows)
        table.add_column(words(column), justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*[_value(screens, column, row.get(column)) for column in columns])
    return table


def words(name: str) -> str:
    """Give a column's name as people read it."""
    return name.removesuffix("_at").replace("_", " ") if name != "at" else "when"


def _value(screens: Screens, name: str, value: Any) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name == "at" or name.endswith("_at"):
        return _moment(screens, value)
    if name in DATES:
        return escape(day_told(str(value)))
    if isinstance(value, Mapping):
        return escape(", ".join(f"{words(key)} {_plain(it)}" for key, it in value.items()))
    if isinstance(value, list):
        return escape("\n".join(_plain(it) for it in value)) or "-"
    return escape(str(value))


def _moment(screens: Screens, value: Any) -> str:
    try:
        return screens.when(str(value))
    except ValueError:
        return escape(str(value))


def day_told(value: str) -> str:
    """Write a FileMan date as people read it; one that is not exact, or none, as it is."""
    try:
        return from_fileman(value).isoformat(" ", "minutes") if "." in value else f"{from_fileman(value):%Y-%m-%d}"
    except ValueError:
        return value


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return ", ".join(f"{words(key)} {_plain(it)}" for key, it in value.items())[:_ROOM]
    return json.dumps(value, ensure_ascii=False)[:_ROOM]
