"""`magbroker worklist import, list`: put scheduled steps on the worklist out of a CSV file, see what is on it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group
from rich.markup import escape

from console.cli.task_verbs import Outcome, Room, asked, verb
from console.errors import ConsoleError
from console.tasks.screens import plain_table
from rpcs.actions.parameters import in_pieces
from rpcs.worklist import TableError, TableRow, read_table

app = typer.Typer(no_args_is_help=True, help="Put scheduled steps on the worklist out of a CSV file, see what is on it.")

#: Lines that go with one call, each in a transaction of its own, so that nobody waits long.
AT_ONCE = 100
_HEADINGS = ("entry", "status", "when", "for", "accession", "patient", "name")


@verb(app, "import", changes=True)
def _import(
    room: Room,
    file: Annotated[Path, typer.Argument(help="A CSV file in UTF-8 whose first line names the columns.")],
    check: Annotated[bool, typer.Option("--check", help="Read the file only, and say what is wrong with it.")] = False,
) -> Outcome:
    """Put the scheduled steps of a CSV file on the worklist, or change those of the same accession number and step ID.

    The whole file is read before anything is done. An import may be repeated.
    """
    try:
        rows = read_table(_text(file))
    except TableError as error:
        raise ConsoleError(f"{file}, {error}") from error
    done = 0
    for start in range(0, 0 if check else len(rows), AT_ONCE):
        try:
            done += room.desk.ask("MAGB WORKLIST FEED", _request(rows[start : start + AT_ONCE]))["entries"]
        except ConsoleError as error:
            before = f"the {done} steps before line {rows[start].line} are on the worklist."
            raise type(error)(f"{file}, {error}; {before}") from error
    told = f"{file}: {len(rows)} steps {'can be read' if check else 'are on the worklist'}"
    return Outcome({"entries": len(rows), "imported": done}, escape(told))


def _text(file: Path) -> str:
    """Read the file. Raises ConsoleError."""
    try:
        return file.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConsoleError(f"{file}, line {line}: this is not UTF-8 text.") from error
    except OSError as error:
        raise ConsoleError(f"{file} cannot be read: {error.strerror}.") from error


def _request(rows: Sequence[TableRow]) -> dict[str, str]:
    return in_pieces("ROWS", json.dumps([[row.line, row.values] for row in rows]))


@verb(app, "list")
def _list(
    room: Room,
    everything: Annotated[bool, typer.Option("--all", help="Also what is done or cancelled.")] = False,
    after: Annotated[int, typer.Option(min=0, help="Those after this entry.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 100,
) -> Outcome:
    """List the scheduled steps that modalities find on the worklist; --json has more of each."""
    found = room.desk.ask("MAGB WORKLIST LIST", asked(all=everything, after=after, limit=limit))
    table = plain_table(*_HEADINGS)
    for one in found["entries"]:
        when = f"{one['start_date']} {one['start_time'][:4]}".strip()
        stations = one["station_ae_titles"].replace("\\", " ")
        wanted = f"{one['modality']} {stations}".strip()
        cells = (str(one["ien"]), one["status"], when, wanted, one["accession"], one["patient_id"], one["patient_name"])
        table.add_row(*map(escape, cells))
    if not found["entries"]:
        return Outcome(found, "the worklist is empty")
    more = [f"[dim]There are more: --after {found['entries'][-1]['ien']}, or --limit."] if found["more"] else []
    return Outcome(found, Group(table, *more))
