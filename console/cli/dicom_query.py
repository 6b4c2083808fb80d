"""`magbroker find`, `move` and `get`: what a peer has, and its objects for others or for us."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from io import StringIO
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from pydicom.dataset import Dataset
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.progress import MofNCompleteColumn
from rich.table import Table

from console.cli.dicom_options import Far, ae_title, at_peer, bar, printed
from console.cli.options import err, out
from console.errors import NothingThere
from console.scu.keeping import Keeper
from dul import Progress
from gateway_client.query_retrieve import (
    GET,
    MOVE,
    Peer,
    Question,
    Retrieved,
    find_matches,
    get_objects,
    move_objects,
    printable,
    question,
    run,
    sop_classes_of,
    to_json,
    told_status,
    wanted_objects,
)

Level = Literal["patient", "study", "series", "image", "worklist"]
ModelOption = Annotated[
    Literal["study", "patient"] | None,
    typer.Option(help="Information model, by its root.", show_default="patient for patients, else study"),
]
WantedArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="KEY=VALUE...", help="Unique keys of what is wanted, from the patient or study down; \\ parts several."
    ),
]
#: Failed objects that are named, of more the number.
SHOWN = 20
#: Where a keyword may be broken into words, for a heading that is hardly wider than its values.
_WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
#: Seconds that a peer may take between two answers while it sends: some tell nothing before the end.
PATIENCE = 600.0


@at_peer()
def find(
    peer: Peer,
    keys: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY[=VALUE]]...",
            help="What is to match, and without a value what is to be told; without any of those, what is usual at the level.",
        ),
    ] = None,
    level: Annotated[Level, typer.Option("--level", "-l", help="Of what matches are told.")] = "study",
    model: ModelOption = None,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="Stop the peer (C-CANCEL) after so many.")] = None,
    *,
    as_json: bool,
) -> int:
    """Query a peer (C-FIND): patients, studies, series, images, or a modality worklist.

    A key is PatientName=DOE*, 0010,0010=DOE* or ScheduledProcedureStepSequence[0].Modality=CT; * and ? stand for characters,
    20260101-20260131 is a range of dates, and a backslash parts several UIDs. An attribute that is not in the dictionary is
    written with its VR: 0009,1001:LO. --json prints the matches in the DICOM JSON model (PS3.18 F).

    For example: magbroker find 127.0.0.1:4242 --called ORTHANC PatientID=666* StudyDate=20260101-
    """
    asked = question(level, model, keys or [])
    matches: list[Dataset] = []
    more = False
    try:
        with bar(lambda: Far(f"{len(matches)} matches", len(matches), limit), shown=not as_json):
            more = run(lambda reactor: find_matches(reactor, peer, asked.query, limit, matches.append))
    finally:
        if as_json:
            typer.echo(json.dumps([to_json(match) for match in matches], indent=1))
        elif matches:
            _show(asked, matches)
    if more:
        err.print(f"There are more: the peer was stopped after {limit}.", highlight=False)
    if not matches:
        raise NothingThere(f"{peer} found nothing.")
    return 0


def _show(asked: Question, matches: list[Dataset]) -> None:
    """Print a table; where a terminal is too narrow for it, each match in lines of its own, so that UIDs can be copied."""
    rows = [[column.text(match) for column in asked.columns] for match in matches]
    table = Table(box=None, padding=(0, 1), header_style="bold")
    for column in asked.columns:
        table.add_column(_WORDS.sub("\n", column.heading) if out.is_terminal else column.heading)
    for row in rows:
        table.add_row(*map(escape, row))
    width = Measurement.get(out, out.options.update(max_width=1 << 16), table).maximum
    if not out.is_terminal:
        plain = Console(file=StringIO(), width=width)
        with plain.capture() as shown:
            plain.print(table, highlight=False)
        out.file.writelines(f"{line.rstrip()}\n" for line in shown.get().splitlines())
    elif width <= out.width:
        out.print(table, highlight=False)
    else:
        _show_apart([column.heading for column in asked.columns], rows)


def _show_apart(headings: list[str], rows: list[list[str]]) -> None:
    longest = max(map(len, headings))
    for row in rows:
        for heading, value in zip(headings, row, strict=True):
            out.print(f"[bold]{heading.ljust(longest)}[/] {escape(value)}", highlight=False, soft_wrap=True)
        out.print()


@at_peer(timeout=PATIENCE)
def move(
    peer: Peer,
    destination: Annotated[
        str, typer.Argument(metavar="AETITLE", help="Where the peer is to send to: an AE title that it knows.")
    ],
    keys: WantedArgument,
    model: ModelOption = None,
    *,
    as_json: bool,
) -> int:
    """Have a peer send objects to a third one, or to a listener of ours (C-MOVE).

    For example: magbroker move 127.0.0.1:4242 MAGBROKER StudyInstanceUID=1.2.3 --called ORTHANC
    """
    level, query = wanted_objects(MOVE, model, keys)
    told = [Progress()]
    with bar(lambda: _far(f"{level} to {destination}", told[-1]), MofNCompleteColumn(), shown=not as_json):
        retrieved = run(lambda reactor: move_objects(reactor, peer, query, ae_title(destination), told.append))
    return _end(peer, retrieved, f"sent to {destination}", as_json=as_json)


@at_peer(timeout=PATIENCE)
def get(
    peer: Peer,
    keys: WantedArgument,
    folder: Annotated[Path, typer.Option("--output", "-o", help="Folder for the objects; it is made.")] = Path(),
    sop_classes: Annotated[
        list[str] | None,
        typer.Option("--sop-class", metavar="UID", help="SOP class that may come; once for each. The peer is asked if left out."),
    ] = None,
    model: ModelOption = None,
    *,
    as_json: bool,
) -> int:
    """Get objects of a peer over the same association (C-GET), into a folder, named by their SOP Instance UID.

    Each is answered when it is on the disk. The peer is asked first which SOP classes there are, so that each can be proposed in
    every transfer syntax: what is compressed comes as it is.

    For example: magbroker get 127.0.0.1:4242 StudyInstanceUID=1.2.3 --called ORTHANC --output study
    """
    level, query = wanted_objects(GET, model, keys)
    keeper = Keeper(folder)
    told = [Progress()]

    found: list[str] | None = None

    async def work(reactor: Any) -> Retrieved:
        nonlocal found
        if not sop_classes:
            found = await sop_classes_of(reactor, peer, query)
        return await get_objects(reactor, peer, query, sop_classes or found or [], keeper.store, told.append)

    def far() -> Far:
        count, remaining = len(keeper.kept), told[-1].remaining
        return Far(f"{level}, {count} objects, {keeper.size / 1e6:.1f} MB", count, count + remaining if remaining else None)

    with bar(far, MofNCompleteColumn(), shown=not as_json):
        retrieved = run(work)
    status = _end(peer, retrieved, f"kept in {folder.resolve()}", keeper, as_json=as_json)
    if status and found == [] and not keeper.kept:  # some archives (Orthanc) fail over what they do not have
        raise NothingThere(f"{peer} found nothing.")
    return status


def _far(doing: str, progress: Progress) -> Far:
    done = progress.completed + progress.failed + progress.warning
    return Far(doing, done, done + progress.remaining if done + progress.remaining else None)


def _end(peer: Peer, retrieved: Retrieved, what: str, keeper: Keeper | None = None, *, as_json: bool) -> int:
    """Say how a retrieval ended; give the exit status. `keeper` has the objects that came, and those that it could not keep."""
    lost = keeper.failed if keeper is not None else {}
    if as_json:
        came = {} if keeper is None else {"kept": [str(path) for path in keeper.kept], "not_kept": lost}
        printed({**_facts(retrieved), **came})
    else:
        _tell(peer, retrieved, what, lost)
    if retrieved.nothing:
        raise NothingThere(f"{peer} found nothing.")
    return 0 if retrieved.well and not lost else 1


def _facts(retrieved: Retrieved) -> dict[str, Any]:
    progress, command = retrieved.progress, retrieved.response.command
    return {
        "status": f"{retrieved.status:04X}",
        "comment": command.error_comment or "",
        **asdict(progress),
        "failed_uids": list(retrieved.failed),
    }


def _tell(peer: Peer, retrieved: Retrieved, what: str, lost: dict[str, str]) -> None:
    """Print the objects that failed, and the counts of the peer."""
    troubles = [f"failed: {uid}" for uid in retrieved.failed] + [f"not kept: {uid}: {why}" for uid, why in lost.items()]
    for trouble in troubles[:SHOWN]:
        out.print(escape(printable(trouble)), highlight=False, soft_wrap=True)
    if len(troubles) > SHOWN:
        out.print(f"and {len(troubles) - SHOWN} more (--json names all)", highlight=False)
    progress, command = retrieved.progress, retrieved.response.command
    others = {"with a warning": progress.warning, "failed": progress.failed, "left": progress.remaining}
    counts = [f"{progress.completed} objects {what}", *(f"{count} {name}" for name, count in others.items() if count)]
    said = f"{peer}: {', '.join(counts)}; {told_status(retrieved.status, command.error_comment or '')}"
    out.print(f"[{'green' if retrieved.well and not lost else 'red'}]{escape(said)}[/]", highlight=False, soft_wrap=True)
