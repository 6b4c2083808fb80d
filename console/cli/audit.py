"""`magbroker audit`: who did what to the site, when, what it changed, and what was refused to whom."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Group
from rich.markup import escape

from console.cli.task_verbs import Outcome, Room, asked, verb
from console.tasks.changes import change_text
from console.tasks.screens import plain_table

app = typer.Typer(
    no_args_is_help=True, help="See who did what to this site, when, what it changed, and what was refused to whom."
)


@verb(app, "list")
def _list(
    room: Room,
    user: Annotated[str, typer.Option("--user", metavar="NAME", help="Who did it, by the whole name.")] = "",
    action: Annotated[str, typer.Option("--action", metavar="NAME", help="What was done, as 'EXPORT HOLD'.")] = "",
    subject: Annotated[str, typer.Option("--subject", help="What was changed, as 'destination ARCHIVE'.")] = "",
    outcome: Annotated[str, typer.Option("--outcome", help="done, refused, key, missing or usage.")] = "",
    since: Annotated[str, typer.Option("--since", metavar="TIME", help="Not before, as T-1 or 2026-11-24 10:30.")] = "",
    until: Annotated[str, typer.Option("--until", metavar="TIME", help="Before.")] = "",
    before: Annotated[int | None, typer.Option("--before", metavar="NUMBER", help="Older than this one.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=500, help="At most so many.")] = 50,
) -> Outcome:
    """List the actions that were asked for and change something, the newest first, those that were refused too."""
    given = asked(
        user=user, action=action, subject=subject, outcome=outcome, since=since, until=until, before=before, limit=limit
    )
    found = room.desk.ask("MAGB AUDIT LIST", given)
    if not found["actions"]:
        return Outcome(found, "nothing of this kind was done")
    table = plain_table("number", "when", "who", "action", "changed")
    for one in found["actions"]:
        by = f"{one['name']} {one['address']}".strip()
        table.add_row(
            str(one["ien"]), room.screens.when(one["at"]), escape(by), one["action"].removeprefix("MAGB "), escape(_what(one))
        )
    more = [f"[dim]There are more: --before {found['next']}."] if found["next"] else []
    return Outcome(found, Group(table, *more))


def _what(one: dict[str, Any]) -> str:
    if one["outcome"] != "done":
        return f"refused: {one['reason']}"
    return "\n".join(change_text(change) for change in one["changes"]) or "nothing was to be changed"
