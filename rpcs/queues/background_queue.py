"""The background queues (#2006.03) as a person steers them: work let to wait again, or deleted, and counted as such."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, delete, select, update

from fileman import Event, count_dropped, count_queued, evaluation, in_parts, record_events, to_fileman, wake_after_commit
from fileman.files import BackgroundQueue, Image, ImagingSite
from rpcs.numbers import subscript
from rpcs.queues.entries import (
    Errand,
    Filter,
    Listed,
    Lot,
    NoSuchPlace,
    QueueError,
    Step,
    fileman_before,
    left_of,
    lot_of,
    seconds_of,
)
from rpcs.queues.walking import Entry, Order, Ranges, Wanted

#: The queues that work is put into.
QUEUES = ("EVAL", "JUKEBOX", "DELETE", "JBTOHD")
#: Entries that one call changes.
MOST_CHANGED = 1000
WAITING = "NOT_PROCESSED"

_ENTRIES = select(
    BackgroundQueue.ien,
    BackgroundQueue.queue,
    BackgroundQueue.place,
    BackgroundQueue.image,
    BackgroundQueue.status,
    BackgroundQueue.requested,
    BackgroundQueue.reason,
    BackgroundQueue.file_path,
    ImagingSite.institution,
    Image.uid,
).select_from(
    BackgroundQueue.__table__.outerjoin(ImagingSite.__table__, ImagingSite.ien == BackgroundQueue.place).outerjoin(
        Image.__table__, Image.ien == BackgroundQueue.image
    )
)
_KEYS: BindParameter[Any] = bindparam("keys", expanding=True)
_NAMED = _ENTRIES.where(BackgroundQueue.ien.in_(_KEYS), BackgroundQueue.queue == bindparam("queue_"))
_PLACE, _QUEUE, _STATUS, _IMAGE = BackgroundQueue.place, BackgroundQueue.queue, BackgroundQueue.status, BackgroundQueue.image
_ORDERS = (
    Order("NUMBER", _ENTRIES, Ranges((_PLACE, _QUEUE, _IMAGE)), (BackgroundQueue.ien,), needs=_IMAGE, also=(_STATUS,)),
    Order("NUMBER", _ENTRIES, Ranges((_PLACE, _QUEUE, _STATUS)), (BackgroundQueue.ien,)),
)
_PLACES = select(ImagingSite.ien).where(ImagingSite.institution == bindparam("institution_"))
_WAITING = select(_PLACE, _IMAGE).where(
    _PLACE.in_(bindparam("places", expanding=True)),
    BackgroundQueue.queue == bindparam("queue_"),
    _IMAGE.in_(bindparam("images", expanding=True)),
    BackgroundQueue.status == WAITING,
)
_AS_THEY_WERE = (BackgroundQueue.ien.in_(_KEYS), BackgroundQueue.status == bindparam("was"))
_AGAIN = update(BackgroundQueue).where(*_AS_THEY_WERE).values(status=WAITING, reason="").returning(BackgroundQueue.ien)
_DROP = delete(BackgroundQueue).where(*_AS_THEY_WERE).returning(BackgroundQueue.ien)


class BackgroundWork:
    """One of the background queues, of all places; an entry is named by its number."""

    statuses: tuple[str, ...] = (WAITING, "FAILED", "SKIPPED")
    waiting: tuple[str, ...] = (WAITING,)
    failed: tuple[str, ...] = ("FAILED", "SKIPPED")
    busy = ""
    orders: Sequence[Order] = _ORDERS

    def __init__(self, name: str) -> None:
        self.name = name

    def wanted(self, connection: Connection, filter: Filter) -> Wanted:
        """Say which values of columns a filter is for. Raises NoSuchPlace."""
        if filter.destination:
            raise QueueError(f"What waits in {self.name} goes nowhere: DESTINATION is for EXPORT and SEND.")
        wanted: dict[str, tuple[Any, ...]] = {"queue": (self.name,), "status": filter.statuses}
        if filter.location:
            wanted["place"] = tuple(connection.execute(_PLACES, {"institution_": filter.location}).scalars())
            if not wanted["place"]:
                raise NoSuchPlace(f"There are no imaging site parameters of institution {filter.location}.")
        if filter.image:
            wanted["image"] = (filter.image,)
        return {name: values for name, values in wanted.items() if values}

    def listed(self, connection: Connection, entries: Sequence[Entry]) -> list[Listed]:
        """Describe entries."""
        del connection  # all stands in the entries
        return [
            Listed(
                entry=str(row.ien),
                queue=self.name,
                image=row.image,
                uid=row.uid or "",
                location=row.institution or 0,
                destination="",
                status=row.status,
                priority=None,
                status_at=None,
                queued_at=seconds_of(row.requested),
                file=row.file_path,
                reason=row.reason,
            )
            for row in entries
        ]

    def requeue(self, errand: Errand) -> Lot:
        """Let entries wait again; one whose image waits in the queue anyway goes, as that entry stands for both."""
        rows, more = self._rows(errand, errand.filter.statuses or self.failed, self.failed)
        waiting = self._waiting(errand, rows)
        again: list[Entry] = []
        doubled: list[Entry] = []
        for row in rows:
            key = (row.place, row.image)
            (doubled if row.image and key in waiting else again).append(row)
            waiting.add(key)
        again = self._change(errand, _AGAIN, again)
        steps = [Step(str(row.ien), {"status": row.status}, {"status": WAITING}) for row in again]
        for place, count in Counter(row.place for row in again).items():
            count_queued(errand.connection, place, self.name, count)
            if self.name == "EVAL":
                wake_after_commit(errand.connection, evaluation(place))
        steps += [Step(str(row.ien), {"status": row.status}, None) for row in self._change(errand, _DROP, doubled)]
        self._tell(errand, again, "requeued")
        return self._lot(errand, steps, more)

    def purge(self, errand: Errand, days: float) -> Lot:
        """Delete entries. What was not worked off yet is told in its image's story."""
        rows, more = self._rows(errand, errand.filter.statuses, self.statuses)
        if days:
            before = to_fileman(fileman_before(errand.clock.now(), days))
            old = list(takewhile(lambda row: row.requested < before, rows))
            rows, more = old, more and len(old) == len(rows)
        gone = self._change(errand, _DROP, rows)
        for place, count in Counter(row.place for row in gone if row.status == WAITING).items():
            count_dropped(errand.connection, place, self.name, count)
        self._tell(errand, [row for row in gone if row.image], "cancelled")
        return self._lot(errand, [Step(str(row.ien), {"status": row.status}, None) for row in gone], more)

    def _rows(self, errand: Errand, statuses: tuple[str, ...], named: tuple[str, ...]) -> tuple[list[Entry], bool]:
        if errand.named:
            return [row for row in self._named(errand) if row.status in named], False
        asked = replace(errand, filter=replace(errand.filter, statuses=statuses))
        return lot_of(asked, self, 0, MOST_CHANGED)

    def _named(self, errand: Errand) -> list[Entry]:
        """Find the entries that are named. Raises QueueError."""
        keys = [subscript(text) for text in errand.named]
        if not all(keys):
            raise QueueError(f"An entry of {self.name} is a number, not {errand.named[keys.index(0)][:40]!r}.")
        found = (errand.connection.execute(_NAMED, {"keys": list(it), "queue_": self.name}) for it in in_parts(keys))
        return sorted((row for rows in found for row in rows), key=lambda row: row.ien)

    def _waiting(self, errand: Errand, rows: Sequence[Entry]) -> set[tuple[int, int]]:
        places = sorted({row.place for row in rows})
        found: set[tuple[int, int]] = set()
        for some in in_parts(sorted({row.image for row in rows if row.image})):
            key = {"places": places, "queue_": self.name, "images": list(some)}
            found |= {(row.place, row.image) for row in errand.connection.execute(_WAITING, key)}
        return found

    @staticmethod
    def _change(errand: Errand, statement: Any, rows: Sequence[Entry]) -> list[Entry]:
        """Change entries that are as they were; give those."""
        done: set[int] = set()
        for status in dict.fromkeys(row.status for row in rows):
            for some in in_parts([row.ien for row in rows if row.status == status]):
                done.update(errand.connection.execute(statement, {"keys": list(some), "was": status}).scalars())
        return [row for row in rows if row.ien in done]

    def _tell(self, errand: Errand, rows: Sequence[Entry], outcome: str) -> None:
        events = [
            Event(row.uid or "", row.image, self.name, errand.now, errand.by, outcome, f"it was {row.status}")
            for row in rows
            if row.image
        ]
        record_events(errand.connection, events)

    def _lot(self, errand: Errand, steps: Sequence[Step], more: bool) -> Lot:
        there = {str(row.ien): row.status for row in self._named(errand)}
        return Lot(len(steps), steps, left_of(errand.named, there, [step.entry for step in steps]), more)
