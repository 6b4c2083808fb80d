"""Copies on routers' locations are taken away when they are older than the location keeps them (ROUTE GET PURGE)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, bindparam, or_, select, update

from fileman import Event, Folder, UnsafePath, file_name, read_folders, record_events
from fileman.files import Image, SendQueue
from taskman.context import TaskContext
from taskman.routines import routine
from taskman.system.batches import change, rows_of
from taskman.system.days import seconds_ago

#: Entries whose files go before the database hears of it, and entries that one run takes up of a location.
BATCH, MOST = 100, 50_000

#: A row of the selection below.
Entry = Row[*tuple[Any, ...]]

_OLD = (
    select(SendQueue.ien, SendQueue.image, SendQueue.file_type, SendQueue.status_at, Image.file_ref, Image.uid)
    .join(Image, Image.ien == SendQueue.image, isouter=True)
    .where(
        SendQueue.destination == bindparam("destination_"),
        SendQueue.status == "SENT",
        SendQueue.status_at <= bindparam("before"),
        SendQueue.purged_at.is_(None),
        or_(SendQueue.status_at > bindparam("after_at"), SendQueue.ien > bindparam("after_ien")),
        SendQueue.status_at >= bindparam("after_at"),
    )
    .order_by(SendQueue.status_at, SendQueue.ien)
    .limit(BATCH)
)
#: Another entry of the same file for the same place, to which the copy belongs as well.
_OTHER = (
    select(SendQueue.ien)
    .where(
        SendQueue.destination == bindparam("destination_"),
        SendQueue.image == bindparam("image_"),
        SendQueue.file_type == bindparam("file_type_"),
        SendQueue.status.in_(["SENT", "SENDING", "WAITING"]),
        SendQueue.ien != bindparam("ien_"),
        SendQueue.purged_at.is_(None),
        or_(SendQueue.status != "SENT", SendQueue.status_at.is_(None), SendQueue.status_at > bindparam("before")),
    )
    .limit(1)
)
_PURGED = update(SendQueue).where(SendQueue.ien == bindparam("ien_")).values(purged_at=bindparam("now"))


@routine(
    "ROUTED^MAGBSYS",
    subject=lambda _arguments: "ROUTED^MAGBSYS",
    option="MAGB PURGE ROUTED COPIES",
    frequency="D@01:10,E@01:10",
)
def purge_routed_copies(task: TaskContext) -> None:
    """Remove copies from routers' locations that are older than each location's retention_days.

    A location without retention_days keeps its copies, and so does one that is off line or whose folder is not there. Only
    files inside of the location's folder are touched, and none where that folder holds or lies in one of the archive's.
    """
    folders = task.store.read(lambda connection: read_folders(connection, task.data))
    said = []
    for folder in folders.values():
        if not _is_router(folder) or folder.retention_days is None:
            continue
        if why := _unfit(folder, folders):
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
    return "" if folder.root.is_dir() else "its folder is not there"


def _purge_location(task: TaskContext, folder: Folder) -> tuple[int, int]:
    """Remove what is old; give how many copies went and how many entries failed, which are tried again by the next run."""
    destination = f"{folder.ien};MAG(2005.2,"
    before = seconds_ago(task.clock, folder.retention_days or 0)
    removed, failed, seen, last = 0, 0, 0, (0.0, 0)
    while seen < MOST and not task.stop_requested():
        key = {"destination_": destination, "before": before, "after_at": last[0], "after_ien": last[1]}
        rows = rows_of(task, _OLD, key)
        done = [(row, how) for row in rows if (how := _remove(task, folder, destination, before, row))]
        change(task, _note, folder, done)
        removed += sum(how == REMOVED for _, how in done)
        failed += len(rows) - len(done)
        seen += len(rows)
        if len(rows) < BATCH:
            break
        last = (rows[-1].status_at, rows[-1].ien)
    return removed, failed


REMOVED, NOT_THERE, KEPT = "purged", "was not there any more", "kept: it was sent again since"


def _remove(task: TaskContext, folder: Folder, destination: str, before: float, row: Entry) -> str:
    """Take one copy away; give what became of it, "" when it could not be. Done twice it is done once."""
    key = {"destination_": destination, "image_": row.image, "file_type_": row.file_type, "ien_": row.ien, "before": before}
    if task.store.read(lambda connection: connection.execute(_OTHER, key).first()) is not None:
        return KEPT
    try:
        folder.file(file_name(row.file_ref or "", row.file_type)).unlink()
    except FileNotFoundError:
        return NOT_THERE
    except (OSError, UnsafePath):
        return ""
    return REMOVED


def _note(task: TaskContext, connection: Connection, folder: Folder, done: list[tuple[Entry, str]]) -> None:
    task.fence(connection)
    now = task.clock.seconds()
    for row, _how in done:
        connection.execute(_PURGED, {"ien_": row.ien, "now": now})
    record_events(
        connection,
        [
            Event(row.uid or "", row.image, "PURGE", now, f"task {task.number}", how, f"{row.file_type} at {folder.name}")
            for row, how in done
        ],
    )
