"""How long the queues of routing are, for a screen that asks every second: counted by an index, and not to the end."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, Select, bindparam, func, select

from fileman.files import BackgroundQueue, DicomExportImage, ImagingSite, Institution, SendQueue

#: Nothing is counted further.
COUNT_LIMIT = 10_000
#: Entries that are still to be worked off, by status.
_TO_SEND, _TO_EXPORT = ("WAITING", "SENDING", "FAILED"), ("WAITING", "RETRY", "HOLD", "XMIT", "FAIL")

_PLACES = select(ImagingSite.ien, ImagingSite.institution, Institution.name).join(
    Institution, Institution.ien == ImagingSite.institution, isouter=True
)
_EVAL = (
    select(BackgroundQueue.ien)
    .where(
        BackgroundQueue.place == bindparam("place_"),
        BackgroundQueue.queue == "EVAL",
        BackgroundQueue.status == bindparam("status_"),
    )
    .limit(COUNT_LIMIT)
)
_SEND = (
    select(SendQueue.ien)
    .where(SendQueue.origin == bindparam("origin_"), SendQueue.status == bindparam("status_"))
    .limit(COUNT_LIMIT)
)
_EXPORT = (
    select(DicomExportImage.export)
    .where(DicomExportImage.origin == bindparam("origin_"), DicomExportImage.status == bindparam("status_"))
    .limit(COUNT_LIMIT)
)


def counting(statement: Select[int]) -> Select[int]:
    """Count what a statement gives, which is bounded."""
    return select(func.count()).select_from(statement.subquery())


_COUNTS = {"EVAL": counting(_EVAL), "SEND": counting(_SEND), "EXPORT": counting(_EXPORT)}


@dataclass(frozen=True, slots=True)
class Depth:
    """How many entries of a status a queue has; COUNT_LIMIT stands for that many or more."""

    queue: str
    location: int
    name: str
    status: str
    entries: int


def queue_depths(connection: Connection) -> list[Depth]:
    """Count what is to be worked off, by location; what is empty is left out."""
    depths = []
    for place in connection.execute(_PLACES.order_by(ImagingSite.ien)).all():
        wanted = [("EVAL", {"place_": place.ien}, status) for status in ("NOT_PROCESSED", "FAILED")]
        wanted += [("SEND", {"origin_": place.institution}, status) for status in _TO_SEND]
        wanted += [("EXPORT", {"origin_": place.institution}, status) for status in _TO_EXPORT]
        for queue, key, status in wanted:
            entries = int(connection.execute(_COUNTS[queue], {**key, "status_": status}).scalar_one())
            if entries:
                depths.append(Depth(queue, place.institution, place.name or "", status, entries))
    return depths
