"""Derived files: abstracts, .TGA and .BIG files are made from the DICOM objects that a gateway filed, and registered."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, String, and_, bindparam, func, or_, select, tuple_

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
from taskman.system.folders import NOWHERE, LocationUnfit, NoFile, file_in, folder_of, path_in
from taskman.variables import read_variables

#: Awaited files that are looked up at a time, and those that one run brings to an end.
BATCH, MOST = 100, 5_000
#: Images that one transaction settles, and seconds after which it does not wait for more of them.
SETTLED_AT_ONCE, LONGEST_UNSETTLED = 25, 1.0
#: Images whose files could not be written to a location before a run leaves the others of that location alone.
MOST_UNWRITTEN = 10
VARIABLES = {"days": 7.0}
#: A reason is cut to this many characters.
REASON_LIMIT = 300
_SAID = {THERE: "with all files", PLACEHOLDER: "with placeholders", NEVER: "without its files"}

#: A row of the selection below.
Awaited = Row[*tuple[Any, ...]]

_LOCATIONS = (Image.location, Image.abstract_location, Image.big_location)
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
        or_(
            DerivedFile.expected_at <= bindparam("give_up"),
            and_(*(func.coalesce(column, 0).not_in(bindparam("away", expanding=True)) for column in _LOCATIONS)),
        ),
    )
    .order_by(DerivedFile.image, DerivedFile.file_type)
    .limit(BATCH)
)

log = logging.getLogger(__name__)


class NotWritten(LocationUnfit):
    """A file could not be written to its network location."""


@dataclass(frozen=True, slots=True)
class Places:
    """The network locations for a batch of images, of which hundreds lie in one directory: each is checked once in it."""

    folders: Mapping[int, Folder]
    checked: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Made:
    """Images whose files were made, or will never be, since a moment; they are settled together."""

    since: float
    images: list[tuple[Awaited, Mapping[str, Settled]]] = field(default_factory=list)

    def is_due(self, now: float) -> bool:
        """Tell whether they are to be settled now."""
        return len(self.images) >= SETTLED_AT_ONCE or now - self.since >= LONGEST_UNSETTLED


@dataclass(slots=True)
class Tally:
    """What became of the images that were taken up; `away` says which locations others wait for, and why."""

    settled: dict[str, int] = field(default_factory=lambda: dict.fromkeys((THERE, PLACEHOLDER, NEVER), 0))
    away: dict[int, str] = field(default_factory=dict)
    unwritten: Counter[int] = field(default_factory=Counter)
    waits: str = ""

    def count(self, image: int, files: Mapping[str, Settled]) -> None:
        """Count an image by the worst that was said of its files, and log what there is to be said."""
        worst = next(it for state in (NEVER, PLACEHOLDER, THERE) for it in files.values() if it.state == state)
        self.settled[worst.state] += 1
        if worst.state != THERE:
            log.warning("image %d is %s: %s", image, _SAID[worst.state], worst.reason)

    def wait(self, problem: LocationUnfit) -> None:
        """Leave an image to a later run, and the others of its location with it, unless that may be the fault of one folder."""
        self.waits = str(problem)
        self.unwritten[problem.location] += isinstance(problem, NotWritten)
        if not isinstance(problem, NotWritten) or self.unwritten[problem.location] >= MOST_UNWRITTEN:
            self.away[problem.location] = str(problem)

    def __str__(self) -> str:
        """Say it."""
        counts = ", ".join(f"{count} {_SAID[state]}" for state, count in self.settled.items())
        waits = list(dict.fromkeys([*self.away.values(), *filter(None, [self.waits])]))
        return f"images: {counts}" + (f"; others wait: {', '.join(waits)}" if waits else "")


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
    image whose network location is not there is tried by each run for some days, and never after that; it keeps no image of
    another location waiting. A run that finds nothing leaves no record.
    """
    limits = read_variables(VARIABLES, task.arguments)
    folders = task.store.read(lambda connection: read_folders(connection, task.data))
    tally, made, after, taken = Tally(), Made(task.clock.seconds()), (0, ""), 0
    give_up = seconds_ago(task.clock, limits["days"])
    with Painter() as painter:
        while taken < MOST and not task.stop_requested():
            key = {"after_image": after[0], "after_type": after[1], "give_up": give_up, "away": [NOWHERE, *tally.away]}
            rows = rows_of(task, _NEXT, key)
            places = Places(folders)
            for _image, group in groupby(rows, lambda row: row.image):
                if not task.interrupted():
                    taken += _take_up(task, list(group), places, painter, give_up, tally, made)
                if made.is_due(task.clock.seconds()):
                    _settle_all(task, made, tally)
            _settle_all(task, made, tally)
            if not rows:  # while images arrive the run goes on, with the painter that it has started
                break
            after = (rows[-1].image, rows[-1].file_type)
    if any(tally.settled.values()) or tally.waits or task.signals.heeded.is_set():
        task.say(str(tally))
        return None
    return Deleted()


def _take_up(
    task: TaskContext,
    rows: Sequence[Awaited],
    places: Places,
    painter: Painter,
    give_up: float,
    tally: Tally,
    made: Made,
) -> int:
    """Make the awaited files of one image, or leave them for a later run; tell how many. Raises NoPainter."""
    image = rows[0]
    if image.ien is None:
        change(task, _forget, image.image)
        return len(rows)
    if image.expected_at > give_up and not tally.away.keys().isdisjoint(_locations(image)):
        return 0
    try:
        files = _make(rows, places, painter)
    except (NoFile, LocationUnfit) as problem:
        if isinstance(problem, LocationUnfit) and image.expected_at > give_up:
            tally.wait(problem)
            return 0
        files = {row.file_type: Settled(NEVER, str(problem)[:REASON_LIMIT]) for row in rows}
    made.images.append((image, files))
    return len(rows)


def _locations(image: Awaited) -> list[int | None]:
    return [image.location, image.abstract_location, image.big_location]


def _make(rows: Sequence[Awaited], places: Places, painter: Painter) -> dict[str, Settled]:
    """Make what is not there yet. Raises NoFile, LocationUnfit and NoPainter.

    A process that dies on the way leaves whole files only; the next run finds them and makes the others.
    """
    paths = {row.file_type: _path(row, places) for row in rows}
    missing = {file_type: path for file_type, path in paths.items() if not os.path.isfile(path)}
    settled = dict.fromkeys(paths, Settled(THERE))
    if missing:
        image = rows[0]
        source = file_in(folder_of(image.location, places.folders), file_name(image.file_ref, "DICOM"), places.checked)
        painted = painter.paint(source, [PictureFile(_kind(image, it), path) for it, path in missing.items()])
        if painted.failed:
            raise NotWritten(painted.failed, _location(image, next(iter(missing))))
        if painted.reason:
            settled |= dict.fromkeys(missing, Settled(PLACEHOLDER, painted.reason[:REASON_LIMIT]))
    return settled


def _path(row: Awaited, places: Places) -> Path:
    """Give the place of an awaited file. Raises NoFile for a BIG file that is the object itself and is not there."""
    folder = folder_of(_location(row, row.file_type), places.folders)
    if row.file_type == "BIG":
        name = big_file_name(row.file_ref, row.big_extension)
        return (file_in if row.big_extension == "DCM" else path_in)(folder, name, places.checked)
    return path_in(folder, file_name(row.file_ref, row.file_type), places.checked)


def _location(image: Awaited, file_type: str) -> int:
    """Give the number of the network location that a file belongs to."""
    columns = {"ABSTRACT": image.abstract_location, "BIG": image.big_location}
    return int(columns.get(file_type, image.location) or 0)


def _kind(image: Awaited, file_type: str) -> Kind:
    if file_type == "ABSTRACT":
        return Kind.ABSTRACT
    return Kind.REDUCED if file_type == "FULL" and image.big_extension else Kind.FULL


def _settle_all(task: TaskContext, made: Made, tally: Tally) -> None:
    """Settle what was made. A process that dies before leaves files that are there, and that the next run settles."""
    if made.images:
        settled = change(task, _settle, made.images)
        for image, files in made.images:
            if image.image in settled:
                tally.count(image.image, files)
    made.images, made.since = [], task.clock.seconds()


def _settle(task: TaskContext, connection: Connection, made: Sequence[tuple[Awaited, Mapping[str, Settled]]]) -> set[int]:
    task.fence(connection)
    settled = settle_derived_files(connection, {image.image: files for image, files in made})
    who = ("DERIVE", task.clock.seconds(), f"task {task.number}")
    events = [
        Event(image.uid, image.image, *who, it.state.lower(), f"{file_type} {it.reason}".strip())
        for image, files in made
        if image.image in settled
        for file_type, it in files.items()
    ]
    record_events(connection, events)
    return settled


def _forget(task: TaskContext, connection: Connection, image: int) -> None:
    task.fence(connection)
    forget_derived_files(connection, image)
