"""The next entries of the export queue for each destination that has room, whatever waits for the others."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, select
from sqlalchemy.orm import aliased

from fileman.files import DicomExport, DicomExportImage, HeldDestination
from rpcs.call import Call
from rpcs.export.entries import NEXT_COLUMNS, Entry, joined_to_entries, let_wait_again, take
from rpcs.numbers import subscript

#: Destinations that are looked at in one call.
MOST_DESTINATIONS = 1000
_HIGHEST = 2**31 - 1

_WAITS = (DicomExportImage.status == "WAITING") & (DicomExportImage.origin == bindparam("one_origin"))
_FOR_ONE = _WAITS & (DicomExportImage.application == bindparam("one_application"))
_FIRST = select(func.min(DicomExportImage.application).label("application")).where(_WAITS).cte("waiting", recursive=True)
_ENTRY = aliased(DicomExportImage)
_FOLLOWING = (
    select(func.min(_ENTRY.application))
    .where(
        _ENTRY.status == "WAITING",
        _ENTRY.origin == bindparam("one_origin"),
        _ENTRY.application > _FIRST.c.application,
    )
    .scalar_subquery()
)
_WAITING = _FIRST.union_all(select(_FOLLOWING).where(_FIRST.c.application.is_not(None)))
_APPLICATIONS = (
    select(_WAITING.c.application)
    .where(_WAITING.c.application.is_not(None), _WAITING.c.application.not_in(select(HeldDestination.application)))
    .limit(MOST_DESTINATIONS)
)
_PRIORITY = select(func.max(DicomExportImage.priority)).where(_FOR_ONE, DicomExportImage.priority <= bindparam("at_most"))
_EXPORT = select(func.min(DicomExportImage.export)).where(
    _FOR_ONE,
    DicomExportImage.priority == bindparam("one_priority"),
    DicomExportImage.export > bindparam("after"),
)
_OF_EXPORT = (
    joined_to_entries(select(*NEXT_COLUMNS))
    .where(
        _FOR_ONE,
        DicomExportImage.priority
        == select(DicomExport.priority).where(DicomExport.ien == bindparam("one_export")).scalar_subquery(),
        DicomExportImage.export == bindparam("one_export"),
    )
    .order_by(DicomExportImage.sequence)
    .limit(bindparam("most"))
)


@dataclass(frozen=True, slots=True)
class Room:
    """So many entries for a destination, of an export that was begun first; without an application for each that is not named."""

    application: str
    count: int
    export: int = 0

    @classmethod
    def read(cls, line: str) -> Room:
        """Read `application^count^export`."""
        application, count, export = [*line.split("^"), "", ""][:3]
        return cls(application, subscript(count), subscript(export))


def take_by_destination(call: Call, origins: Sequence[int], rooms: Sequence[Room], most: int) -> list[Entry]:
    """Take the next entries of some locations for each destination; the caller holds `export_lock` of them.

    For a destination the highest priority comes first and the oldest export in it, after the export that its room names; what
    another room names is left to that one. Where all want more than `most` together, each has a share.
    """
    let_wait_again(call, origins)
    asked = list(_asked(call, origins, rooms))
    taken: list[Entry] = []
    for place, (origin, room, begun) in enumerate(asked):
        share = -((len(taken) - most) // (len(asked) - place))  # rounded up
        taken += _fill(call, origin, room, begun, min(room.count, share))
    return taken


def _asked(call: Call, origins: Sequence[int], rooms: Sequence[Room]) -> Iterator[tuple[int, Room, set[int]]]:
    """Give location and room for whatever waits, and the exports that rooms of its destination name."""
    others = next((room.count for room in rooms if not room.application), 0)
    for origin in origins:
        for application in call.connection.execute(_APPLICATIONS, {"one_origin": origin}).scalars().all():
            wanted = [room for room in rooms if room.application == application] or [Room(application, others)]
            begun = {room.export for room in wanted if room.count}
            yield from ((origin, room, begun) for room in wanted if room.count)


def _fill(call: Call, origin: int, room: Room, begun: Collection[int], most: int) -> list[Entry]:
    """Take so many entries: of the export that was begun, and then of those that nobody has begun, one after the other."""
    key = {"one_origin": origin, "one_application": room.application}
    taken: list[Entry] = []
    exports = _exports(call.connection, key, room.export, begun)
    while len(taken) < most and (export := next(exports, None)) is not None:
        entries = call.connection.execute(_OF_EXPORT, {**key, "one_export": export, "most": most - len(taken)}).all()
        take(call, entries)
        taken += entries
    return taken


def _exports(connection: Connection, key: dict[str, object], first: int, begun: Collection[int]) -> Iterator[int]:
    if first:
        yield first
    at_most: int | None = _HIGHEST
    while (at_most := connection.execute(_PRIORITY, {**key, "at_most": at_most}).scalar()) is not None:
        after: int | None = -1
        while (after := connection.execute(_EXPORT, {**key, "one_priority": at_most, "after": after}).scalar()) is not None:
            if after not in begun:
                yield after
        at_most -= 1
