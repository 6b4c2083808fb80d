"""The long-term copy: what waits in the JUKEBOX queue (#2006.03) is copied to its place's jukebox, and the image says so."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, exists, func, select, update

from fileman import (
    ARE_MADE,
    WAITING,
    Event,
    Folder,
    big_file_name,
    file_name,
    handlings,
    image_moved,
    note_processed,
    read_folders,
    record_events,
    to_fileman,
)
from fileman.files import BackgroundQueue, DerivedFile, Image, ImagingSite
from taskman.context import TaskContext
from taskman.endings import Deleted, Ending
from taskman.routines import routine
from taskman.system.batches import rows_of
from taskman.system.folders import NOWHERE, LocationUnfit, NoFile, folder_of, is_file_in, of_object
from taskman.system.whole_files import NotCopied, copy_file

#: Entries that are looked up at a time, and images that one run copies.
BATCH, MOST = 50, 5_000
#: An error's text is cut to this many characters.
REASON_LIMIT = 300
#: Statuses of entries that are not copied: those that cannot be, and those that are not to be.
FAILED, SKIPPED = "FAILED", "SKIPPED"

#: A row of one of the selections below.
Entry = Row[*tuple[Any, ...]]

_PLACES = select(ImagingSite.ien, ImagingSite.namespace, ImagingSite.jukebox_location).order_by(ImagingSite.ien)
_WAITING = (BackgroundQueue.queue == "JUKEBOX") & (BackgroundQueue.status == "NOT_PROCESSED")
#: Its .TGA or .BIG file is yet to be made; abstracts stay where they are.
_UNFINISHED = exists().where(
    DerivedFile.image == BackgroundQueue.image, DerivedFile.file_type.in_(["FULL", "BIG"]), DerivedFile.state == WAITING, ARE_MADE
)
_NEXT = (
    select(
        BackgroundQueue.ien,
        BackgroundQueue.image,
        BackgroundQueue.place,
        Image.file_ref,
        Image.location,
        Image.jukebox_location,
        Image.big_location,
        Image.big_extension,
        Image.uid,
    )
    .join(Image, Image.ien == BackgroundQueue.image, isouter=True)
    .where(BackgroundQueue.place == bindparam("place_"), _WAITING, BackgroundQueue.ien > bindparam("after"), ~_UNFINISHED)
    .where(*(func.coalesce(it, 0).not_in(bindparam("away", expanding=True)) for it in (Image.location, Image.big_location)))
    .order_by(BackgroundQueue.ien)
    .limit(BATCH)
)
_ANY = select(BackgroundQueue.ien).where(BackgroundQueue.place == bindparam("place_"), _WAITING).limit(1)
_THIS = (BackgroundQueue.ien == bindparam("entry")) & (BackgroundQueue.status == "NOT_PROCESSED")
_TAKE_OUT = delete(BackgroundQueue).where(_THIS)
_SET_ASIDE = update(BackgroundQueue).where(_THIS).values(status=bindparam("as_"), reason=bindparam("why"))
_COPIED = (
    update(Image)
    .where(Image.ien == bindparam("image_"))
    .values(jukebox_location=bindparam("where_"), big_jukebox_location=bindparam("big"))
)


@dataclass(slots=True)
class Tally:
    """What became of the entries of a place; `waits` says why the rest of them wait."""

    copied: int = 0
    failed: int = 0
    never: int = 0
    waits: str = ""
    away: set[int] = field(default_factory=set)

    @property
    def taken_up(self) -> int:
        """How many entries came to an end."""
        return self.copied + self.failed + self.never

    def wait(self, problem: LocationUnfit) -> None:
        """Leave the entries of a network location that is not there to a later run."""
        self.away.add(problem.location)
        self.waits += f"{', ' if self.waits else ', the others wait: '}{problem}"


@routine(
    "JUKEBOX^MAGBSYS",
    subject=lambda _arguments: "JUKEBOX^MAGBSYS",
    option="MAGB COPY LONG-TERM",
    frequency="60S",
)
def copy_long_term(task: TaskContext) -> Ending:
    """Copy new images, with their .DCM, .TXT and .BIG files, to the long-term location of their place.

    An entry leaves the queue when its files are on disk there, compared, and the image names the location. One that cannot be
    copied is set aside (FAILED) with the reason, and so is one that is never to be archived (SKIPPED). A place without a
    long-term location that is on line keeps its entries, and an image whose .TGA or .BIG file is yet to be made waits for that,
    unless their making is not scheduled, or paused.
    """
    folders = task.store.read(lambda connection: read_folders(connection, task.data))
    places = task.store.read(lambda connection: connection.execute(_PLACES).all())
    said, nothing = [], True
    for place in places:
        if not rows_of(task, _ANY, {"place_": place.ien}):
            continue
        tally = _copy_place(task, place.ien, folders.get(place.jukebox_location or 0), folders)
        nothing = nothing and not tally.taken_up
        never = f", {tally.never} never to be archived" if tally.never else ""
        said.append(f"place {place.ien}: {tally.copied} images copied, {tally.failed} set aside{never}{tally.waits}")
    if said:
        task.say("; ".join(said))
    return Deleted() if nothing and not task.signals.heeded.is_set() else None


def _copy_place(task: TaskContext, place: int, target: Folder | None, folders: dict[int, Folder]) -> Tally:
    tally, after = Tally(), 0
    if target is None or target.kind != "JUKEBOX" or not target.online:
        tally.waits = ", the others wait for a long-term location that is on line"
        return tally
    while tally.taken_up < MOST:
        key = {"place_": place, "after": after, "away": [NOWHERE, *tally.away]}
        rows = rows_of(task, _NEXT, key)
        handled = task.store.read(partial(handlings, images=[row.image for row in rows]))
        for row in rows:
            if task.stop_requested():
                return tally
            handling = handled.get(row.image)
            if handling is not None and handling.do_not_archive:
                _set_aside(task, row, f"{handling.said_by} says: never archive it", SKIPPED)
                tally.never += 1
                continue
            if not tally.away.isdisjoint((row.location, row.big_location)):
                continue
            try:
                _copy_image(task, row, target, folders)
                tally.copied += 1
            except (NotCopied, NoFile) as problem:
                _set_aside(task, row, str(problem), FAILED)
                tally.failed += 1
            except LocationUnfit as problem:
                tally.wait(problem)
                if problem.location == target.ien:
                    return tally
        if len(rows) < BATCH:
            return tally
        after = rows[-1].ien
    return tally


def _copy_image(task: TaskContext, row: Entry, target: Folder, folders: dict[int, Folder]) -> None:
    """Copy an image's files and write it down. Whatever dies between, the next run does it again and finds the same files."""
    if row.file_ref is None:
        raise NotCopied(f"there is no image {row.image}")
    if not row.file_ref:
        raise NotCopied("the image has no file")
    source = folder_of(row.location, folders)
    big_source = folder_of(row.big_location, folders) if row.big_location else source
    copy_file(source, target, row.file_ref)
    for file_type in ("DICOM", "TEXT"):
        _copy_companion(source, target, file_name(row.file_ref, file_type))
    big = _copy_companion(big_source, target, big_file_name(row.file_ref, row.big_extension))
    task.store.transact(lambda connection: _write_copied(task, connection, row, target, big))


def _copy_companion(source: Folder, target: Folder, name: str) -> bool:
    """Copy a file that an image may have beside its own; false when it has none. One that is copied already is left."""
    if not is_file_in(source, name):
        return False
    copy_file(source, target, name)
    return True


def _write_copied(task: TaskContext, connection: Connection, row: Entry, target: Folder, big: bool) -> None:
    task.fence(connection)
    if connection.execute(_TAKE_OUT, {"entry": row.ien}).rowcount != 1:
        return
    values = {"image_": row.image, "where_": target.ien, "big": target.ien if big else None}
    connection.execute(_COPIED, values)
    short_term = of_object(row.big_extension, row.location, row.big_location)
    image_moved(connection, row.image, short_term, of_object(row.big_extension, target.ien, values["big"]))
    note_processed(connection, row.place, "JUKEBOX", row.ien, to_fileman(task.clock.now()))
    now = task.clock.seconds()
    record_events(connection, [Event(row.uid, row.image, "JUKEBOX", now, f"task {task.number}", "copied", target.name)])


def _set_aside(task: TaskContext, row: Entry, why: str, status: str) -> None:
    """Leave an entry in the queue with the reason why its image is not copied."""

    def write(connection: Connection) -> None:
        task.fence(connection)
        if connection.execute(_SET_ASIDE, {"entry": row.ien, "as_": status, "why": why[:REASON_LIMIT]}).rowcount != 1:
            return
        note_processed(connection, row.place, "JUKEBOX", row.ien, to_fileman(task.clock.now()))
        now = task.clock.seconds()
        record_events(connection, [Event(row.uid or "", row.image, "JUKEBOX", now, f"task {task.number}", status.lower(), why)])

    task.store.transact(write)
