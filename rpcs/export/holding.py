"""Entries of the export queue held back and let go again, by destination or one by one, and those that failed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, delete, select, tuple_, update

from fileman import export_lock, lock_for_transaction, transmission, upserts, wake_after_commit
from fileman.files import DicomExport, DicomExportImage, HeldDestination, Image, TransmitDestination
from rpcs.export.listing import origins_in_queue

#: Entries that one call changes, or lists, at most.
MOST_CHANGED, MOST_LISTED = 5000, 1000
#: What may be held back.
WAITING = ("WAITING", "RETRY")
#: What an entry may be.
STATUSES = ("FAIL", "HOLD", "RETRY", "WAITING", "XMIT", "SUCCESS")

_SOME = (
    select(DicomExportImage.export, DicomExportImage.sequence)
    .where(
        DicomExportImage.origin == bindparam("one_origin"),
        DicomExportImage.status == bindparam("one_status"),
        DicomExportImage.application == bindparam("one_application"),
    )
    .limit(bindparam("most"))
)
_KEY = tuple_(DicomExportImage.export, DicomExportImage.sequence)
_CHANGED: dict[str, BindParameter[Any]] = {"status": bindparam("new_status"), "status_at": bindparam("now")}
_CHANGE_SOME = update(DicomExportImage).where(_KEY.in_(_SOME)).values(_CHANGED)
_CHANGE_ONE = (
    update(DicomExportImage)
    .where(
        DicomExportImage.export == bindparam("d0"),
        DicomExportImage.sequence == bindparam("d1"),
        DicomExportImage.status.in_(bindparam("from_statuses", expanding=True)),
    )
    .values(_CHANGED)
    .returning(DicomExportImage.origin)
)
_STATUS = select(DicomExportImage.status).where(
    DicomExportImage.export == bindparam("d0"), DicomExportImage.sequence == bindparam("d1")
)
_TRANSMIT_NAMES = select(TransmitDestination.name).distinct().order_by(TransmitDestination.name)
_HOLD = upserts(HeldDestination, lambda insert: insert.on_conflict_do_nothing())
_LET_GO = delete(HeldDestination).where(HeldDestination.application == bindparam("one_application"))
_HELD = select(HeldDestination.application, HeldDestination.held_at, HeldDestination.held_by).order_by(
    HeldDestination.application
)
_LISTED = (
    select(
        DicomExportImage.export,
        DicomExportImage.sequence,
        DicomExportImage.image,
        DicomExportImage.application,
        DicomExportImage.status,
        DicomExportImage.status_at,
        DicomExportImage.reason,
        DicomExportImage.repeated,
        Image.uid,
    )
    .join(DicomExport, DicomExport.ien == DicomExportImage.export)
    .join(Image, Image.ien == DicomExportImage.image, isouter=True)
    .where(
        DicomExportImage.origin == bindparam("one_origin"),
        DicomExportImage.status == bindparam("one_status"),
    )
    .order_by(DicomExportImage.application, DicomExportImage.priority, DicomExportImage.export, DicomExportImage.sequence)
    .limit(bindparam("most"))
)


@dataclass(frozen=True, slots=True)
class Left:
    """An entry that was not changed, and its status; without one where there is no such entry."""

    entry: str
    status: str


@dataclass(frozen=True, slots=True)
class Changed:
    """How many entries were changed, whether there may be more, and which of those that were named were left as they are."""

    entries: int
    more: bool = False
    left: tuple[Left, ...] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """A destination that is held, since when, in seconds since the epoch, and by whom."""

    destination: str
    held_at: float
    held_by: str


@dataclass(frozen=True, slots=True)
class Listed:
    """An entry of the export queue, as people see it; `status_at` is in seconds since the epoch."""

    entry: str
    image: int
    uid: str
    destination: str
    status: str
    status_at: float
    reason: str
    repeated: bool


def transmit_destinations(connection: Connection) -> Sequence[str]:
    """Name the transmit destinations (#2006.587)."""
    return connection.execute(_TRANSMIT_NAMES).scalars().all()


def is_destination(connection: Connection, name: str) -> bool:
    """Tell whether there is a destination of a name: a transmit destination, or one that is held or has entries."""
    if name in transmit_destinations(connection) or name in [held.destination for held in held_destinations(connection)]:
        return True
    return has_entries(connection, name, STATUSES)


def has_entries(connection: Connection, destination: str, statuses: Sequence[str]) -> bool:
    """Tell whether there are entries for a destination in some statuses."""
    return any(
        connection.execute(_SOME, {"one_origin": origin, "one_status": status, "one_application": destination, "most": 1}).first()
        for origin in origins_in_queue(connection)
        for status in statuses
    )


def hold_destination(connection: Connection, destination: str, by: str, now: float) -> Changed:
    """Hold a destination: nothing more is given for it, what waits and what comes has status HOLD."""
    row = {"application": destination, "held_at": now, "held_by": by}
    connection.execute(_HOLD[connection.dialect.name], row)
    return _change(connection, destination, WAITING, "HOLD", now)


def release_destination(connection: Connection, destination: str, now: float, *, failed: bool = False) -> Changed:
    """Release a destination: whatever is held for it waits again, and what failed too if that is wanted."""
    connection.execute(_LET_GO, {"one_application": destination})
    return _change(connection, destination, ("HOLD", "FAIL") if failed else ("HOLD",), "WAITING", now)


def _change(connection: Connection, destination: str, statuses: Sequence[str], status: str, now: float) -> Changed:
    left = MOST_CHANGED
    for origin in origins_in_queue(connection):
        lock_for_transaction(connection, export_lock(origin))
        for old in statuses:
            key = {"one_origin": origin, "one_status": old, "one_application": destination, "most": left}
            left -= connection.execute(_CHANGE_SOME, {**key, "new_status": status, "now": now}).rowcount
        wake_after_commit(connection, transmission(origin))
    return Changed(MOST_CHANGED - left, not left)


def change_entries(
    connection: Connection, keys: Collection[tuple[int, int]], statuses: Sequence[str], status: str, now: float
) -> Changed:
    """Give entries another status that have one of some; those that have it already are fine, others are left and told."""
    changed = 0
    left = []
    for export, sequence in keys:
        values = {"d0": export, "d1": sequence, "from_statuses": statuses, "new_status": status, "now": now}
        origin = connection.execute(_CHANGE_ONE, values).scalar()
        if origin is not None:
            changed += 1
            wake_after_commit(connection, transmission(origin))
            continue
        is_now = connection.execute(_STATUS, {"d0": export, "d1": sequence}).scalar() or ""
        if is_now != status:
            left.append(Left(f"{export}^{sequence}", is_now))
    return Changed(changed, left=tuple(left))


def statuses_of(connection: Connection, keys: Collection[tuple[int, int]]) -> dict[str, str]:
    """Give the statuses of entries, written `entry^image`; those that are not there are left out."""
    found = {}
    for export, sequence in keys:
        if (status := connection.execute(_STATUS, {"d0": export, "d1": sequence}).scalar()) is not None:
            found[f"{export}^{sequence}"] = str(status)
    return found


def held_destinations(connection: Connection) -> list[Held]:
    """List the destinations that are held."""
    return [Held(*row) for row in connection.execute(_HELD)]


def list_entries(connection: Connection, status: str, most: int = MOST_LISTED) -> list[Listed]:
    """List entries in a status, by location and destination."""
    found: list[Listed] = []
    for origin in origins_in_queue(connection):
        wanted = {"one_origin": origin, "one_status": status, "most": most - len(found)}
        found += [
            Listed(
                f"{row.export}^{row.sequence}",
                row.image,
                row.uid or "",
                row.application,
                row.status,
                row.status_at,
                row.reason,
                row.repeated,
            )
            for row in connection.execute(_LISTED, wanted)
        ]
    return found
