"""The send queue (#2006.035) as a person steers it: files let to wait again, made more urgent, copied elsewhere, deleted."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select, update

from fileman import (
    CopyEntry,
    Event,
    Waits,
    in_parts,
    let_wait,
    lock_for_transaction,
    record_events,
    rejected_among,
    send_queue_lock,
)
from fileman.files import Image, NetworkLocation, SendQueue
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
from runtime import other_names

#: Entries that one call changes: each is looked at by itself.
MOST_CHANGED = 500

_ENTRIES = select(
    SendQueue.ien,
    SendQueue.image,
    SendQueue.destination,
    SendQueue.file_type,
    SendQueue.origin,
    SendQueue.status,
    SendQueue.unlisted_status,
    SendQueue.status_at,
    SendQueue.priority,
    SendQueue.queued,
    SendQueue.held,
    Image.uid,
).join(Image, Image.ien == SendQueue.image, isouter=True)
_NAMED = _ENTRIES.where(SendQueue.ien.in_(bindparam("keys", expanding=True)))
_NUMBER = (SendQueue.ien,)
_DESTINATION, _STATUS, _ORIGIN, _IMAGE = SendQueue.destination, SendQueue.status, SendQueue.origin, SendQueue.image
_BY_PRIORITY = Ranges((_ORIGIN, _STATUS, _DESTINATION, SendQueue.held), {"held": (False, True)})
_ORDERS = (
    Order("NUMBER", _ENTRIES, Ranges(()), _NUMBER),
    Order("NUMBER", _ENTRIES, Ranges((_DESTINATION, _STATUS, _IMAGE)), _NUMBER, needs=_IMAGE, also=(_ORIGIN,)),
    Order("PRIORITY", _ENTRIES, _BY_PRIORITY, _NUMBER, SendQueue.priority),
    Order("AGE", _ENTRIES, Ranges((_DESTINATION, _STATUS)), (SendQueue.status_at, *_NUMBER)),
)
_AS_IT_WAS = (SendQueue.ien == bindparam("entry")) & (SendQueue.status == bindparam("was"))
_RAISE = update(SendQueue).where(_AS_IT_WAS).values(priority=bindparam("new_priority"))
_DROP = delete(SendQueue).where(_AS_IT_WAS)
_ROUTERS = (
    select(NetworkLocation.ien, NetworkLocation.name, NetworkLocation.send)
    .where(NetworkLocation.router, NetworkLocation.name != "")
    .order_by(NetworkLocation.ien)
)


@dataclass(frozen=True, slots=True)
class Router:
    """A router's network location: its name, and the types of files that it takes."""

    ien: int
    name: str
    takes: tuple[str, ...]

    @property
    def pointer(self) -> str:
        """How entries name it."""
        return f"{self.ien};MAG(2005.2,"


class SendingCopies:
    """The files that are to be copied to routers' network locations; an entry is named by its number."""

    name = "SEND"
    statuses: tuple[str, ...] = ("WAITING", "SENDING", "SENT", "FAILED", "NOT FOUND")
    waiting: tuple[str, ...] = ("WAITING",)
    failed: tuple[str, ...] = ("FAILED",)
    busy = "SENDING"
    orders: Sequence[Order] = _ORDERS

    def wanted(self, connection: Connection, filter: Filter) -> Wanted:
        """Say which values of columns a filter is for. Raises NoSuchPlace."""
        wanted: dict[str, tuple[Any, ...]] = {
            "status": filter.statuses,
            "origin": (filter.location,) if filter.location else (),
            "destination": tuple(it.pointer for it in _found(connection, filter.destination)) if filter.destination else (),
            "image": (filter.image,) if filter.image else (),
        }
        return {name: values for name, values in wanted.items() if values}

    def listed(self, connection: Connection, entries: Sequence[Entry]) -> list[Listed]:
        """Describe entries."""
        names = {router.pointer: router.name for router in _routers(connection)}
        return [
            Listed(
                entry=str(row.ien),
                queue=self.name,
                image=row.image,
                uid=row.uid or "",
                location=row.origin,
                destination=names.get(row.destination, row.destination),
                status=row.status or row.unlisted_status,
                priority=row.priority,
                status_at=row.status_at,
                queued_at=seconds_of(row.queued),
                file=row.file_type,
                reason="its file is yet to be made" if row.held else "",
            )
            for row in entries
        ]

    def requeue(self, errand: Errand) -> Lot:
        """Let entries wait again, but of rejected images; where the file waits there anyway, that entry stands for both."""
        rows, more = self._rows(errand, errand.filter.statuses or self.failed, ("FAILED", "SENT", "NOT FOUND"))
        rejected = rejected_among(errand.connection, [row.image for row in rows])
        rows = [row for row in rows if row.image not in rejected]
        steps = [step for row in rows if (step := self._let_wait(errand, row, row.destination)) is not None]
        done = {step.entry for step in steps}
        self._tell(errand, [row for row in rows if str(row.ien) in done], "requeued", lambda row: f"it was {row.status}")
        return self._lot(errand, steps, more)

    def set_priority(self, errand: Errand, priority: int) -> Lot:
        """Give entries that wait another priority."""
        if errand.named:
            rows, more = self._rows(errand, (), self.waiting)
        else:
            filter = replace(errand.filter, statuses=self.waiting)
            rows, more = lot_of(replace(errand, filter=filter), self, 0, MOST_CHANGED, without=priority)
        steps = []
        for row in rows:
            key = {"entry": row.ien, "was": row.status, "new_priority": priority}
            if row.priority == priority or errand.connection.execute(_RAISE, key).rowcount:
                steps.append(Step(str(row.ien), {"priority": row.priority}, {"priority": priority}))
        return self._lot(errand, steps, more)

    def redirect(self, errand: Errand, destination: str) -> Lot:
        """Give entries that wait or failed to another router's location; files of a type that it does not take are left."""
        target, *more_of_them = _found(errand.connection, destination)
        if more_of_them:
            raise QueueError(f"There are {1 + len(more_of_them)} routers' locations of the name {destination}: give a number.")
        statuses = (*self.waiting, *self.failed)
        rows, more = self._rows(errand, statuses, statuses)
        taken = [row for row in rows if row.file_type in target.takes and row.destination != target.pointer]
        steps = [step for row in taken if (step := self._let_wait(errand, row, target.pointer)) is not None]
        done = {step.entry for step in steps}
        moved = [row for row in taken if str(row.ien) in done]
        self._tell(errand, moved, "redirected", lambda _row: f"goes to {target.name}")
        if rows and not steps and not errand.named:
            takes = ", ".join(target.takes) or "no files"
            raise QueueError(f"{target.name} takes {takes}; none of the first {len(rows)} entries is one of these.")
        return self._lot(errand, steps, more)

    def purge(self, errand: Errand, days: float) -> Lot:
        """Delete entries. What was not copied yet is told in its image's story."""
        rows, more = self._rows(errand, errand.filter.statuses, ("WAITING", "SENT", "FAILED", "NOT FOUND", ""), days)
        gone = [row for row in rows if errand.connection.execute(_DROP, {"entry": row.ien, "was": row.status}).rowcount]
        self._tell(errand, [row for row in gone if row.status in ("WAITING", "FAILED")], "cancelled", _was)
        return self._lot(errand, [Step(str(row.ien), {"status": row.status}, None) for row in gone], more)

    def _rows(
        self, errand: Errand, statuses: tuple[str, ...], named: Collection[str], days: float = 0
    ) -> tuple[list[Entry], bool]:
        """Give the entries that are meant, of some statuses each, while nobody else queues files of their images."""
        if errand.named:
            rows, more = [row for row in _named(errand) if row.status in named], False
        else:
            asked = replace(errand, filter=replace(errand.filter, statuses=statuses))
            rows, more = lot_of(asked, self, days, MOST_CHANGED)
        if rows:
            lock_for_transaction(errand.connection, *{send_queue_lock(row.image) for row in rows})
        return rows, more

    @staticmethod
    def _let_wait(errand: Errand, row: Entry, destination: str) -> Step | None:
        entry = CopyEntry(row.ien, row.image, row.file_type, row.destination, row.priority, row.status)
        came_of_it = let_wait(errand.connection, entry, destination, errand.now)
        if came_of_it is Waits.CHANGED:
            return None
        after: Mapping[str, Any] | None = {"status": "WAITING", "destination": destination}
        before = {"status": row.status, "destination": row.destination}
        return Step(str(row.ien), before, after if came_of_it is Waits.ITSELF else None)

    @staticmethod
    def _tell(errand: Errand, rows: Sequence[Entry], outcome: str, why: Any) -> None:
        events = [
            Event(
                row.uid or "",
                row.image,
                "SEND",
                errand.now,
                errand.by,
                outcome,
                f"{row.file_type} for {row.destination}: {why(row)}",
            )
            for row in rows
        ]
        record_events(errand.connection, events)

    @staticmethod
    def _lot(errand: Errand, steps: Sequence[Step], more: bool) -> Lot:
        there = {str(row.ien): row.status or row.unlisted_status for row in _named(errand)}
        return Lot(len(steps), steps, left_of(errand.named, there, [step.entry for step in steps]), more)


def _was(row: Entry) -> str:
    return f"it was {row.status}"


def _named(errand: Errand) -> list[Entry]:
    """Find the entries that are named. Raises QueueError."""
    keys = [subscript(text) for text in errand.named]
    if not all(keys):
        raise QueueError(f"An entry of the send queue is a number, not {errand.named[keys.index(0)][:40]!r}.")
    return [row for some in in_parts(keys) for row in errand.connection.execute(_NAMED, {"keys": list(some)})]


def _routers(connection: Connection) -> list[Router]:
    rows = connection.execute(_ROUTERS)
    return [Router(row.ien, row.name, tuple(it for it in row.send.split(",") if it)) for row in rows]


def _found(connection: Connection, destination: str) -> list[Router]:
    """Find routers' locations by name, in whichever letter case, or number. Raises NoSuchPlace."""
    routers = _routers(connection)
    found = [it for it in routers if destination.casefold() == it.name.casefold() or destination == str(it.ien)]
    if not found:
        names = [router.name for router in routers]
        raise NoSuchPlace(f"There is no router's network location {destination[:60]!r}.{other_names(destination, names)}")
    return found
