"""What a person sees of the entries of a queue, asks for, and has done to them, whichever queue it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice, takewhile
from typing import Any, Protocol

from sqlalchemy import Connection

from fileman import from_fileman
from rpcs.errors import RpcError
from rpcs.export.holding import Left
from rpcs.queues.walking import Entry, Key, Order, TooManyRanges, Wanted
from runtime import Clock


class QueueError(RpcError):
    """The queue cannot be asked for this."""


class NoSuchPlace(RpcError):
    """There is no such destination or location."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An entry of a queue: its number, whose image, where it is from and to, what is to become of it and since when.

    `destination` is a transmit destination's name or a router's; `file` a file's type or path where the queue has those;
    `reason` why it failed. Times are in seconds since the epoch, None where nobody noted one.
    """

    entry: str
    queue: str
    image: int
    uid: str
    location: int
    destination: str
    status: str
    priority: int | None
    status_at: float | None
    queued_at: float | None
    file: str = ""
    reason: str = ""
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries are meant: those of all that is given. Empty texts and 0 stand for any."""

    statuses: tuple[str, ...] = ()
    destination: str = ""
    location: int = 0
    image: int = 0

    def __str__(self) -> str:
        parts = {"status": ", ".join(self.statuses), "destination": self.destination, "location": self.location or ""}
        return ", ".join(f"{name} {value}" for name, value in parts.items() if value)


@dataclass(frozen=True, slots=True)
class Step:
    """An entry that was changed: what it was, and is, None where it is gone."""

    entry: str
    before: Mapping[str, Any]
    after: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Lot:
    """What one call did: how many entries were changed and which, those named that were left, whether there may be more."""

    entries: int
    steps: Sequence[Step]
    left: tuple[Left, ...] = ()
    more: bool = False


@dataclass(frozen=True, slots=True)
class Errand:
    """Something that a person does to entries: those that are named, or a lot of those that a filter finds."""

    connection: Connection
    by: str
    clock: Clock
    named: Sequence[str] = ()
    filter: Filter = field(default_factory=Filter)

    @property
    def now(self) -> float:
        """The time, in seconds since the epoch."""
        return self.clock.seconds()


class Queue(Protocol):
    """A queue as people steer it. All raise QueueError and NoSuchPlace.

    `statuses` are those an entry may have, `waiting` those in which it is yet to be worked off, `failed` those that are let to
    wait again unless others are named; an entry of status `busy` is left alone.
    """

    name: str
    statuses: tuple[str, ...]
    waiting: tuple[str, ...]
    failed: tuple[str, ...]
    busy: str
    orders: Sequence[Order]

    def wanted(self, connection: Connection, filter: Filter) -> Wanted:
        """Say which values of columns a filter is for."""

    def listed(self, connection: Connection, entries: Sequence[Entry]) -> list[Listed]:
        """Describe entries."""

    def requeue(self, errand: Errand) -> Lot:
        """Let entries wait again."""

    def purge(self, errand: Errand, days: float) -> Lot:
        """Delete entries of a status, older than some days, or those that are named."""


class SendingQueue(Queue, Protocol):
    """A queue whose entries go somewhere, the most urgent first."""

    def set_priority(self, errand: Errand, priority: int) -> Lot:
        """Give entries that wait another priority."""

    def redirect(self, errand: Errand, destination: str) -> Lot:
        """Give entries that wait, are held or failed to another destination."""


def order_for(orders: Sequence[Order], wanted: Wanted, name: str = "") -> Order:
    """Choose an order, the first that an index has for what is wanted unless one is named. Raises QueueError."""
    for order in orders:
        if (not name or order.name == name) and order.takes(wanted):
            return order
    named = [order for order in orders if order.name == name] or list(orders)
    kinds = dict.fromkeys(f"{it.name} takes {_words(it) or 'no filter'}" for it in named)
    raise QueueError(f"No index finds these in order: {'; '.join(kinds)}.")


#: How a person names what is asked of a column.
_FILTERS = {"origin": "LOCATION", "place": "LOCATION", "application": "DESTINATION"}


def _words(order: Order) -> str:
    columns = (*order.ranges.names, *(column.key for column in order.also))
    words = dict.fromkeys(_FILTERS.get(it, it.upper()) for it in columns if it not in ("held", "queue"))
    return ", ".join(words)


def page_of(
    connection: Connection, queue: Queue, filter: Filter, order: str, after: str, most: int
) -> tuple[list[Listed], str | None]:
    """List entries in an order; give them, and behind which place the next page begins, None for the last. Raises QueueError."""
    wanted = queue.wanted(connection, filter)
    chosen = order_for(queue.orders, wanted, order)
    place = read_place(chosen, after)
    try:
        rows = list(islice(chosen.walk(connection, wanted, place), most + 1))
    except TooManyRanges as error:
        raise QueueError("There are too many locations and destinations: say LOCATION, DESTINATION or STATUS.") from error
    page = rows[:most]
    following = "^".join(repr(it) for it in chosen.place_of(page[-1])) if len(rows) > most else None
    return queue.listed(connection, page), following


def read_place(order: Order, text: str) -> Key:
    """Read where a page ended. Raises QueueError."""
    if not text:
        return ()
    pieces = text.split("^")
    try:
        place = tuple(_number(piece) for piece in pieces)
    except ValueError:
        place = ()
    if len(place) != len(order.places):
        raise QueueError(f"AFTER is what a page in this order gave as next, not {text[:40]!r}.")
    return place


def _number(text: str) -> int | float:
    if len(text) > 20 or not text.isascii():
        raise ValueError(text)
    return float(text) if "." in text else int(text)


def lot_of(errand: Errand, queue: Queue, days: float, most: int, without: int | None = None) -> tuple[list[Entry], bool]:
    """Give a lot of the entries that a filter finds, older than some days, and whether there are more. Raises QueueError.

    Those that have the priority `without` are passed over.
    """
    wanted = queue.wanted(errand.connection, errand.filter)
    order = order_for(queue.orders, wanted, "AGE" if days else "")
    before = errand.now - days * 86400
    try:
        walked = order.walk(errand.connection, wanted, without=without)
        old = takewhile(lambda row: row.status_at <= before, walked) if days else walked
        rows = list(islice(old, most + 1))
    except TooManyRanges as error:
        raise QueueError("There are too many of them: say STATUS, and DESTINATION or LOCATION.") from error
    return rows[:most], len(rows) > most


def seconds_of(moment: str) -> float | None:
    """Give a FileMan moment in seconds since the epoch; None for one that is none."""
    try:
        return from_fileman(moment).timestamp()
    except ValueError:
        return None


def fileman_before(now: datetime, days: float) -> datetime:
    """Give the moment so many days ago."""
    return datetime.fromtimestamp(now.timestamp() - days * 86400)  # noqa: DTZ006  FileMan dates carry no zone


def left_of(named: Iterable[str], entries: Mapping[str, str], done: Iterable[str]) -> tuple[Left, ...]:
    """Tell which of the named entries were left as they are, with their statuses; "" where there is none."""
    done = set(done)
    return tuple(Left(entry, entries.get(entry, "")) for entry in dict.fromkeys(named) if entry not in done)
