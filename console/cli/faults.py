"""`magbroker fault`: let a running broker's clients meet what seldom happens."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from console.cli.options import err
from console.cli.task_verbs import Outcome, Room, asked, verb
from console.errors import ConsoleError
from fileman.faults import KINDS

app = typer.Typer(help="Set faults for client tests, and clear them; a running broker heeds them at once.", no_args_is_help=True)

_USAGE = "\n\n".join(f"{kind.usage.replace('[', chr(92) + '[')}: {kind.effect}." for kind in KINDS.values())


def _set(
    room: Room,
    kind: Annotated[str, typer.Argument(metavar="NAME", help=f"One of {', '.join(KINDS)}.")],
    facts: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="What it strikes, and how.")] = None,
) -> Outcome:
    given = {}
    for fact in facts or []:
        key, sign, value = fact.partition("=")
        if not sign:
            raise ConsoleError(f"{fact!r} is not written as KEY=VALUE.")
        given[key] = value
    told = room.desk.ask("MAGB FAULT SET", {"FAULT": kind, **{key.upper(): value for key, value in given.items()}})
    if told.get("warning"):
        hint = f"{told['warning']}; until something has that name, the fault strikes nothing"
        err.print(hint, style="yellow", highlight=False, markup=False)
    return Outcome(told, f"set: {escape(_named(told))}")


_set.__doc__ = f"Set a fault. times=N lets it strike N times and then clears it.\n\n{_USAGE}"
verb(app, "set", changes=True)(_set)


@verb(app, "clear", changes=True)
def _clear(
    room: Room,
    kind: Annotated[str, typer.Argument(metavar="[NAME]", help="Only the faults of this name.", show_default=False)] = "",
) -> Outcome:
    """Clear the faults of a name, or all."""
    told = room.desk.ask("MAGB FAULT CLEAR", asked(fault=kind))
    lines = [f"cleared: {escape(_named(it))}" for it in told["cleared"]]
    return Outcome(told, "\n".join(lines) or "no faults were set")


@verb(app, "list")
def _list(room: Room) -> Outcome:
    """Show the faults that are set."""
    found = room.desk.ask("MAGB FAULT LIST")
    table = Table(box=None, padding=(0, 2), header_style="bold")
    for heading in ("fault", "set with", "what happens"):
        table.add_column(heading)
    for it in found["entries"]:
        table.add_row(it["fault"], escape(_facts(it)), escape(it["effect"]))
    return Outcome(found, table if found["entries"] else "no faults are set")


def _facts(fault: dict[str, Any]) -> str:
    return " ".join(f"{key}={value}" for key, value in fault["facts"].items())


def _named(fault: dict[str, Any]) -> str:
    return f"{fault['fault']} {_facts(fault)}".rstrip()
