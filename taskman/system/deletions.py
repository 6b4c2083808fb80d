"""Files of images that were taken back: what waits in the DELETE queue (#2006.03) is removed from its network location."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, exists, func, select, update

from fileman import (
    EXTENSIONS,
    Event,
    Folder,
    UnsafePath,
    hashed_directories,
    note_processed,
    read_folders,
    record_events,
    to_fileman,
)
from fileman.files import BackgroundQueue, Image, ImageAudit, ImagingSite, NetworkLocation
from taskman.context import TaskContext
from taskman.endings import Deleted, Ending
from taskman.routines import routine
from taskman.system.batches import change, rows_of
from taskman.system.folders import NOWHERE, LocationUnfit, NotDeleted, remove_file

#: Entries of one transaction, and those of a place that one run brings to an end; what waits does not count.
BATCH, MOST = 100, 10_000
#: The endings of an image's own file, and of those beside it: by these another image is found that has a file of that name.
_ENDINGS = ("TGA", *EXTENSIONS.values())
_NUMBER = re.compile(r"[0-9]{1,9}$")

#: A row of one of the selections below.
Entry = Row[*tuple[Any, ...]]

_PLACES = select(ImagingSite.ien).order_by(ImagingSite.ien)
_WAITING = (
    BackgroundQueue.place == bindparam("place_"),
    BackgroundQueue.queue == "DELETE",
    BackgroundQueue.status == "NOT_PROCESSED",
)
#: Tells of an entry that its file lies below a network location that is away.
_IS_AWAY = exists().where(
    NetworkLocation.ien.in_(bindparam("away", expanding=True)),
    NetworkLocation.physical != "",
    func.substr(BackgroundQueue.file_path, 1, func.length(NetworkLocation.physical)) == NetworkLocation.physical,
)
_NEXT = (
    select(BackgroundQueue.ien, BackgroundQueue.file_path)
    .where(*_WAITING, BackgroundQueue.ien > bindparam("after"), ~_IS_AWAY)
    .order_by(BackgroundQueue.ien)
    .limit(BATCH)
)
_THIS = (BackgroundQueue.ien == bindparam("entry")) & (BackgroundQueue.status == "NOT_PROCESSED")
_TAKE_OUT = delete(BackgroundQueue).where(_THIS)
_SET_ASIDE = update(BackgroundQueue).where(_THIS).values(status="FAILED", reason=bindparam("why"))
_NAMED = select(Image.ien).where(Image.file_ref.in_(bindparam("names", expanding=True)), Image.file_ref != "").limit(1)
_DELETED = select(ImageAudit.uid, ImageAudit.file_ref).where(ImageAudit.ien == bindparam("image_"))

REMOVED, NOT_THERE, KEPT, FAILED = "deleted", "was not there any more", "kept", "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an entry; `why` says so of one that was kept or failed."""

    entry: int
    path: str
    what: str
    why: str = ""


@dataclass(slots=True)
class Tally:
    """What became of the entries of a place; `away` says which network locations have files that wait, and why."""

    counts: Counter[str] = field(default_factory=Counter)
    away: dict[int, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """Say it; nothing when nothing was there to be done."""
        said = [f"{self.counts[what]} {what}" for what in (REMOVED, NOT_THERE, KEPT, FAILED) if self.counts[what]]
        return ", ".join([*said, *([f"files wait: {', '.join(self.away.values())}"] if self.away else [])])


@routine(
    "DELETE^MAGBSYS",
    subject=lambda _arguments: "DELETE^MAGBSYS",
    option="MAGB DELETE FILES",
    frequency="600S",
)
def delete_files(task: TaskContext) -> Ending:
    """Delete the files of images that were taken back from their network locations.

    An entry leaves the queue when its file is gone, and when an image that is on file has a file of that name, which stays. A
    path that leads into no network location, and a file that cannot be removed, set the entry aside (FAILED) with the reason.
    Files of a location that is off line, or whose folder is not there, wait; a run looks at a few of them only.
    """
    folders = task.store.read(lambda connection: read_folders(connection, task.data))
    ours = [folder for folder in folders.values() if not folder.router]
    tallies = ((place.ien, str(_delete_of_place(task, place.ien, ours))) for place in rows_of(task, _PLACES, {}))
    said = [f"place {place}: {tally}" for place, tally in tallies if tally]
    if said:
        task.say("; ".join(said))
    return Deleted() if not said and not task.signals.heeded.is_set() else None


def _delete_of_place(task: TaskContext, place: int, folders: list[Folder]) -> Tally:
    tally, after, done = Tally(), 0, 0
    while done < MOST and not task.stop_requested():
        rows = rows_of(task, _NEXT, {"place_": place, "after": after, "away": [NOWHERE, *tally.away]})
        outcomes = [outcome for row in rows if (outcome := _delete(task, row, folders, tally)) is not None]
        if outcomes:
            change(task, _write, place, outcomes)
        tally.counts.update(outcome.what for outcome in outcomes)
        if len(rows) < BATCH:
            break
        done, after = done + len(outcomes), rows[-1].ien
    return tally


def _delete(task: TaskContext, row: Entry, folders: list[Folder], tally: Tally) -> Outcome | None:
    """Delete one file; None while it waits. Whatever dies after it, the next run finds the file gone."""
    name = row.file_path.rpartition("\\")[2]
    root = name.partition(".")[0]
    names = sorted({name, *(f"{root}.{ending}" for ending in _ENDINGS)})
    image = task.store.read(lambda connection: connection.execute(_NAMED, {"names": names}).scalar())
    if image is not None:
        return Outcome(row.ien, row.file_path, KEPT, f"image {image} has files of that name")
    try:
        folder = _folder_of(row.file_path, name, folders)
        if folder.ien in tally.away:
            return None
        return Outcome(row.ien, row.file_path, REMOVED if remove_file(folder, name) else NOT_THERE)
    except LocationUnfit as problem:
        tally.away[problem.location] = str(problem)
        return None
    except (NotDeleted, UnsafePath) as problem:
        return Outcome(row.ien, row.file_path, FAILED, str(problem))


def _folder_of(path: str, name: str, folders: list[Folder]) -> Folder:
    """Find the network location that a path leads into. Raises NotDeleted when there is none, or more than one."""
    hashed = "\\".join([*hashed_directories(name), name])
    found = [it for it in folders if it.physical and path == it.physical + (hashed if it.hash else name)]
    if len(found) != 1:
        raise NotDeleted(f"{len(found) or 'no'} network locations have this path")
    return found[0]


def _write(task: TaskContext, connection: Connection, place: int, outcomes: list[Outcome]) -> None:
    """Take entries out of the queue, set those aside that failed, and tell the story of their images."""
    task.fence(connection)
    moment, events = to_fileman(task.clock.now()), []
    for outcome in outcomes:
        statement = _SET_ASIDE if outcome.what == FAILED else _TAKE_OUT
        values = {"entry": outcome.entry, "why": outcome.why} if outcome.what == FAILED else {"entry": outcome.entry}
        if connection.execute(statement, values).rowcount != 1:
            continue
        note_processed(connection, place, "DELETE", outcome.entry, moment)
        events.append(_event(task, connection, outcome))
    record_events(connection, events)


def _event(task: TaskContext, connection: Connection, outcome: Outcome) -> Event:
    """Tell what became of a file, in the story of the deleted image whose it was where the audit file still has it."""
    root = outcome.path.rpartition("\\")[2].partition(".")[0]
    number = _NUMBER.search(root)
    row = connection.execute(_DELETED, {"image_": int(number[0])}).first() if number else None
    ours = row is not None and row.file_ref.partition(".")[0] == root
    uid, image = (str(row.uid), int(number[0])) if ours and row is not None and number else ("", None)
    detail = f"{outcome.path}: {outcome.why}" if outcome.why else outcome.path
    return Event(uid, image, "DELETE", task.clock.seconds(), f"task {task.number}", outcome.what, detail)
