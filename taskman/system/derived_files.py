"""Derived files: abstracts, .TGA and .BIG files are made from the DICOM objects that a gateway filed, and registered."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, String, bindparam, select, tuple_

from fileman import (
    DERIVED_FILES_OPTION,
    NEVER,
    PLACEHOLDER,
    THERE,
    WAITING,
    Event,
    Folder,
    Settled,
    big_file_name,
    file_name,
    forget_derived_files,
    read_folders,
    record_events,
    settle_derived_files,
)
from fileman.files import DerivedFile, Image
from taskman.context import TaskContext
from taskman.endings import Deleted, Ending
from taskman.pictures import Kind, Painter, PictureFile
from taskman.routines import routine
from taskman.system.batches import change, rows_of
from taskman.system.days import seconds_ago
from taskman.system.folders import LocationUnfit, NoFile, file_in, folder_of, path_in
from taskman.variables import read_variables

#: Awaited files that are looked up at a time, and images that one run takes up.
BATCH, MOST = 100, 5_000
VARIABLES = {"days": 7.0}
#: A reason is cut to this many characters.
REASON_LIMIT = 300
_SAID = {THERE: "with all files", PLACEHOLDER: "with placeholders", NEVER: "without its files"}

#: A row of the selection below.
Awaited = Row[*tuple[Any, ...]]

_NEXT = (
    select(
        DerivedFile.image,
        DerivedFile.file_type,
        DerivedFile.expected_at,
        Image.ien,
        Image.uid,
        Image.file_ref,
        Image.location,
        Image.abstract_location,
        Image.big_location,
        Image.big_extension,
    )
    .join(Image, Image.ien == DerivedFile.image, isouter=True)
    .where(
        DerivedFile.state == WAITING,
        tuple_(DerivedFile.image, DerivedFile.file_type)
        > tuple_(bindparam("after_image"), bindparam("after_type", type_=String)),
    )
    .order_by(DerivedFile.image, DerivedFile.file_type)
    .limit(BATCH)
)

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Tally:
    """What became of the images that were taken up; `waits` says why the last that was left waits."""

    settled: dict[str, int] = field(default_factory=lambda: dict.fromkeys((THERE, PLACEHOLDER, NEVER), 0))
    waits: str = ""

    def count(self, image: int, files: Mapping[str, Settled]) -> None:
        """Count an image by the worst that was said of its files, and log what there is to be said."""
        worst = next(it for state in (NEVER, PLACEHOLDER, THERE) for it in files.values() if it.state == state)
        self.settled[worst.state] += 1
        if worst.state != THERE:
            log.warning("image %d is %s: %s", image, _SAID[worst.state], worst.reason)

    def __str__(self) -> str:
        """Say it."""
        counts = ", ".join(f"{count} {_SAID[state]}" for state, count in self.settled.items())
        return f"images: {counts}" + (f"; others wait: {self.waits}" if self.waits else "")


@routine(
    "DERIVED^MAGBSYS",
    subject=lambda _arguments: "DERIVED^MAGBSYS",
    option=DERIVED_FILES_OPTION,
    frequency="15S",
    variables=VARIABLES,
)
def make_derived_files(task: TaskContext) -> Ending:
    """Make the abstracts of new images, and their .TGA and .BIG files, from the DICOM objects that were filed.

    A file that is there is never made again. An object that has no picture, or none that can be decoded, gets placeholders. An
    image whose network location is not there is tried by each run for some days, and never after that. A run that finds
    nothing leaves no record.
    """
    limits = read_variables(VARIABLES, task.arguments)
    folders = task.store.read(lambda connection: read_folders(connection, task.data))
    tally, after, taken = Tally(), (0, ""), 0
    give_up = seconds_ago(task.clock, limits["days"])
    with Painter() as painter:
        while taken < MOST and not task.stop_requested():
            rows = rows_of(task, _NEXT, {"after_image": after[0], "after_type": after[1]})
            for _image, group in groupby(rows, lambda row: row.image):
                if not task.interrupted():
                    _take_up(task, list(group), folders, painter, give_up, tally)
            taken += len(rows)
            if len(rows) < BATCH:
                break
            after = (rows[-1].image, rows[-1].file_type)
    if any(tally.settled.values()) or task.signals.heeded.is_set():
        task.say(str(tally))
        return None
    return Deleted()


def _take_up(
    task: TaskContext, rows: Sequence[Awaited], folders: Mapping[int, Folder], painter: Painter, give_up: float, tally: Tally
) -> None:
    """Bring the awaited files of one image to an end, or leave them for a later run. Raises NoPainter."""
    image = rows[0]
    if image.ien is None:
        change(task, _forget, image.image)
        return
    try:
        files = _make(rows, folders, painter)
    except (NoFile, LocationUnfit) as problem:
        if isinstance(problem, LocationUnfit) and image.expected_at > give_up:
            tally.waits = str(problem)
            return
        files = {row.file_type: Settled(NEVER, str(problem)[:REASON_LIMIT]) for row in rows}
    if change(task, _settle, image, files):
        tally.count(image.image, files)


def _make(rows: Sequence[Awaited], folders: Mapping[int, Folder], painter: Painter) -> dict[str, Settled]:
    """Make what is not there yet. Raises NoFile, LocationUnfit and NoPainter.

    A process that dies on the way leaves whole files only; the next run finds them and makes the others.
    """
    paths = {row.file_type: _path(row, folders) for row in rows}
    missing = {file_type: path for file_type, path in paths.items() if not path.is_file()}
    settled = dict.fromkeys(paths, Settled(THERE))
    if missing:
        image = rows[0]
        source = file_in(folder_of(image.location, folders), file_name(image.file_ref, "DICOM"))
        painted = painter.paint(source, [PictureFile(_kind(image, it), path) for it, path in missing.items()])
        if painted.failed:
            raise LocationUnfit(painted.failed)
        if painted.reason:
            settled |= dict.fromkeys(missing, Settled(PLACEHOLDER, painted.reason[:REASON_LIMIT]))
    return settled


def _path(row: Awaited, folders: Mapping[int, Folder]) -> Path:
    """Give the place of an awaited file. Raises NoFile for a BIG file that is the object itself and is not there."""
    if row.file_type == "BIG":
        name, folder = big_file_name(row.file_ref, row.big_extension), folder_of(row.big_location, folders)
        return file_in(folder, name) if row.big_extension == "DCM" else path_in(folder, name)
    location = row.abstract_location if row.file_type == "ABSTRACT" else row.location
    return path_in(folder_of(location, folders), file_name(row.file_ref, row.file_type))


def _kind(image: Awaited, file_type: str) -> Kind:
    if file_type == "ABSTRACT":
        return Kind.ABSTRACT
    return Kind.REDUCED if file_type == "FULL" and image.big_extension else Kind.FULL


def _settle(task: TaskContext, connection: Connection, image: Awaited, files: Mapping[str, Settled]) -> bool:
    task.fence(connection)
    if not settle_derived_files(connection, image.image, files):
        return False
    who = ("DERIVE", task.clock.seconds(), f"task {task.number}")
    events = [
        Event(image.uid, image.image, *who, it.state.lower(), f"{file_type} {it.reason}".strip())
        for file_type, it in files.items()
    ]
    record_events(connection, events)
    return True


def _forget(task: TaskContext, connection: Connection, image: int) -> None:
    task.fence(connection)
    forget_derived_files(connection, image)
