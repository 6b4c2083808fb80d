"""`magbroker queues`: the verbs that actions declare, and those of what is sent by DICOM: exports, hold, release."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Group
from rich.markup import escape

from console.cli.action_verbs import action_app
from console.cli.families import GROUPS
from console.cli.family_names import FAMILIES
from console.cli.task_verbs import Outcome, Room, asked, verb
from console.tasks.screens import plain_table

app = action_app(FAMILIES["queues"], GROUPS["queues"])

DestinationOption = Annotated[str, typer.Option("--destination", metavar="NAME", help="A transmit destination, whole.")]
EntriesArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[ENTRY]...", help="Entries, as 'queues exports' writes them.")
]


@verb(app, "exports")
def _exports(
    room: Room,
    status: Annotated[str, typer.Option(help="FAIL, HOLD, RETRY, WAITING, XMIT or SUCCESS.")] = "FAIL",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 100,
) -> Outcome:
    """List destinations that are held, and what failed to be sent with the reasons; entries of another status with --status."""
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


@verb(app, "hold", changes=True)
def _hold(room: Room, entries: EntriesArgument = None, destination: DestinationOption = "") -> Outcome:
    """Hold a destination, for which nothing more is sent then, or entries; what is being sent is finished.

    A destination that has no entries is held, too: what comes for it later waits.
    """
    return _changed(room, "MAGB EXPORT HOLD", "held", entries or [], destination)


@verb(app, "release", changes=True)
def _release(
    room: Room,
    entries: EntriesArgument = None,
    destination: DestinationOption = "",
    failed: Annotated[bool, typer.Option("--failed", help="Try again what failed for the destination, too.")] = False,
) -> Outcome:
    """Let a destination or entries go again; entries that failed are tried again."""
    return _changed(room, "MAGB EXPORT RELEASE", "released", entries or [], destination, failed=int(failed))


def _changed(room: Room, name: str, done: str, entries: list[str], destination: str, **wanted: int) -> Outcome:
    """Ask until everything is changed, and tell which of the entries were left as they are."""
    changed = 0
    more = True
    while more:
        answer = room.desk.ask(name, asked(entries=",".join(entries), destination=destination, **wanted))
        changed += answer["entries"]
        more = answer["more"]
    told = f"{changed} {'entry' if changed == 1 else 'entries'}"
    if destination:
        return Outcome({"entries": changed}, escape(f"{destination} is {done}, with {told}"))
    left: list[dict[str, str]] = answer["left"]
    lines = [f"{one['entry']} is not {done}: {_why(one['status'])}" for one in left]
    return Outcome({"entries": changed, "left": left}, escape("\n".join([f"{told} {done}", *lines])), 1 if left else 0)


def _why(status: str) -> str:
    return f"its status is {status}" if status else "there is no such entry"
