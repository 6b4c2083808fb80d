"""The monitor of TaskMan: one screen of a moment, and the live one, read again each second."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.rule import Rule
from rich.table import Table

from console.errors import ConsoleError
from console.tasks.screens import Screens, plain_table, what, who
from fileman import FileManError
from xwb import XWBError

Facts = Mapping[str, Any]

#: Seconds between two looks.
EVERY = 1.0
#: Rows that one part of the screen shows at most, and lines of the screen that are no rows of a part.
ROWS, FRAME = 8, 16
#: Parts that seldom are empty: they share the lines of a small terminal.
PARTS = 5
#: Where the counts of the monitor's action end (`taskman.monitor`, `rpcs.actions.queues`).
TASKS_COUNTED, QUEUE_COUNTED = 1000, 10_000
#: What a terminal sends at its end (Ctrl-D).
END = "\x04"
HELP = "q or Ctrl-C ends, ? hides this; tasks show N tells all of a task, stop N ends it"

_STATES = {"RUN": "green", "SILENT": "yellow", "GONE": "red"}


def monitor_screen(told: Facts, screens: Screens, rows: int = ROWS) -> RenderableType:
    """Draw TaskMan at a moment, with so many rows of each part."""
    monitor = told["monitor"]
    counts = {name: _count(number, TASKS_COUNTED) for name, number in monitor["counts"].items()}
    state = "[green]running" if monitor["taskman"] else "[red]not running"
    parts: list[RenderableType] = [f"TaskMan is {state}[/]   {screens.when(monitor['at'])}", ""]
    sections = [
        ("workers", "", _workers(monitor["workers"], screens, rows)),
        ("schedule", f"the next hour; {counts['paused_schedules']} paused", _schedule(monitor["schedule"], screens, rows)),
        (
            "waiting",
            f"{counts['waiting']} due, {counts['future']} for later, {counts['prepared']} being prepared",
            _waiting(monitor["waiting"], screens, rows),
        ),
        ("running", counts["running"], _running(monitor["running"], screens, rows)),
        ("held", "one evaluator for each location", _holders(monitor["holders"], screens, rows)),
        ("queues", "", _queues(told["queues"], rows)),
        ("errors", f"{counts['errors']} in the last hour", _errors(monitor["errors"], screens, rows)),
    ]
    for name, note, table in sections:
        parts.append(Rule(f"[bold]{name}[/] {note}".rstrip(), align="left", style="dim"))
        parts.append(table if table.row_count else "[dim]none")
    return Group(*parts)


def _count(number: int, most: int) -> str:
    return f"{number}+" if number >= most else str(number)


def _first(found: list[Facts], rows: int, table: Table, row: Callable[[Facts], tuple[str, ...]]) -> Table:
    """Fill a table with the first rows, and say how many more there are."""
    for one in found[:rows]:
        table.add_row(*row(one))
    if len(found) > rows:
        table.add_row("...", *[""] * (len(table.columns) - 2), f"{len(found) - rows} more")
    return table


def _workers(found: list[Facts], screens: Screens, rows: int) -> Table:
    def row(one: Facts) -> tuple[str, ...]:
        state = f"[{_STATES[one['state']]}]{one['state']}"
        slots = f"{one['running']} of {one['slots']}"
        return (
            state,
            escape(one["host"]),
            str(one["pid"]),
            slots,
            screens.since(one["heartbeat_at"]),
            screens.when(one["started_at"]),
        )

    return _first(found, rows, plain_table("state", "host", "pid", "slots used", "last sign", "started"), row)


def _schedule(found: list[Facts], screens: Screens, rows: int) -> Table:
    def row(one: Facts) -> tuple[str, ...]:
        late = "[red]OVERDUE" if one["overdue"] else ""
        return str(one["ien"]), screens.when(one["next_at"]), late, escape(one["option"]), escape(one["frequency"])

    return _first(found, rows, plain_table("entry", "next run", "", "option", "frequency"), row)


def _waiting(found: list[Facts], screens: Screens, rows: int) -> Table:
    def row(one: Facts) -> tuple[str, ...]:
        return str(one["number"]), screens.since(one["at"]), escape(who(one)), escape(what(one)), escape(one["description"])

    return _first(found, rows, plain_table("task", "for", "who", "what", "description"), row)


def _running(found: list[Facts], screens: Screens, rows: int) -> Table:
    def row(one: Facts) -> tuple[str, ...]:
        said = one["said"] or one["description"]
        return str(one["number"]), screens.since(one["status_at"]), escape(who(one)), escape(what(one)), escape(said)

    return _first(found, rows, plain_table("task", "for", "who", "what", "says"), row)


def _holders(found: list[Facts], screens: Screens, rows: int) -> Table:
    def row(one: Facts) -> tuple[str, ...]:
        return str(one["task"]), escape(one["subject"]), screens.when(one["expires_at"]), escape(one["said"])

    return _first(found, rows, plain_table("task", "subject", "lease until", "says"), row)


def _queues(found: list[Facts], rows: int) -> Table:
    def row(one: Facts) -> tuple[str, ...]:
        place = f"{one['location']} {one['name']}".strip()
        return one["queue"], escape(place), one["status"], _count(one["entries"], QUEUE_COUNTED)

    return _first(found, rows, plain_table("queue", "location", "status", "entries"), row)


def _errors(found: list[Facts], screens: Screens, rows: int) -> Table:
    def row(one: Facts) -> tuple[str, ...]:
        return str(one["task"]), screens.when(one["at"]), escape(one["entry_point"]), escape(one["text"])

    return _first(found, rows, plain_table("task", "when", "what", "text"), row)


def watch(console: Console, look: Callable[[int], RenderableType]) -> None:
    """Show what is seen, again each second, until q or Ctrl-C; what cannot be seen is said and tried again.

    `look` is told how many rows of each part there is room for.
    """
    helping, seen = False, look(_room(console))  # what is wrong at the start ends the command
    with suppress(KeyboardInterrupt), _keys() as key, Live(seen, console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(Group(f"[dim]{HELP if helping else '? helps, q ends'}", seen), refresh=True)
            pressed = key(EVERY)
            if pressed in ("q", "Q", END):
                return
            helping ^= pressed == "?"
            try:
                seen = look(_room(console))
            except (ConsoleError, FileManError, XWBError) as error:
                seen = f"[red]{escape(str(error))}"


def _room(console: Console) -> int:
    return max(1, min(ROWS, (console.height - FRAME) // PARTS))


@contextmanager
def _keys() -> Iterator[Callable[[float], str]]:
    """Let keys of a terminal be read as they are pressed, by a function that waits so many seconds for one."""
    if not sys.stdin.isatty():
        yield _no_key
        return
    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    try:
        yield _next_key
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _next_key(seconds: float) -> str:
    ready, _, _ = select.select([sys.stdin], [], [], seconds)
    if not ready:
        return ""
    return os.read(sys.stdin.fileno(), 1).decode("ascii", "replace") or END  # nothing to be read: the terminal is gone


def _no_key(seconds: float) -> str:
    select.select([], [], [], seconds)
    return ""
