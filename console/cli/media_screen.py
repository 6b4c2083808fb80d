"""What the commands about media show: bars, what was added, what was refused."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.progress import Progress

from console.cli.options import err, out
from console.media import Addition, Medium, Refusal, write_page
from console.media.medium import Tell
from console.media.pictures import PAGE


def add_files(medium: Medium, files: Sequence[Path], page: bool, as_json: bool, refused: Sequence[Refusal] = ()) -> None:
    """Extend a medium, tell what was done, and end the command; `refused` were files that could not even be tried."""
    with medium:
        with progress("copying", len(files)) as tell:
            addition = medium.add(files, tell)
        if page and medium.is_there(medium.root):
            show_page(medium)
    addition.refused[:0] = refused
    _tell_addition(medium, addition, as_json)
    raise typer.Exit(1 if addition.refused or not addition.added + addition.known else 0)


def show_page(medium: Medium) -> bool:
    """Write the page of a medium; False where it is another program's."""
    with progress("painting", sum(1 for _ in medium.objects())) as tell:
        written = write_page(medium, tell)
    if not written:
        err.print(f"{medium.root / PAGE} is another program's and stays as it is", style="yellow", highlight=False, markup=False)
    return written


def _tell_addition(medium: Medium, addition: Addition, as_json: bool) -> None:
    count = sum(1 for _ in medium.objects())
    if as_json:
        told = {
            "medium": str(medium.root),
            "added": addition.added,
            "bytes": addition.bytes,
            "known": addition.known,
            "outside_std_gen_cd": addition.outside,
            "no_dicom": [str(path) for path in addition.no_dicom],
            "refused": refusals(addition.refused),
            "objects": count,
        }
        out.print_json(json.dumps(told))
        return
    said = [f"{numbered(addition.added, 'object')} added ({addition.bytes / 1e6:.1f} MB)"]
    said += [f"{addition.known} there already"] * bool(addition.known)
    said += [f"{len(addition.no_dicom)} no DICOM"] * bool(addition.no_dicom)
    said += [f"{len(addition.refused)} refused"] * bool(addition.refused)
    out.print(f"{medium.root}: {', '.join(said)}; {count} in all", highlight=False, markup=False, soft_wrap=True)
    if addition.outside:
        text = f"{addition.outside} of them are not in Explicit VR Little Endian: the medium is not STD-GEN-CD (PS3.11 D)."
        err.print(text, style="yellow", highlight=False, markup=False, soft_wrap=True)
    tell_refusals(addition.refused)
    if not count:
        err.print(f"There is nothing to put on {medium.root}: no DICOMDIR was made.", style="red", markup=False, soft_wrap=True)


def numbered(count: int, what: str) -> str:
    """Count things in words, one or many."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def tell_refusals(refused: list[Refusal]) -> None:
    for it in refused:
        err.print(f"{it.path}: {it.reason}", style="red", highlight=False, markup=False, soft_wrap=True)


def refusals(refused: list[Refusal]) -> list[dict[str, str]]:
    return [{"path": str(it.path), "reason": it.reason} for it in refused]


@contextmanager
def progress(doing: str, count: int) -> Iterator[Tell]:
    """Show a bar on a terminal; what is given hears of each file."""
    with Progress(console=err, transient=True, disable=not err.is_terminal) as progress:
        bar = progress.add_task(doing, total=count)
        yield lambda path: progress.update(bar, advance=1, description=f"{doing} {path.name}")
