"""The export queue (#2006.574) as a person steers it: images let to wait again, made more urgent, sent elsewhere, deleted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, bindparam, or_, select, tuple_, update

from fileman import (
    Event,
    export_lock,
    in_parts,
    lock_for_transaction,
    record_events,
    rejected_among,
    take_out_exported,
    to_fileman,
    transmission,
    wake_after_commit,
)
from fileman.files import DicomExport, DicomExportImage, Image
from rpcs.export.holding import STATUSES, held_destinations, is_destination, transmit_destinations
from rpcs.numbers import subscript
from rpcs.queues.entries import (
    Errand,
    Filter,
    Listed,
    Lot,
    NoSuchPlace,
    QueueError,
    Step,
    left_of,
    lot_of,
    seconds_of,
)
from rpcs.queues.walking import Entry, Order, Ranges, Wanted
from rules.evaluator.queueing import Object, Origin, Study, queue_objects
from runtime import other_names

#: Entries that one call changes.
MOST_CHANGED = 1000
#: An image in one of these is on its way to its destination, or will be.
UNDER_WAY = ("WAITING", "RETRY", "HOLD", "XMIT")
#: What a study without a UID is known by.
_NO_UID = "?"

_ENTRIES = (
    select(
        DicomExportImage.export,
        DicomExportImage.sequence,
        DicomExportImage.image,
        DicomExportImage.status,
        DicomExportImage.status_at,
        DicomExportImage.origin,
        DicomExportImage.priority,
        DicomExportImage.application,
        DicomExportImage.reason,
        DicomExportImage.repeated,
        DicomExport.requested,
        DicomExport.accession,
        DicomExport.group,
        DicomExport.study_uid,
        DicomExport.to_hipaa,
        DicomExport.with_priors,
        Image.uid,
    )
    .join(DicomExport, DicomExport.ien == DicomExportImage.export)
    .join(Image, Image.ien == DicomExportImage.image, isouter=True)
)
_NUMBER = (DicomExportImage.export, DicomExportImage.sequence)
_NAMED = _ENTRIES.where(tuple_(*_NUMBER).in_(bindparam("keys", expanding=True)))
_ORIGIN, _STATUS = DicomExportImage.origin, DicomExportImage.status
_APPLICATION, _IMAGE = DicomExportImage.application, DicomExportImage.image
_ORDERS = (
    Order("NUMBER", _ENTRIES, Ranges(()), _NUMBER),
    Order("NUMBER", _ENTRIES, Ranges((_IMAGE,)), _NUMBER, needs=_IMAGE, also=(_STATUS, _ORIGIN, _APPLICATION)),
    Order("PRIORITY", _ENTRIES, Ranges((_ORIGIN, _STATUS)), _NUMBER, DicomExportImage.priority),
    Order("PRIORITY", _ENTRIES, Ranges((_ORIGIN, _STATUS, _APPLICATION)), _NUMBER, DicomExportImage.priority),
    Order("AGE", _ENTRIES, Ranges((_STATUS,)), (DicomExportImage.status_at, *_NUMBER)),
)
_UNDER_WAY = select(DicomExportImage.image, _APPLICATION, _ORIGIN, *_NUMBER).where(
    DicomExportImage.image.in_(bindparam("images", expanding=True)), _STATUS.in_(UNDER_WAY)
)
_AGAIN = (
    update(DicomExportImage)
    .where(
        DicomExportImage.export == bindparam("d0"),
        DicomExportImage.sequence == bindparam("d1"),
        DicomExportImage.status == bindparam("was"),
    )
    .values(
        status=bindparam("new_status"),
        status_at=bindparam("now"),
        reason="",
        tries=0,
        next_try_at=0.0,
        repeated=or_(DicomExportImage.repeated, bindparam("arrived")),
    )
)
#: The images of an export have its priority, by which the next one is found.
_RAISE = update(DicomExport).where(DicomExport.ien == bindparam("d0")).values(priority=bindparam("new_priority"))
_RAISE_IMAGES = (
    update(DicomExportImage).where(DicomExportImage.export == bindparam("d0")).values(priority=bindparam("new_priority"))
)

#: An image for a destination from a location: it is not sent twice.
_Sending = tuple[int, str, int]


class ExportQueue:
    """The images that are to be sent by DICOM; an entry is named `export^image`."""

    name = "EXPORT"
    statuses: tuple[str, ...] = STATUSES
    waiting: tuple[str, ...] = ("WAITING", "RETRY", "HOLD")
    failed: tuple[str, ...] = ("FAIL",)
    busy = "XMIT"
    orders: Sequence[Order] = _ORDERS

    def wanted(self, connection: Connection, filter: Filter) -> Wanted:
        """Say which values of columns a filter is for. Raises NoSuchPlace."""
        if filter.destination and not is_destination(connection, filter.destination):
            others = other_names(filter.destination, transmit_destinations(connection))
            raise NoSuchPlace(f"There is no destination {filter.destination[:60]!r}.{others}")
        wanted = {
            "status": filter.statuses,
            "origin": (filter.location,) if filter.location else (),
            "application": (filter.destination,) if filter.destination else (),
            "image": (filter.image,) if filter.image else (),
        }
        return {name: values for name, values in wanted.items() if values}

    def listed(self, connection: Connection, entries: Sequence[Entry]) -> list[Listed]:
        """Describe entries."""
        del connection  # all stands in the entries
        return [
            Listed(
                entry=_key(row),
                queue=self.name,
                image=row.image,
                uid=row.uid or "",
                location=row.origin,
                destination=row.application,
                status=row.status,
                priority=row.priority,
                status_at=row.status_at,
                queued_at=seconds_of(row.requested),
                reason=row.reason,
                repeated=bool(row.repeated),
            )
            for row in entries
        ]

    def requeue(self, errand: Errand) -> Lot:
        """Let entries wait again, but of rejected images; of an image that is under way there anyway only that entry is left."""
        rows, more = self._rows(errand, errand.filter.statuses or self.failed, ("FAIL", "SUCCESS", "RETRY"))
        rejected = rejected_among(errand.connection, [row.image for row in rows])
        rows = [row for row in rows if row.image not in rejected]
        held = {it.destination for it in held_destinations(errand.connection)}
        under_way = _under_way(errand.connection, [row.image for row in rows])
        again: list[tuple[Entry, str]] = []
        doubled: list[Entry] = []
        for row in rows:
            others = under_way.setdefault((row.image, row.application, row.origin), set())
            if others - {_key(row)}:
                doubled += [row] if row.status == "FAIL" else []
                continue
            others.add(_key(row))
            again.append((row, "HOLD" if row.application in held else "WAITING"))
        changes = [
            {"d0": it.export, "d1": it.sequence, "was": it.status, "new_status": new, "now": errand.now}
            | {"arrived": it.status == "SUCCESS"}
            for it, new in again
        ]
        if changes:
            errand.connection.execute(_AGAIN, changes)
        self._take_out(errand, doubled)
        self._tell(errand, [row for row, _ in again], "requeued", lambda row: f"it was {row.status}")
        steps = [Step(_key(row), {"status": row.status}, {"status": new}) for row, new in again]
        steps += [Step(_key(row), {"status": row.status}, None) for row in doubled]
        return self._lot(errand, rows, steps, more)

    def set_priority(self, errand: Errand, priority: int) -> Lot:
        """Give entries that wait another priority, with all of their export: a study goes to a destination together."""
        if errand.named:
            rows, more = self._rows(errand, (), self.waiting)
        else:
            filter = replace(errand.filter, statuses=self.waiting)
            rows, more = lot_of(replace(errand, filter=filter), self, 0, MOST_CHANGED, without=priority)
            self._lock(errand, rows)
        before = {row.export: row.priority for row in rows if row.priority != priority}
        entries = 0
        for export in before:
            key = {"d0": export, "new_priority": priority}
            errand.connection.execute(_RAISE, key)
            entries += errand.connection.execute(_RAISE_IMAGES, key).rowcount
        self._wake(errand, rows)
        steps = [Step(f"{export}^", {"priority": old}, {"priority": priority}) for export, old in before.items()]
        done = [_key(row) for row in rows]
        return Lot(entries, steps, self._left(errand, done), more)

    def redirect(self, errand: Errand, destination: str) -> Lot:
        """Give entries that wait, are held or failed to another destination, where an image that is under way is not doubled."""
        if destination not in (there := transmit_destinations(errand.connection)):
            raise NoSuchPlace(f"There is no transmit destination {destination[:60]!r}.{other_names(destination, there)}")
        if destination == errand.filter.destination:
            raise QueueError(f"They are for {destination} already.")
        statuses = (*self.waiting, *self.failed)
        rows, more = self._rows(errand, statuses, statuses)
        rows = [row for row in rows if row.application != destination]
        under_way = _under_way(errand.connection, [row.image for row in rows])
        new = [row for row in rows if (row.image, destination, row.origin) not in under_way]
        for origin in sorted({row.origin for row in new}):
            objects = [_object(row, destination) for row in new if row.origin == origin]
            queue_objects(errand.connection, objects, Origin(origin, to_fileman(errand.clock.now()), errand.now))
        self._take_out(errand, rows)
        self._tell(errand, rows, "redirected", lambda _row: f"goes to {destination}")
        steps = [
            Step(_key(row), {"destination": row.application, "status": row.status}, {"destination": destination}) for row in rows
        ]
        return self._lot(errand, rows, steps, more)

    def purge(self, errand: Errand, days: float) -> Lot:
        """Delete entries; an export goes with its last one. What was not sent yet is told in its image's story."""
        rows, more = self._rows(errand, errand.filter.statuses, tuple(it for it in self.statuses if it != self.busy), days)
        self._take_out(errand, rows)
        self._tell(errand, [row for row in rows if row.status != "SUCCESS"], "cancelled", lambda row: f"it was {row.status}")
        return self._lot(errand, rows, [Step(_key(row), {"status": row.status}, None) for row in rows], more)

    def _rows(
        self, errand: Errand, statuses: tuple[str, ...], named: tuple[str, ...], days: float = 0
    ) -> tuple[list[Entry], bool]:
        """Give the entries that are meant, of some statuses each, while nobody else takes or adds any of their locations."""
        if errand.named:
            keys = [_numbers(text) for text in errand.named]

            def read() -> tuple[list[Entry], bool]:
                return [row for row in _named(errand.connection, keys) if row.status in named], False
        else:
            asked = replace(errand, filter=replace(errand.filter, statuses=statuses))

            def read() -> tuple[list[Entry], bool]:
                return lot_of(asked, self, days, MOST_CHANGED)

        rows, more = read()
        if not self._lock(errand, rows):
            return rows, more
        locked = {row.origin for row in rows}
        rows, more = read()
        return [row for row in rows if row.origin in locked], more

    @staticmethod
    def _lock(errand: Errand, rows: Sequence[Entry]) -> bool:
        return bool(rows) and lock_for_transaction(errand.connection, *{export_lock(row.origin) for row in rows})

    @staticmethod
    def _take_out(errand: Errand, rows: Sequence[Entry]) -> None:
        take_out_exported(errand.connection, [(row.export, row.sequence, row.status) for row in rows])

    @staticmethod
    def _tell(errand: Errand, rows: Sequence[Entry], outcome: str, why: Callable[[Entry], str]) -> None:
        events = [
            Event(row.uid or "", row.image, "SEND", errand.now, errand.by, outcome, f"{row.application}: {why(row)}")
            for row in rows
        ]
        record_events(errand.connection, events)

    @staticmethod
    def _wake(errand: Errand, rows: Sequence[Entry]) -> None:
        for origin in {row.origin for row in rows}:
            wake_after_commit(errand.connection, transmission(origin))

    def _lot(self, errand: Errand, rows: Sequence[Entry], steps: Sequence[Step], more: bool) -> Lot:
        self._wake(errand, rows)
        return Lot(len(steps), steps, self._left(errand, [step.entry for step in steps]), more)

    @staticmethod
    def _left(errand: Errand, done: Collection[str]) -> tuple[Any, ...]:
        wanted = [text for text in errand.named if text not in done]
        there = {_key(row): row.status for row in _named(errand.connection, [_numbers(text) for text in wanted])}
        return left_of(wanted, there, ())


def _key(row: Entry) -> str:
    return f"{row.export}^{row.sequence}"


def _numbers(text: str) -> tuple[int, int]:
    """Read the name of an entry. Raises QueueError."""
    export, _, sequence = text.partition("^")
    numbers = subscript(export), subscript(sequence)
    if not all(numbers):
        raise QueueError(f"An entry is written entry^image, not {text[:40]!r}.")
    return numbers


def _named(connection: Connection, keys: Sequence[tuple[int, int]]) -> list[Entry]:
    return [row for some in in_parts(keys) for row in connection.execute(_NAMED, {"keys": list(some)})]


def _under_way(connection: Connection, images: Sequence[int]) -> dict[_Sending, set[str]]:
    """Tell of images where they are under way to, and by which entries."""
    found: dict[_Sending, set[str]] = {}
    for some in in_parts(sorted(set(images))):
        for row in connection.execute(_UNDER_WAY, {"images": list(some)}):
            found.setdefault((row.image, row.application, row.origin), set()).add(_key(row))
    return found


def _object(row: Entry, destination: str) -> Object:
    uid = "" if row.study_uid == _NO_UID else row.study_uid
    return Object(row.image, Study(destination, row.group, uid, row.priority, row.to_hipaa), row.accession, row.with_priors)
