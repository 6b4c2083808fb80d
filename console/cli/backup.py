"""`magbroker backup` and `restore`: what they take, and what they say on a terminal."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.filesize import decimal
from rich.progress import Progress as Bar

from console.backup import Manifest, Restored, Restoring, Taking, check
from console.backup.taking import Progress
from console.cli.options import ConfigOption, DataOption, JsonOption, err, out
from console.errors import WrongUsage
from runtime import SystemClock, load_settings

#: So many of what was left out are named; --json has all.
_SHOWN = 10


def backup(
    to: Annotated[Path, typer.Argument(metavar="TO", help="An empty folder, or one that is not there yet.")],
    config: ConfigOption = None,
    data: DataOption = None,
    gateway: Annotated[
        list[Path] | None,
        typer.Option(
            "--gateway",
            metavar="DIR",
            help="The data directory of another gateway on this machine that files at this site, whose spool, journal and images"
            " belong to the backup. May be given several times.",
        ),
    ] = None,
    all_locations: Annotated[
        bool, typer.Option("--all-locations", help="Take network locations too that lie outside of the data directory.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Copy a running site to an empty folder: database, images, and each gateway's spool and journal, of one moment.

    Broker, TaskMan and gateway go on. Whatever was answered with success before the backup began is in it. What comes out is the
    same on SQLite and PostgreSQL: database.db is a SQLite file, manifest.json names every file with its SHA-256. The manifest is
    written last: a folder without one is no backup.

    The folder holds patients' data and the site's key, readable for its owner alone. Not in it: the settings file, TLS
    certificates, and with --config the files that it names.

    Exit status 0: the backup is taken and on disk. 1: there is none; what has to be done is said.
    """
    settings, clock = load_settings(config, data=data), SystemClock()
    began = clock.monotonic()
    with _progress() as progress:
        manifest = Taking(settings, to, clock, gateway or (), all_locations, progress).take()
    seconds = clock.monotonic() - began
    if as_json:
        out.print_json(json.dumps({"to": str(to), "seconds": round(seconds, 3), **manifest.summary()}))
        return
    _say(f"{to} holds {_told(manifest)}, taken in {seconds:.1f} s.")
    if manifest.database is None:
        _say("There is no database in it: this data directory has a gateway alone. Back up its broker's site after it.")
    for what in manifest.left_out[:_SHOWN]:
        _say(f"Left out: {what}.")
    if len(manifest.left_out) > _SHOWN:
        _say(f"Left out: {len(manifest.left_out) - _SHOWN} more; --json names them.")
    _say(f"Check it now and then: magbroker restore {to} --check")


def restore(
    source: Annotated[Path, typer.Argument(metavar="FROM", help="The folder of a backup.")],
    config: ConfigOption = None,
    data: DataOption = None,
    gateway: Annotated[
        list[Path] | None,
        typer.Option(
            "--gateway",
            metavar="DIR",
            help="An empty data directory for another gateway of the backup, once for each, in the backup's order.",
        ),
    ] = None,
    location: Annotated[
        list[str] | None,
        typer.Option(
            "--location",
            metavar="NAME=FOLDER",
            help="Where a network location is to lie that was outside of the data directory; where it was if left out.",
        ),
    ] = None,
    check_only: Annotated[
        bool, typer.Option("--check", help="Compare every file of the backup with its manifest, and restore nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Put a backup back into an empty data directory and database, of either engine, or check it (--check).

    The settings say where to: --data names the data directory, which must be empty; with the setting 'database' of PostgreSQL the
    site comes into that database, which must be empty too, wherever it was before. Every file is compared with the manifest
    before the first is put in place, and rows are counted after.

    Until all is in place no broker and no gateway starts there. A restore that was cut off is begun again by the same command.
    Start broker and gateway then: they go on where they stood when the backup was taken, as after a power cut.

    Exit status 0: the site is restored (with --check: the backup is whole). 1: it is not; what has to be done is said.
    """
    elsewhere = dict(map(_location, location or ()))
    with _progress() as progress:
        if check_only:
            manifest, restored = check(source, progress), None
        else:
            settings = load_settings(config, data=data)
            restored = Restoring(settings, source, SystemClock(), gateway or (), elsewhere, progress).restore()
            manifest = restored.manifest
    if as_json:
        out.print_json(json.dumps({"from": str(source), **_where(restored), **manifest.summary()}))
    elif restored is None:
        _say(f"{source} is whole: {_told(manifest)}.")
    else:
        _say(f"{', '.join(map(str, restored.directories))} holds what {source} does: {_told(manifest)}.")
        if restored.database:
            _say(f"The database is {restored.database}: {restored.rows} rows, counted.")
        _say("Start broker and gateway; modalities may send again what they sent after the backup was taken.")


def _location(given: str) -> tuple[str, Path]:
    name, equals, folder = given.partition("=")
    if not (name and equals and folder):
        raise WrongUsage(f"--location {given}: say NAME=FOLDER.")
    return name, Path(folder)


def _where(restored: Restored | None) -> Mapping[str, Any]:
    if restored is None:
        return {"restored": False}
    to: Sequence[str] = [str(path) for path in restored.directories]
    return {"restored": True, "to": to, "restored_database": restored.database, "rows": restored.rows}


def _told(manifest: Manifest) -> str:
    images = manifest.database.rows.get("image", 0) if manifest.database is not None else 0
    what = f"{images} entries of IMAGE, " if manifest.database is not None else ""
    return f"the state of {manifest.taken_at:%Y-%m-%d %H:%M:%S} UTC: {what}{len(manifest.files)} files, {decimal(manifest.bytes)}"


def _say(line: str) -> None:
    out.print(line, highlight=False, markup=False, soft_wrap=True)


@contextlib.contextmanager
def _progress() -> Iterator[Progress]:
    """Show how far it is, where somebody looks."""
    with Bar(console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("looking", total=None)
        yield lambda doing, done, total: bar.update(task, description=doing, completed=done, total=total)
