"""`magbroker site`: load a site file, write one out, keep the state of a database and put it back."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from console.cli.options import ConfigOption, DataOption, err, out
from console.database import opened
from console.site_state import SiteState
from fileman import SiteKey, Store, dump_site
from rpcs import STANDARD
from runtime import DataDirectory, Settings, SystemClock, load_settings

app = typer.Typer(help="Load the site file into a database, write it out, keep and put back states.", no_args_is_help=True)


def _state(settings: Settings, store: Store) -> SiteState:
    key = SiteKey.load_or_create(settings.site_key_path)
    return SiteState(settings, store, key, SystemClock(), {procedure.name for procedure in STANDARD})


@contextmanager
def _beside(config: Path | None, data: Path | None) -> Iterator[SiteState]:
    """Open the database beside whatever runs."""
    settings = load_settings(config, data=data)
    with opened(settings) as store:
        yield _state(settings, store)


@app.command("load")
def site_load(
    file: Annotated[Path, typer.Argument(help="The site file.")], config: ConfigOption = None, data: DataOption = None
) -> None:
    """Fill the database from a site file, in place of the site that is there."""
    settings = load_settings(config, data=data)
    directory = DataDirectory(settings.data)
    directory.acquire()
    try:
        store = Store(settings.database_url, synchronous=settings.synchronous)
        try:
            site, warnings = _state(settings, store).load(file)
        finally:
            store.close()
    finally:
        directory.release()
    for warning in warnings:
        err.print(f"[yellow]{warning}", highlight=False)
    out.print(f"{file} is loaded: {len(site.patient)} patients, {len(site.exam)} exams, {len(site.user)} users", highlight=False)


@app.command("dump")
def site_dump(config: ConfigOption = None, data: DataOption = None) -> None:
    """Write the site as a site file to standard output, with hashes in place of codes."""
    with _beside(config, data) as state:
        sys.stdout.write(state.store.read(dump_site))


@app.command("snapshot")
def site_snapshot(
    target: Annotated[
        str,
        typer.Argument(
            metavar="NAME|FILE",
            help="A name of letters, digits, - and _, kept as snapshots/NAME.snapshot in the data directory; or the path of a "
            "file, which has a slash or a dot in it and does not end in .toml.",
        ),
    ],
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Keep the state of the database: site, images, queues, counters, sign-on state. A broker may be running.

    An older snapshot of that name is replaced; any other file is left alone.
    """
    with _beside(config, data) as state:
        out.print(f"The state is kept in {state.snapshot(target)}", highlight=False, markup=False, soft_wrap=True)


@app.command("reset")
def site_reset(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME|FILE]",
            help="A snapshot, by name or path, or a site file (.toml); the site file last loaded if left out.",
        ),
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Put the database back to a snapshot, or to its site file. A broker may be running; its sessions go on."""
    with _beside(config, data) as state:
        out.print(f"The database is as in {state.reset(source)}", highlight=False, markup=False, soft_wrap=True)
