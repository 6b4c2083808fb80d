"""Recalled images: what somebody waits for comes back from long-term locations, in the order in which it was asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Float, Row, bindparam, delete, func, or_, select, update

from fileman import (
    FILE_POINTERS,
    Event,
    Folder,
    big_file_name,
    file_name,
    image_moved,
    read_folders,
    recalls,
    record_events,
    to_fileman,
    wake_after_commit,
)
from fileman.files import Image, ImagingSite, Recall, ReleasedFile
from taskman.context import TaskContext
from taskman.endings import Deleted, Ending
from taskman.errors import TaskManError
from taskman.routines import routine
from taskman.system.batches import change, rows_of
from taskman.system.days import seconds_ago
from taskman.system.folders import NOWHERE, LocationUnfit, NoFile, folder_of, is_file_in, of_object
from taskman.system.leftovers import SUBJECT, note_released, remove_left
from taskman.system.whole_files import Contents, NotCopied, copy_file

#: Images that are looked up at a time, and those that one run brings back.
BATCH, MOST = 50, 20_000
#: Seconds after which it is looked again at what could not come back.
FRESH = 15.0
#: An error's text is cut to this many characters.
REASON_LIMIT = 300
#: Days until it is forgotten that an image did not come back.
FAILED_DAYS = 7.0

#: A row of the selection below.
Entry = Row[*tuple[Any, ...]]

_NEXT = (
    select(
        Recall.image,
        Recall.asked_by,
        Recall.asked_at,
        *FILE_POINTERS,
        Image.uid,
    )
    .join(Image, Image.ien == Recall.image, isouter=True)
    .where(
        Recall.state == "WAITING",
        Recall.location.in_(bindparam("there", expanding=True)),
        Recall.asked_at >= bindparam("after_at", type_=Float),
        or_(Recall.asked_at > bindparam("after_at", type_=Float), Recall.image > bindparam("after_image")),
    )
    .order_by(Recall.asked_at, Recall.image)
    .limit(BATCH)
)
_WRITTEN_TO = select(ImagingSite.ien, func.coalesce(ImagingSite.pacs_write_location, ImagingSite.write_location, 0).label("to"))
_RELEASED = select(ReleasedFile.name, ReleasedFile.location, ReleasedFile.digest).where(
    ReleasedFile.image == bindparam("of_image")
)
_FORGET_RELEASED = delete(ReleasedFile).where(
    ReleasedFile.image == bindparam("of_image"),
    or_(ReleasedFile.removed, ReleasedFile.location == bindparam("of_location")),
)
_BACK = (
    update(Image)
    .where(Image.ien == bindparam("of_image"), Image.jukebox_location == bindparam("long_term"))
    .values(location=bindparam("target"), big_location=bindparam("big"), last_access=bindparam("moment"))
)
_DONE = delete(Recall).where(Recall.image == bindparam("of_image"))
_FAILED = (
    update(Recall)
    .where(Recall.image == bindparam("of_image"))
    .values(state="FAILED", reason=bindparam("why"), failed_at=bindparam("now"))
)
_FORGET_FAILED = delete(Recall).where(Recall.state == "FAILED", Recall.failed_at < bindparam("before"))


@routine(
    "RECALL^MAGBSYS",
    subject=lambda _arguments: SUBJECT,
    busy=lambda _task: Deleted(),
    option="MAGB RECALL IMAGES",
    frequency="15S",
)
def recall_images(task: TaskContext) -> Ending:
    """Bring images back from long-term locations that somebody waits for, in the order in which they were asked for.

    Each goes where it was released from, or to the location that its place writes to now, when its bytes are what they were.
    One that cannot come back is set aside (FAILED) with the reason; one whose medium is off line waits. MAGB RECALL begins a
    run at once; while images are released, it is that run which brings others back.
    """
    folders = task.store.read(lambda connection: read_folders(connection, task.data))
    recalling = Recalling(task, folders)
    recalling.work_off()
    task.store.transact(lambda connection: _forget_failed(task, connection))
    if told := str(recalling):
        task.say(told)
    return Deleted() if not told and not task.signals.heeded.is_set() else None


def _forget_failed(task: TaskContext, connection: Connection) -> None:
    task.fence(connection)
    connection.execute(_FORGET_FAILED, {"before": seconds_ago(task.clock, FAILED_DAYS)})


class NoTarget(TaskManError):
    """No short-term location takes images now."""


@dataclass(slots=True)
class Recalling:
    """Brings back what is waited for, as often as it is asked to. What came of it is counted; `after` is how far it got.

    What it found in its way counts for FRESH seconds: then there may be room, and a medium, and it looks at everything again.
    """

    task: TaskContext
    folders: Mapping[int, Folder]
    back: int = 0
    failed: int = 0
    left: int = 0
    away: dict[int, str] = field(default_factory=dict)
    stay: list[str] | None = None
    after: tuple[float, int] = (0.0, 0)
    looked_at: float = field(init=False)

    def __post_init__(self) -> None:
        """Begin now."""
        self.looked_at = self.task.clock.seconds()

    def __str__(self) -> str:
        """Say it; nothing when there was nothing to be done."""
        counts = ((self.back, "are back"), (self.failed, "cannot come back"), (self.left, "wait"))
        said = [f"{count} images {what}" for count, what in counts if count]
        return ", ".join([*said, *dict.fromkeys([*self.away.values(), *(self.stay or ())])])

    def work_off(self) -> None:
        """Bring back what was asked for since the last time and can be had now."""
        if (now := self.task.clock.seconds()) - self.looked_at >= FRESH:
            self.folders = self.task.store.read(lambda connection: read_folders(connection, self.task.data))
            self.left, self.after, self.looked_at = 0, (0.0, 0), now
            self.away.clear()
        while self.back + self.failed < MOST:
            there = [NOWHERE, *(it.ien for it in self.folders.values() if it.online and it.ien not in self.away)]
            rows = rows_of(self.task, _NEXT, {"there": there, "after_at": self.after[0], "after_image": self.after[1]})
            if not rows:
                return
            if self.stay is None:
                self.stay = remove_left(self.task, self.folders)
            for row in rows:
                if self.task.stop_requested():
                    return
                self._take_up(row)
                self.after = (row.asked_at, row.image)

    def _take_up(self, row: Entry) -> None:
        """Bring one image back, or leave it to a later run."""
        try:
            if row.ien is None:
                raise NoFile(f"there is no image {row.image}")
            here = self.folders.get(row.location or 0)
            if here is not None and here.online:
                change(self.task, _write_done, row)
                return
            source = folder_of(row.jukebox_location, self.folders)
            if not source.online:
                raise LocationUnfit(f"{source.name} is off line", source.ien)
            released = rows_of(self.task, _RELEASED, {"of_image": row.ien})
            target = self._target(source, [it.location for it in released])
            digests = {it.name: it.digest for it in released}
            files = {name: copy_file(source, target, name, digests.get(name, "")) for name in _files(row, source)}
        except (NoFile, NotCopied) as problem:
            change(self.task, _write_failed, row, str(problem)[:REASON_LIMIT])
            self.failed += 1
        except LocationUnfit as problem:
            self.away[problem.location] = str(problem)
            self.left += 1
        except NoTarget as problem:
            self.away[NOWHERE] = str(problem)
            self.left += 1
        else:
            change(self.task, _write_back, row, source, target, files)
            self.back += 1

    def _target(self, source: Folder, before: Sequence[int]) -> Folder:
        """Choose where an image comes back to: the location that had it, or where its place writes to. Raises NoTarget."""
        places = {place.ien: place.to for place in rows_of(self.task, _WRITTEN_TO, {})}
        for ien in (*before, places.get(source.site, 0)):
            folder = self.folders.get(ien)
            if folder is None or folder.kind != "MAG" or folder.router or not folder.online or ien in self.away:
                continue
            if folder.is_there or folder.relative:  # one below the data directory is made when it is written to
                return folder
        raise NoTarget(f"no short-term location takes what {source.name} has")


def _files(row: Entry, source: Folder) -> Iterator[str]:
    """Name the files that an image has on its long-term location."""
    if not row.file_ref:
        raise NoFile("the image has no file")
    yield row.file_ref
    beside = {file_name(row.file_ref, "DICOM"), file_name(row.file_ref, "TEXT")}
    if row.big_jukebox_location:
        beside.add(big_file_name(row.file_ref, row.big_extension))
    yield from (name for name in sorted(beside - {row.file_ref}) if is_file_in(source, name))


def _write_done(task: TaskContext, connection: Connection, row: Entry) -> None:
    """Note that nobody waits for an image any more."""
    task.fence(connection)
    connection.execute(_DONE, {"of_image": row.image})
    wake_after_commit(connection, recalls())


def _write_back(
    task: TaskContext, connection: Connection, row: Entry, source: Folder, target: Folder, files: Mapping[str, Contents]
) -> None:
    """Say that an image is on a short-term location again. One that was deleted meanwhile is gone: its files are left over."""
    _write_done(task, connection, row)
    now = task.clock.seconds()
    key = {"of_image": row.ien, "long_term": source.ien, "target": target.ien}
    big = target.ien if row.big_jukebox_location and big_file_name(row.file_ref, row.big_extension) in files else row.big_location
    if connection.execute(_BACK, {**key, "big": big, "moment": to_fileman(task.clock.now())}).rowcount != 1:
        note_released(connection, row.ien, target.ien, files, now)
        return
    long_term = of_object(row.big_extension, row.jukebox_location, row.big_jukebox_location)
    image_moved(connection, row.ien, of_object(row.big_extension, target.ien, big), long_term)
    connection.execute(_FORGET_RELEASED, {"of_image": row.ien, "of_location": target.ien})
    if row.location:
        note_released(connection, row.ien, row.location, files, now)  # on a location that is off line
    detail = f"{source.name} to {target.name}, for {row.asked_by}"
    record_events(connection, [Event(row.uid, row.ien, "RECALL", now, f"task {task.number}", "recalled", detail)])


def _write_failed(task: TaskContext, connection: Connection, row: Entry, why: str) -> None:
    """Set aside an image that cannot come back."""
    task.fence(connection)
    now = task.clock.seconds()
    connection.execute(_FAILED, {"of_image": row.image, "why": why, "now": now})
    record_events(connection, [Event(row.uid or "", row.image, "RECALL", now, f"task {task.number}", "failed", why)])
    wake_after_commit(connection, recalls())
