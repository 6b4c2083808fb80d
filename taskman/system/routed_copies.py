"""Copies on routers' locations are taken away when they are older than the location keeps them.

A gateway that copies to a location does the same by MAG DICOM ROUTE GET PURGE, once a day; a location where it did so today or
yesterday is left to it. Both go by ROUTED IMAGE (#2005.0106), and what one has removed is not the other's any more. What became
of the send queue's entries makes no difference.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, Row, String, bindparam, select, tuple_, update

from fileman import Event, Folder, UnsafePath, file_name, read_folders, record_events, to_fileman
from fileman.files import Image, NetworkLocation, RoutedCopy, SendQueue
from taskman.context import TaskContext
from taskman.routines import routine
from taskman.system.batches import change, rows_of
from taskman.system.days import fileman_ago

#: Entries whose files go before the database hears of it, and entries that one run takes up of a location.
BATCH, MOST = 100, 50_000

#: A row of the selection below.
Entry = Row[*tuple[Any, ...]]

_VISITED = select(NetworkLocation.ien).where(NetworkLocation.last_purge >= bindparam("yesterday"))
_AFTER: ColumnElement[Any] = tuple_(
    bindparam("after_sent", type_=String), bindparam("after_image", type_=Integer), bindparam("after_copy", type_=Integer)
)
_OLD = (
    select(RoutedCopy.image, RoutedCopy.copy, RoutedCopy.file_type, RoutedCopy.file, RoutedCopy.sent, Image.file_ref, Image.uid)
    .join(Image, Image.ien == RoutedCopy.image, isouter=True)
    .where(
        RoutedCopy.destination == bindparam("location"),
        RoutedCopy.copy.is_not(None),
        RoutedCopy.sent <= bindparam("before"),
        tuple_(RoutedCopy.sent, RoutedCopy.image, RoutedCopy.copy) > _AFTER,
    )
    .order_by(RoutedCopy.sent, RoutedCopy.image, RoutedCopy.copy)
    .limit(BATCH)
)
#: What the same file at the same place is needed for as well: a later copy of it, an entry by which it is sent once more.
_LATER = (
    select(RoutedCopy.copy)
    .where(
        RoutedCopy.image == bindparam("image_"),
        RoutedCopy.destination == bindparam("location"),
        RoutedCopy.file_type == bindparam("file_type_"),
        RoutedCopy.copy.is_not(None),
        RoutedCopy.sent > bindparam("before"),
    )
    .limit(1)
)
_COMING = (
    select(SendQueue.ien)
    .where(
        SendQueue.destination == bindparam("destination_"),
        SendQueue.status.in_(["SENDING", "WAITING"]),
        SendQueue.image == bindparam("image_"),
        SendQueue.file_type == bindparam("file_type_"),
    )
    .limit(1)
)
_PURGED = (
    update(RoutedCopy)
    .where(RoutedCopy.image == bindparam("image_"), RoutedCopy.copy == bindparam("copy_"))
    .values(copy=None, removed=bindparam("now"))
)


@routine(
    "ROUTED^MAGBSYS",
    subject=lambda _arguments: "ROUTED^MAGBSYS",
    option="MAGB PURGE ROUTED COPIES",
    frequency="D@01:10,E@01:10",
)
def purge_routed_copies(task: TaskContext) -> None:
    """Remove copies from routers' locations that are older than each location's retention_days.

    A location without retention_days keeps its copies, and so does one that is off line or whose folder is not there. One that a
    gateway purges is left to it. Only files inside of the location's folder are touched, and none where that folder holds or lies
    in one of the archive's.
    """
    folders = task.store.read(lambda connection: read_folders(connection, task.data))
    yesterday = to_fileman(task.clock.now().date() - timedelta(days=1))
    visited = {row.ien for row in rows_of(task, _VISITED, {"yesterday": yesterday})}
    said = []
    for folder in folders.values():
        if not _is_router(folder) or folder.retention_days is None:
            continue
        if why := "a gateway purges it" if folder.ien in visited else _unfit(folder, folders):
            said.append(f"{folder.name}: {why}")
            continue
        removed, failed = _purge_location(task, folder)
        said.append(f"{folder.name}: {removed} copies removed" + (f", {failed} could not be" if failed else ""))
    task.say("; ".join(said) or "no router's location has retention_days")


def _is_router(folder: Folder) -> bool:
    return folder.router or folder.kind == "ROUTER"


def _unfit(folder: Folder, folders: dict[int, Folder]) -> str:
    """Say why nothing may be removed from a location now; "" when it may."""
    archive = next((it for it in folders.values() if not _is_router(it) and it.overlaps(folder)), None)
    if archive is not None:
        return f"its folder and that of {archive.name} lie in one another; nothing is removed"
    if not folder.online:
        return "off line"
    return "" if folder.is_there else "its folder is not there"


def _purge_location(task: TaskContext, folder: Folder) -> tuple[int, int]:
    """Remove what is old; give how many copies went and how many entries failed, which are tried again by the next run."""
    before = fileman_ago(task.clock, folder.retention_days or 0)
    removed, failed, seen, last = 0, 0, 0, ("", 0, 0)
    while seen < MOST and not task.stop_requested():
        key = {"location": folder.ien, "before": before, "after_sent": last[0], "after_image": last[1], "after_copy": last[2]}
        rows = rows_of(task, _OLD, key)
        done = [(row, how) for row in rows if (how := _remove(task, folder, before, row))]
        change(task, _note, folder, done)
        removed += sum(how == REMOVED for _, how in done)
        failed += len(rows) - len(done)
        seen += len(rows)
        if len(rows) < BATCH:
            break
        last = (rows[-1].sent, rows[-1].image, rows[-1].copy)
    return removed, failed


REMOVED, NOT_THERE, KEPT = "purged", "was not there any more", "kept: it was sent again since"


def _remove(task: TaskContext, folder: Folder, before: str, row: Entry) -> str:
    """Take one copy away; give what became of it, "" when it could not be. Done twice it is done once."""
    file = {"location": folder.ien, "image_": row.image, "file_type_": row.file_type, "before": before}
    coming = {"destination_": f"{folder.ien};MAG(2005.2,", "image_": row.image, "file_type_": row.file_type}
    if rows_of(task, _LATER, file) or rows_of(task, _COMING, coming):
        return KEPT
    try:
        folder.file(_name(row)).unlink()
    except FileNotFoundError:
        return NOT_THERE
    except (OSError, UnsafePath):
        return ""
    return REMOVED


def _name(row: Entry) -> str:
    """Name a copy: as its image's file is named, or, when the image is gone, as its transmitter did."""
    if row.file_ref:
        return file_name(row.file_ref, row.file_type)
    return str(row.file).replace("/", "\\").rpartition("\\")[2]


def _note(task: TaskContext, connection: Connection, folder: Folder, done: list[tuple[Entry, str]]) -> None:
    task.fence(connection)
    now, moment = task.clock.seconds(), to_fileman(task.clock.now())
    for row, _how in done:
        connection.execute(_PURGED, {"image_": row.image, "copy_": row.copy, "now": moment})
    record_events(
        connection,
        [
            Event(row.uid or "", row.image, "PURGE", now, f"task {task.number}", how, f"{row.file_type} at {folder.name}")
            for row, how in done
        ],
    )
