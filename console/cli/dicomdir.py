"""`magbroker dicomdir`: make, extend, list, check and import exchange media."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from console.cli.media_export import export
from console.cli.media_screen import add_files, numbered, progress, refusals, show_page, tell_refusals
from console.cli.options import ConfigOption, DataOption, JsonOption, out
from console.media import Import, Limits, Medium, Record, check, files_below, files_of, hand_over
from console.media.pictures import PAGE
from gateway_client import imports_of
from runtime import SystemClock, load_settings, read_run_file

app = typer.Typer(help="Make, extend, show, check and import exchange media (DICOMDIR).", no_args_is_help=True)

MediumArgument = Annotated[Path, typer.Argument(metavar="MEDIUM", help="The root folder of the medium.")]
PageOption = Annotated[
    bool,
    typer.Option("--page/--no-page", help="Write INDEX.HTM and the pictures that it shows (VIEWER/).", show_default="written"),
]
FilesArgument = Annotated[
    list[Path], typer.Argument(metavar="PATH...", help="DICOM files, and folders that are searched for them.")
]


@app.command("create")
def create(
    root: MediumArgument,
    paths: FilesArgument,
    file_set_id: Annotated[str, typer.Option("--id", help="The File-set ID: at most 16 of A-Z, 0-9, blank, underscore.")] = "",
    page: PageOption = True,
    as_json: JsonOption = False,
) -> None:
    """Make a medium: copy objects to a folder, and write the DICOMDIR that names them.

    Data sets are copied bit for bit, compressed ones as they are, and compared with what the disk gives back. The DICOMDIR is
    written when all copies are on the disk: run the command again when it was cut off, it goes on where it was.

    Exit status 0: every DICOM file is on the medium. 1: some are not, and it is said why.
    """
    medium = Medium.create(root, file_set_id)
    add_files(medium, list(files_below(paths)), page, as_json)


@app.command("add")
def add(root: MediumArgument, paths: FilesArgument, page: PageOption = True, as_json: JsonOption = False) -> None:
    """Extend a medium, whoever made it, by objects that it does not have yet.

    Exit status as that of create.
    """
    add_files(Medium.open(root), list(files_below(paths)), page, as_json)


app.command("export")(export)


@app.command("list")
def list_(root: MediumArgument, as_json: JsonOption = False) -> None:
    """List what a DICOMDIR names: patients, studies, series and how many objects each has."""
    medium = Medium.open(root)
    if as_json:
        out.print_json(json.dumps([_described(record) for record in medium.directory.roots]))
        return
    table = Table(box=None, padding=(0, 2), header_style="bold")
    for heading in ("patient", "study", "series", "objects"):
        table.add_column(heading)
    for patient, study, series in _series(medium):
        table.add_row(
            *(_named(it, *keywords) for it, keywords in zip((patient, study, series), _SAID, strict=True)),
            str(sum(1 for record in series.walk() if record.file_id)),
        )
    out.print(table, highlight=False, markup=False)


@app.command("check")
def check_(root: MediumArgument, as_json: JsonOption = False) -> None:
    """Check that every file which a DICOMDIR names is there and is the object that it says.

    Exit status 0: nothing is wrong. 1: what is wrong is listed.
    """
    medium = Medium.open(root)
    count = sum(1 for _ in medium.objects())
    with progress("checking", count) as tell:
        found = check(medium, tell)
    if as_json:
        out.print_json(json.dumps({"objects": count, "problems": refusals(found)}))
    else:
        out.print(f"{numbered(count, 'object')}, {numbered(len(found), 'problem') if found else 'no problems'}", highlight=False)
        tell_refusals(found)
    raise typer.Exit(1 if found else 0)


@app.command("page")
def page_(root: MediumArgument) -> None:
    """Write the page that shows a medium in a browser, INDEX.HTM, whoever made the medium."""
    with Medium.open(root) as medium:
        if not show_page(medium):
            raise typer.Exit(1)
    out.print(f"{medium.root / PAGE} is written", highlight=False, markup=False, soft_wrap=True)


class OriginIndex(StrEnum):
    """ORIGIN INDEX (#2005 field 45): where images were made."""

    VA = "V"
    FEE = "F"
    DOD = "D"
    OTHER = "N"


@app.command("import")
def import_(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Media (their folder or DICOMDIR), folders without one, DICOM files.")
    ],
    origin: Annotated[
        OriginIndex, typer.Option(help="Where the images were made: V VA, F fee basis, D DoD, N elsewhere.")
    ] = OriginIndex.OTHER,
    everything: Annotated[bool, typer.Option("--all", help="Look at every file, whatever a DICOMDIR names.")] = False,
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hand the objects of media to the gateway, which stores them with the importer's flag.

    The gateway of the data directory takes them over when it has nothing else to file, or at its next start. What fits no exam
    goes to import reconciliation (#2006.5752). Objects that the gateway knows already, bit for bit, are left: a command that was
    cut off is run again.

    Exit status 0: every object that was found is the gateway's. 1: some are not, and it is said why.
    """
    settings = load_settings(config, data=data)
    found = Import()
    limits = Limits(settings.gateway.max_object_bytes, settings.gateway.free_space_floor_bytes)
    files = [file for path in paths for file in files_of(path, everything, found)]
    with progress("handing over", len(files)) as tell:
        hand_over(files, imports_of(settings.gateway_directory), origin, limits, SystemClock(), found, tell)
    running = read_run_file(settings.gateway_directory) is not None
    if as_json:
        told = {
            "handed_over": found.handed,
            "bytes": found.bytes,
            "no_dicom": [str(path) for path in found.no_dicom],
            "missing": refusals(found.missing),
            "refused": refusals(found.refused),
            "gateway_running": running,
        }
        out.print_json(json.dumps(told))
    else:
        said = [f"{numbered(found.handed, 'object')} handed over ({found.bytes / 1e6:.1f} MB)"]
        said += [f"{len(found.no_dicom)} no DICOM"] * bool(found.no_dicom)
        when = "the gateway files them" if running else "no gateway runs here: it files them after its next start"
        out.print(f"{', '.join(said)}; {when}", highlight=False, markup=False, soft_wrap=True)
        tell_refusals(found.missing + found.refused)
    raise typer.Exit(1 if found.missing or found.refused or not found.handed else 0)


_SAID = (
    ("PatientName", "PatientID"),
    ("StudyDate", "StudyDescription", "AccessionNumber"),
    ("Modality", "SeriesNumber", "SeriesDescription"),
)


def _series(medium: Medium) -> Iterator[tuple[Record, Record, Record]]:
    for patient in medium.directory.roots:
        for study in patient.below:
            yield from ((patient, study, series) for series in study.below)


def _named(record: Record, *keywords: str) -> str:
    return " ".join(text for text in map(record.text, keywords) if text)


def _described(record: Record) -> dict[str, Any]:
    """Give a record, and those below it, as JSON has it: its values by keyword."""
    values = {
        element.keyword: record.text(element.keyword) for element in record.dataset if element.tag.group != 4 and element.keyword
    }
    described: dict[str, Any] = {"type": record.type, **{name: value for name, value in values.items() if value}}
    if record.file_id:
        described |= {
            "file": "/".join(record.file_id),
            "sop_instance_uid": record.sop_instance_uid,
            "transfer_syntax": record.text("ReferencedTransferSyntaxUIDInFile"),
        }
    if record.below:
        described["below"] = [_described(it) for it in record.below]
    return described
