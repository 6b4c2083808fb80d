"""`magbroker migrate-store`: what it says on a terminal, and its exit status."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress
from rich.table import Table

from console.cli.options import ConfigOption, DataOption, JsonOption, err, out
from console.errors import ConsoleError
from fileman import ComparedSequence, ComparedTable, Moved, Outcome, Step, Transfer, shown_target, sqlite_file
from runtime import DataDirectory, Settings, load_settings

#: Characters of a checksum that the table shows; --json has all.
_SHOWN = 12
#: How a move ends well.
_ENDS = {
    Outcome.MOVED: "The site is moved to {target} and equal there:",
    Outcome.REHEARSED: "The site would move to {target} and be equal there; nothing was kept:",
    Outcome.THERE: "The site is in {target} already and equal there:",
}


def migrate_store(
    target: Annotated[
        str,
        typer.Option(
            "--to",
            envvar="MAGBROKER_MIGRATE_TO",
            help="An empty PostgreSQL database: postgresql+psycopg://USER:PASSWORD@HOST/DATABASE. Others see a command's options:"
            " leave the password to ~/.pgpass, or put the URL into the variable.",
            show_default=False,
        ),
    ],
    config: ConfigOption = None,
    data: DataOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Do it all and take it back at the end. A broker may be running.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Copy the site of the SQLite database to PostgreSQL, and compare every table and sequence.

    Stop the broker first. The SQLite file and the data directory are left as they are. Everything happens in one transaction
    of the target: when the command fails, is killed or finds a difference, the target is as empty as before, and the command
    can be run again.

    Exit status 0: the site is there and equal (with --dry-run: it would be). 1: it is not; what has to be done is said.
    """
    settings = load_settings(config, data=data)
    source, shown = _source(settings), shown_target(target)
    beside = contextlib.nullcontext() if dry_run else _alone(settings)
    with Progress(console=err, transient=True, disable=not err.is_terminal) as progress, beside:
        bar = progress.add_task("looking at both databases", total=None)

        def tell(step: Step) -> None:
            progress.update(bar, description=f"{step.doing} {step.table}", completed=step.done, total=step.total)

        transfer = Transfer(source, target, tell)
        moved = transfer.rehearse() if dry_run else transfer.perform()
    if as_json:
        out.print_json(json.dumps(_as_json(moved, source, shown)))
    else:
        out.print(_table(moved), highlight=False)
        for line in _told(moved, settings, source, shown):
            out.print(line, highlight=False, markup=False, soft_wrap=True)
    raise typer.Exit(1 if moved.outcome is Outcome.DIFFERS else 0)


def _source(settings: Settings) -> Path:
    """Give the SQLite file that the settings name."""
    source = sqlite_file(settings.database_url)
    if source is None:
        raise ConsoleError(
            "The setting 'database' names PostgreSQL already (MAGBROKER_DATABASE or --config): the source is a SQLite site,"
            " as settings without it name one."
        )
    return source


@contextlib.contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Own the data directory, so that no broker runs or starts on it; a broker that is there is an error that names it."""
    directory = DataDirectory(settings.data)
    if settings.data.is_dir():  # where there is none, no broker has been, and none is made
        directory.acquire()
    try:
        yield
    finally:
        directory.release()


def _as_json(moved: Moved, source: Path, target: str) -> dict[str, Any]:
    return {
        "outcome": moved.outcome.value,
        "source": str(source),
        "target": target,
        "tables": [{**asdict(it), "equal": it.equal} for it in moved.tables],
        "sequences": [{**asdict(it), "equal": it.equal} for it in moved.sequences],
    }


def _table(moved: Moved) -> Table:
    table = Table(box=None, padding=(0, 2), header_style="bold")
    for heading, justify in {"table or sequence": "left", "rows or last": "right", "checksum": "left", "": "left"}.items():
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]  # rich wants literals
    for it in sorted(moved.tables, key=lambda it: it.name):
        table.add_row(it.name, str(it.source_rows), it.source_checksum[:_SHOWN], _verdict(it))
    for number in moved.sequences:
        table.add_row(number.name, str(number.source), "", _verdict(number))
    return table


def _verdict(compared: ComparedTable | ComparedSequence) -> str:
    if compared.equal:
        return "equal"
    if isinstance(compared, ComparedSequence):
        return f"[red]differs: {compared.target}"
    return f"[red]differs: {compared.target_rows} rows, {compared.target_checksum[:_SHOWN]}"


def _told(moved: Moved, settings: Settings, source: Path, target: str) -> Iterator[str]:
    if moved.outcome is Outcome.DIFFERS:
        yield "What PostgreSQL gave back differs from the source. Nothing was kept: the target is as empty as before."
        return
    rows = sum(it.source_rows for it in moved.tables)
    end = _ENDS[moved.outcome].format(target=target)
    yield f"{end} {rows} rows, {len(moved.tables)} tables, {len(moved.sequences)} sequences."
    if moved.outcome is Outcome.REHEARSED:
        return
    yield f"{source} is as it was."
    yield "Now set for every broker and worker, with the password where one is needed:"
    yield f'  database = "{target}"'
    yield (
        f"The data directory {settings.data} stays in use: site.key (brokers on other hosts need a copy in theirs), and the"
        " images, which do not move."
    )
