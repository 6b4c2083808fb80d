"""Tables of tasks, schedules and errors that fit 80 columns; each takes what an action gives as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

Facts = Mapping[str, Any]
#: Columns that are cut, rather than wrapped, beyond so many characters.
_WIDTHS = {"who": 12, "what": 18, "status": 12, "option": 26}
_RIGHT = {"task", "entry", "error"}


@dataclass(frozen=True, slots=True)
class Screens:
    """Writes tables at a moment: times of today are shown without their day."""

    now: datetime

    def when(self, iso: str | None) -> str:
        """Write a time shortly, as clocks of the broker's site show it."""
        if iso is None:
            return "-"
        moment = datetime.fromisoformat(iso)
        today = self.now.astimezone(moment.tzinfo)
        if moment.date() == today.date():
            return f"{moment:%H:%M:%S}"
        return f"{moment:%d %b %H:%M}" if moment.year == today.year else f"{moment:%Y-%m-%d}"

    def since(self, iso: str) -> str:
        """Write how long ago a time was."""
        return lasting((self.now - datetime.fromisoformat(iso)).total_seconds())

    def tasks(self, found: Facts) -> RenderableType:
        """List tasks."""
        if not found["tasks"]:
            return "no tasks"
        table = plain_table("task", "status", "when", "who", "what", "description, message")
        for one in found["tasks"]:
            table.add_row(
                str(one["number"]), escape(one["meaning"]), self.when(one["at"]), escape(who(one)), escape(what(one)), _told(one)
            )
        return Group(table, "[dim]There are more: --limit, or --numbers.") if found["more"] else table

    def task(self, shown: Facts, *, traceback: bool) -> RenderableType:
        """Show one task whole."""
        one, error = shown["task"], shown["error"]
        facts = {
            "task": str(one["number"]),
            "status": f"{one['meaning']} ({one['status']}) since {self.when(one['status_at'])}",
            "message": one["message"],
            "says": one["said"],
            "STAT, ISQED": f"{one['stat']}, {one['queued']}",
            "runs": what(one) + (f" ({one['entry_point']})" if one["option"] else ""),
            "description": one["description"],
            "who": f"{one['creator'] or 'nobody'}, DUZ {one['duz']}",
            "created": self.when(one["created_at"]) + _if(" first ", self.when(one["first_created_at"])),
            "to begin": self.when(one["scheduled_at"]),
            "again at": _if("", self.when(one["requeue_at"])),
            "kept until": _if("", self.when(one["keep_until"])),
            "attempt": str(one["attempt"]),
            "worker": f"{one['executor']}, job {one['job']}" if one["executor"] else "",
            "stop": f"asked for by {one['stopped_by']}" if one["stop_requested"] else "",
            "persistent": "yes" if one["persistent"] else "",
            "priority": str(one["priority"] or ""),
            "destination": ",".join(part for part in (one["uci"], one["volume"], one["device"]) if part),
            "sync flag": one["sync_flag"],
            "has flag": "\n".join(f"{flag['name']} {flag['status']}".rstrip() for flag in one["flags"]),
            "has": "\n".join(f"{held['subject']}, {self._rest(held['expires_at'])}" for held in one["held"]),
            "arguments": "\n".join(f"{key}={_short(value)}" for key, value in one["arguments"].items()),
            "steps done": "\n".join(
                f"{step['name']} at {self.when(step['at'])}: {_short(step['result'])}" for step in one["steps"]
            ),
            "errors": _if(f"{one['error_count']}, the last at ", self.when(one["error_at"])),
            "last error": error["traceback" if traceback else "text"].rstrip() if error else "",
            "log": "\n".join(shown["log"]),
        }
        table = Table(show_header=False, box=None, padding=(0, 1))
        for name, text in facts.items():
            if text:
                table.add_row(f"[bold]{name}", escape(text))
        return table

    def _rest(self, iso: str) -> str:
        rest = (datetime.fromisoformat(iso) - self.now).total_seconds()
        return f"for {rest:.0f} s more unless renewed" if rest > 0 else "its lease has ended"

    def changes(self, told: Facts) -> RenderableType:
        """Tell what became of each task."""
        table = plain_table("task", "what became of it")
        for one in told["tasks"]:
            table.add_row(str(one["number"]), escape(one["outcome"]), style="" if one["done"] else "yellow")
        return table if told["tasks"] else "no tasks have these numbers"

    def started(self, made: Facts) -> RenderableType:
        """Tell of a task that was queued."""
        line = f"task {made['number']} is queued: {made['what']}, to begin {self.when(made['scheduled_at'])}"
        if not made.get("taskman", True):
            line += "; TaskMan does not run now, and begins it when it is started"
        if not made.get("known", True):
            line += f"\nNobody here knows a routine {made['what']}: any worker may take it, and one without its pack rejects it."
        return escape(line)

    def schedules(self, found: Facts) -> RenderableType:
        """List entries of OPTION SCHEDULING."""
        if not found["schedules"]:
            return "nothing is scheduled"
        table = plain_table("entry", "option", "next run", "last task", "frequency")
        for one in found["schedules"]:
            state = "paused" if one["paused"] else "OVERDUE" if one["overdue"] else ""
            runs = f"{self.when(one['next_at'])} {state}".strip()
            means = one["means"] + (", each missed run made up for" if one["catch_up"] else "")
            frequency = "\n".join(filter(None, (escape(one["frequency"]), f"[dim]{escape(means)}")))
            table.add_row(str(one["ien"]), escape(one["option"]), runs, str(one["task"] or "-"), frequency)
        return table

    def runs(self, told: Facts) -> RenderableType:
        """List runs to come, each with its weekday and the offset of its clock."""
        table = plain_table("run", "", "offset")
        for run in told["runs"]:
            moment = datetime.fromisoformat(run["at"])
            table.add_row(f"{moment:%Y-%m-%d %H:%M:%S}", f"{moment:%A}", f"UTC{moment:%z}")
        heading = escape(f"{told['frequency'] or 'no frequency'}: {told['means']}")
        return Group(heading, table) if told["runs"] else Group(heading, "no runs are to come")

    def flags(self, found: Facts) -> RenderableType:
        """List sync flags."""
        table = plain_table("task", "sync flag", "state")
        for one in found["flags"]:
            table.add_row(str(one["task"]), escape(one["name"]), escape(one["status"] or "held"))
        return table if found["flags"] else "no sync flags are taken"

    def errors(self, found: Facts, *, traceback: bool = False) -> RenderableType:
        """List errors, the newest first."""
        if not found["errors"]:
            return "no errors"
        table = plain_table("error", "task", "when", "what", "text")
        for one in found["errors"]:
            text = one["traceback"].rstrip() if traceback else one["text"]
            table.add_row(str(one["ien"]), str(one["task"]), self.when(one["at"]), escape(one["entry_point"]), escape(text))
        return table


def plain_table(*headings: str) -> Table:
    """Make a table without lines."""
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    for heading in headings:
        width = _WIDTHS.get(heading)
        table.add_column(
            heading,
            max_width=width,
            overflow="ellipsis" if width else "fold",
            no_wrap=heading in ("when", "who", "what", "next run", "task", "option"),
            justify="right" if heading in _RIGHT else "left",
        )
    return table


def lasting(seconds: float) -> str:
    """Write a time that passed: 12 s, 3 min, 2 h, 4 d."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def who(one: Facts) -> str:
    """Name the user of a task."""
    return str(one["creator"] or (f"DUZ {one['duz']}" if one["duz"] else "-"))


def what(one: Facts) -> str:
    """Name what a task runs: its option, or its entry point."""
    return str(one["option"] or one["entry_point"])


def outcome_status(told: Facts) -> int:
    """Give the exit status of changes: 0 all were made, 3 there were no such tasks, 1 some were not made."""
    tasks = told["tasks"]
    if tasks and all(one["done"] for one in tasks):
        return 0
    return 1 if any(one["found"] for one in tasks) else 3


def _told(one: Facts) -> str:
    lines: Iterable[str] = (one["description"], one["said"] or one["message"])
    first, second = (escape(line) for line in lines)
    return f"{first}\n[dim]{second}" if second else first


def _if(before: str, text: str) -> str:
    return "" if text == "-" else f"{before}{text}"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 200 else f"{text[:200]}... ({len(text)} characters)"
