"""How long every queue is, by location, destination and status: counted in an index, and not to the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, select

from fileman.files import BackgroundQueue, DicomExportImage, ImagingSite, Institution, NetworkLocation, SendQueue
from rpcs.queues.walking import Ranges, Wanted

#: Nothing is counted further, and not more than so many counts are made.
COUNT_LIMIT, MOST_COUNTS = 10_000, 400

_EXPORT = Ranges((DicomExportImage.origin, DicomExportImage.status, DicomExportImage.application))
_SEND = Ranges((SendQueue.origin, SendQueue.status, SendQueue.destination))
_BACKGROUND = Ranges((BackgroundQueue.place, BackgroundQueue.queue, BackgroundQueue.status))
_NAMES = select(Institution.ien, Institution.name)
_PLACES = select(ImagingSite.ien, ImagingSite.institution)
_ROUTERS = select(NetworkLocation.ien, NetworkLocation.name).where(NetworkLocation.router)


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """How many entries of a status a queue has for a destination; COUNT_LIMIT stands for that many or more."""

    queue: str
    location: int
    name: str
    destination: str
    status: str
    entries: int


def depths_of(connection: Connection, queue: str = "", location: int = 0) -> tuple[list[QueueDepth], bool]:
    """Count what stands in the queues, in one of them, or of one institution; tell whether there is more than is counted."""
    found = list(islice(_depths(connection, queue, location), MOST_COUNTS + 1))
    return found[:MOST_COUNTS], len(found) > MOST_COUNTS


def _depths(connection: Connection, queue: str, location: int) -> Iterator[QueueDepth]:
    names: dict[int, str] = {row.ien: row.name for row in connection.execute(_NAMES)}
    institutions: dict[int, int] = {row.ien: row.institution for row in connection.execute(_PLACES)}
    routers = {f"{row.ien};MAG(2005.2,": row.name for row in connection.execute(_ROUTERS)}
    places = [place for place, institution in institutions.items() if institution == location]
    own: Wanted = {"origin": (location,)} if location else {}
    if queue in ("", "EXPORT"):
        for (origin, status, application), count in _counts(connection, _EXPORT, own):
            yield QueueDepth("EXPORT", origin, names.get(origin, ""), application, status, count)
    if queue in ("", "SEND"):
        for (origin, status, pointer), count in _counts(connection, _SEND, own):
            yield QueueDepth("SEND", origin, names.get(origin, ""), routers.get(pointer, pointer), status, count)
    if queue not in ("EXPORT", "SEND"):
        wanted: dict[str, Any] = {"queue": (queue,)} if queue else {}
        wanted |= {"place": places} if location else {}
        for (place, named, status), count in _counts(connection, _BACKGROUND, wanted):
            institution = institutions.get(place, 0)
            yield QueueDepth(named, institution, names.get(institution, ""), "", status, count)


def _counts(connection: Connection, ranges: Ranges, wanted: Wanted) -> Iterator[tuple[tuple[Any, ...], int]]:
    counting = _counting(ranges.columns)
    for values in ranges.found(connection, wanted):
        key = dict(zip(ranges.names, values, strict=True))
        if count := int(connection.execute(counting, {f"{name}_": value for name, value in key.items()}).scalar_one()):
            yield values, count


@cache
def _counting(columns: tuple[Any, ...]) -> Select[int]:
    entries = select(columns[0]).where(*(column == bindparam(f"{column.key}_") for column in columns)).limit(COUNT_LIMIT)
    return select(func.count()).select_from(entries.subquery())
