"""`magbroker queue list, hold, release`: what waits in the export queue, what is held, what failed."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Group
from rich.markup import escape

from console.cli.task_verbs import Outcome, Room, asked, verb
from console.tasks.screens import plain_table

app = typer.Typer(no_args_is_help=True, help="See what is to be sent by DICOM, hold destinations and entries, release them.")

DestinationOption = Annotated[str, typer.Option("--destination", metavar="NAME", help="A transmit destination, whole.")]
EntriesArgument = Annotated[list[str] | None, typer.Argument(metavar="[ENTRY]...", help="Entries, as 'queue list' writes them.")]


@verb(app, "list")
def _list(
    room: Room,
    status: Annotated[str, typer.Option(help="FAIL, HOLD, RETRY, WAITING, XMIT or SUCCESS.")] = "FAIL",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 100,
) -> Outcome:
    """List destinations that are held, and entries of a status with their reasons: those that failed if not told."""
    found = room.desk.ask("MAGB EXPORT LIST", asked(status=status, limit=limit))
    table = plain_table("entry", "image", "destination", "since", "reason")
    for one in found["entries"]:
        reason = f"{one['reason']}{' (sent again)' if one['repeated'] else ''}"
        since = room.screens.when(one["status_at"])
        table.add_row(one["entry"], str(one["image"]), escape(one["destination"]), since, escape(reason))
    held = [
        f"{one['destination']} is held since {room.screens.when(one['held_at'])} by {one['held_by']}" for one in found["held"]
    ]
    return Outcome(found, Group(*map(escape, held), table if found["entries"] else f"no entry has status {escape(status)}"))


@verb(app, "hold")
def _hold(room: Room, entries: EntriesArgument = None, destination: DestinationOption = "") -> Outcome:
    """Hold a destination, for which nothing more is sent then, or entries; what is being sent is finished."""
    return _changed(room, "MAGB EXPORT HOLD", "held", entries=",".join(entries or ()), destination=destination)


@verb(app, "release")
def _release(
    room: Room,
    entries: EntriesArgument = None,
    destination: DestinationOption = "",
    failed: Annotated[bool, typer.Option("--failed", help="Try again what failed for the destination, too.")] = False,
) -> Outcome:
    """Let a destination or entries go again; entries that failed are tried again."""
    wanted = {"entries": ",".join(entries or ()), "destination": destination, "failed": int(failed)}
    return _changed(room, "MAGB EXPORT RELEASE", "released", **wanted)


def _changed(room: Room, name: str, verb_: str, **wanted: Any) -> Outcome:
    """Ask until everything is changed."""
    changed = 0
    while True:
        done = room.desk.ask(name, asked(**wanted))
        changed += done["entries"]
        if not done["more"]:
            return Outcome({"entries": changed}, f"{changed} {'entry' if changed == 1 else 'entries'} {verb_}")
