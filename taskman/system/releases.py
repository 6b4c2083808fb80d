"""Released images: short-term locations that are fuller than their high watermark give up what was not looked at for longest.

An image's files go when its long-term copy was read and is the same. First the entry says that they are on the long-term
location alone, then they are removed: whatever dies between, the next run finds what is left of them.
"""

from __future__ import annotations

import logging
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, bindparam, case, null, update

from fileman import (
    BadWatermark,
    Event,
    Folder,
    Watermarks,
    big_file_name,
    file_name,
    image_moved,
    read_folders,
    record_events,
    upserts,
)
from fileman.files import Image, LongTermFault
from taskman.context import TaskContext
from taskman.endings import Deleted, Ending
from taskman.error_log import log_error
from taskman.errors import TaskManError
from taskman.routines import routine
from taskman.system.batches import change
from taskman.system.candidates import Entry, Queues, candidates
from taskman.system.folders import LocationUnfit, NoFile, check_there, folder_of, is_file_in, of_object
from taskman.system.leftovers import SUBJECT, note_released, note_removed, remove_left, remove_released
from taskman.system.recalls import Recalling
from taskman.system.whole_files import Contents, NotCopied, contents_of

log = logging.getLogger(__name__)

#: Images that one run releases from a location.
MOST = 100_000
#: An error's text is cut to this many characters.
REASON_LIMIT = 300
#: How much of the file system of a folder is used.
disk_usage = shutil.disk_usage

_RELEASED = (
    update(Image)
    .where(
        Image.ien == bindparam("of_image"),
        Image.location == bindparam("of_location"),
        Image.jukebox_location == bindparam("long_term"),
    )
    .values(
        location=null(), big_location=case((Image.big_location == bindparam("of_location"), null()), else_=Image.big_location)
    )
)
_NOTE_FAULT = upserts(LongTermFault, lambda insert: insert.on_conflict_do_nothing(index_elements=[LongTermFault.image]))


class LongTermCopyAtFault(TaskManError):
    """The long-term copy of an image is not what its short-term files are."""


@dataclass(slots=True)
class Tally:
    """What became of a location: images and bytes that went, why images were kept, copies that are at fault, what is away."""

    released: int = 0
    freed: int = 0
    kept: Counter[str] = field(default_factory=Counter)
    faults: int = 0
    away: dict[int, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """Say it."""
        said = f"{self.released} images released, {self.freed} bytes"
        if self.kept:
            said += f", {self.kept.total()} kept: {', '.join(f'{why} ({count})' for why, count in self.kept.most_common())}"
        if self.faults:
            said += f", {self.faults} whose long-term copy is at fault"
        return said + "".join(f", {why}" for why in dict.fromkeys(self.away.values()))


@routine(
    "RELEASE^MAGBSYS",
    subject=lambda _arguments: SUBJECT,
    busy=lambda _task: Deleted(),
    option="MAGB RELEASE SHORT-TERM",
    frequency="300S",
)
def release_short_term(task: TaskContext) -> Ending:
    """Release images from short-term locations that are fuller than their high watermark, until they are below the low one.

    The images that were not looked at for longest go first, each when its files are the same on its long-term location. Those
    stay that are to be kept on line, wait in a queue, or are on a long-term location that is off line. Where a copy differs
    nothing is released: it stands in the error log, in the image's story and among the archive's faults. Images that somebody
    waits for come back in between.
    """
    folders = task.store.read(lambda connection: read_folders(connection, task.data))
    recalling = Recalling(task, folders)
    said = remove_left(task, folders)
    for folder in folders.values():
        if told := _release_from(task, folder, folders, recalling):
            said.append(f"{folder.name}: {told}")
    recalling.work_off()
    if told := str(recalling):
        said.append(told)
    if said:
        task.say("; ".join(said))
    return Deleted() if not said and not task.signals.heeded.is_set() else None


def _release_from(task: TaskContext, folder: Folder, folders: Mapping[int, Folder], recalling: Recalling) -> str:
    """Release what a location has too much; say what became of it, "" when nothing is to be done there."""
    try:
        marks = Watermarks.parse(folder.high_watermark, folder.low_watermark)
        if marks is None or folder.kind != "MAG" or folder.router or not folder.online:
            return ""
        check_there(folder)
        too_much = marks.to_release(disk_usage(folder.root))
    except (BadWatermark, LocationUnfit) as problem:
        return str(problem)
    except OSError as error:
        return f"nobody knows how full it is: {error.strerror or error}"
    if too_much <= 0:
        return ""
    tally, queues = Tally(), Queues.read(task)
    for row in candidates(task, folder.ien, tally.away):
        if tally.freed >= too_much or tally.released >= MOST or task.stop_requested():
            break
        recalling.work_off()
        if row.jukebox_location not in tally.away:
            _take_up(task, row, folder, folders, queues, tally)
    return str(tally)


def _take_up(task: TaskContext, row: Entry, folder: Folder, folders: Mapping[int, Folder], queues: Queues, tally: Tally) -> None:
    """Release one image, or leave it."""
    if why := task.store.read(lambda connection: queues.hindrance(connection, row.ien)):
        tally.kept[why] += 1
        return
    try:
        files = _verified(row, folder, folders)
    except LocationUnfit as problem:
        tally.away[problem.location] = str(problem)
        return
    except (NoFile, NotCopied, LongTermCopyAtFault) as problem:
        change(task, _note_fault, row, folders, LongTermCopyAtFault(f"image {row.ien}: {problem}"))
        log.error("image %d is not released: %s", row.ien, problem)
        tally.faults += 1
        return
    if not change(task, _write_released, row, folder, folders, files, queues):
        tally.kept["it was about to be released, and something came up"] += 1
        return
    tally.released += 1
    tally.freed += sum(contents.size for contents in files.values())
    removed = [name for name in files if not remove_released(folder, name)]
    if removed:
        change(task, note_removed, row.ien, removed)


def _verified(row: Entry, folder: Folder, folders: Mapping[int, Folder]) -> dict[str, Contents]:
    """Read an image's files on both of its locations. Raises LongTermCopyAtFault when they differ."""
    long_term = folder_of(row.jukebox_location, folders)
    if not long_term.online:
        raise LocationUnfit(f"{long_term.name} is off line", long_term.ien)
    files = {}
    for name in _files(row, folder):
        ours, theirs = contents_of(folder, name), contents_of(long_term, name)
        if ours != theirs:
            raise LongTermCopyAtFault(f"{name} on {long_term.name} is not what it is on {folder.name}: its digest differs")
        files[name] = ours
    return files


def _files(row: Entry, folder: Folder) -> Iterator[str]:
    """Name the files that an image has on a location; its abstract stays there."""
    yield row.file_ref
    beside = {file_name(row.file_ref, "DICOM"), file_name(row.file_ref, "TEXT")}
    if (row.big_location or folder.ien) == folder.ien:
        beside.add(big_file_name(row.file_ref, row.big_extension))
    yield from (name for name in sorted(beside - {row.file_ref}) if is_file_in(folder, name))


def _write_released(
    task: TaskContext,
    connection: Connection,
    row: Entry,
    folder: Folder,
    folders: Mapping[int, Folder],
    files: Mapping[str, Contents],
    queues: Queues,
) -> bool:
    """Say that an image is on its long-term location alone; False when that is not to be any more."""
    task.fence(connection)
    key = {"of_image": row.ien, "of_location": folder.ien, "long_term": row.jukebox_location}
    if queues.hindrance(connection, row.ien) or connection.execute(_RELEASED, key).rowcount != 1:
        return False
    big = None if row.big_location == folder.ien else row.big_location
    short_term = of_object(row.big_extension, None, big)
    image_moved(connection, row.ien, short_term, of_object(row.big_extension, row.jukebox_location, row.big_jukebox_location))
    now = task.clock.seconds()
    note_released(connection, row.ien, folder.ien, files, now)
    detail = f"{folder.name}, it is on {folders[row.jukebox_location].name}"
    record_events(connection, [Event(row.uid, row.ien, "RELEASE", now, f"task {task.number}", "released", detail)])
    return True


def _note_fault(
    task: TaskContext, connection: Connection, row: Entry, folders: Mapping[int, Folder], problem: TaskManError
) -> None:
    """Keep an image that cannot be released from being tried again, and let people know."""
    task.fence(connection)
    now, reason = task.clock.seconds(), str(problem)[:REASON_LIMIT]
    fault = {"image": row.ien, "location": row.jukebox_location, "reason": reason, "found_at": now}
    connection.execute(_NOTE_FAULT[connection.dialect.name], fault)
    record_events(connection, [Event(row.uid, row.ien, "RELEASE", now, f"task {task.number}", "failed", reason)])
    log_error(connection, task.number, "RELEASE^MAGBSYS", task.executor, problem, now)
