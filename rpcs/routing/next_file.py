"""The next file that a routing gateway is to copy (XMIT^MAGDRPC5): FIFO inside a priority, the highest priority first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, String, bindparam, cast, false, func, select

from fileman import FILE_POINTERS, Event, record_events
from fileman.files import Image, NetworkLocation, SendQueue
from rpcs.call import Call
from rpcs.errors import undefined
from rpcs.file_find import FoundFile, directory_hash, find_file
from rpcs.numbers import subscript, whole
from rpcs.registry import Access, listed, literal, procedure
from rpcs.routing.activity import note_activity
from rpcs.routing.destinations import is_due, set_online
from rpcs.routing.send_queue import write_status
from xwb import ResultType, m_number

COPY, DICOM = 1, 2
#: Another transmitter of the location took the entry that was found: look again, at most so often.
TRIES = 10

_POINTER = cast(NetworkLocation.ien, String) + ";MAG(2005.2,"
_HIGHEST = (
    select(func.max(SendQueue.priority))
    .where(SendQueue.origin == bindparam("origin"), SendQueue.status == "WAITING", SendQueue.destination == _POINTER)
    .where(SendQueue.held == false())
    .correlate(NetworkLocation)
    .scalar_subquery()
)
_DESTINATIONS = select(
    NetworkLocation.ien,
    NetworkLocation.name,
    NetworkLocation.physical,
    NetworkLocation.online,
    NetworkLocation.hash,
    NetworkLocation.user,
    NetworkLocation.password,
    NetworkLocation.subdirectory,
    NetworkLocation.compression,
    NetworkLocation.retention_days,
    NetworkLocation.retry_connect,
    NetworkLocation.retry_transmit,
    NetworkLocation.last_purge,
    NetworkLocation.offline_since,
    _HIGHEST.label("highest"),
).where(NetworkLocation.ien.in_(bindparam("locations", expanding=True)))
_FIRST = (
    select(
        SendQueue.ien.label("entry"),
        SendQueue.image,
        SendQueue.file_type,
        SendQueue.queued,
        SendQueue.origin,
        *FILE_POINTERS,
        Image.uid,
    )
    .join(Image, Image.ien == SendQueue.image, isouter=True)
    .where(
        SendQueue.origin == bindparam("origin"),
        SendQueue.status == "WAITING",
        SendQueue.destination == bindparam("destination"),
        SendQueue.held == false(),
        SendQueue.priority == bindparam("at_priority"),
    )
    .order_by(SendQueue.ien)
    .limit(1)
    .with_for_update(of=SendQueue, skip_locked=True)
)

Destination = Row[*tuple[Any, ...]]
Entry = Row[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a transmitter asks for: entries of a location, for destinations that it serves, going on with one of them."""

    origin: int
    served: frozenset[int]
    destination: int
    priority: int


@dataclass(frozen=True, slots=True)
class Choice:
    """A destination and the priority at which something waits for it; it may be nothing any more where a transmitter goes on."""

    destination: Destination
    priority: int
    going_on: bool = False


@procedure(
    "MAG DICOM ROUTE NEXT FILE",
    returns=ResultType.ARRAY,
    access=Access.WRITES,
    routine="XMIT^MAGDRPC5",
    parameters=(
        literal("LOCATION", 30, required=True),
        literal("DEST", 30),
        literal("PRIOR", 30),
        literal("MECH", 10),
        listed("DESTS", required=True),
    ),
    version=3,
)
def next_file(call: Call) -> list[str]:
    """Take the next file of a location for the destinations that a transmitter serves, elements `mechanism^ien` of DESTS.

    Answers 1, destination, priority, mechanism, user, password, path here, path there, queue entry, the destination's share,
    what it keeps (node 3), image, moment of queueing, compression. 0: nothing is to be sent. 2: the entry has no file, and is
    marked as sent. `-1` without a location, `-2` without destinations of the mechanism.

    With DEST and PRIOR the transmitter goes on with that destination at that priority until something of a higher one waits,
    and gets 0 when nothing is left there. Otherwise the highest priority comes first, in it the first destination by name of
    pointer, in that the oldest entry; one whose file is yet to be made waits for it. A destination that is off line is passed
    over, for 15 minutes; then it is set on line.
    """
    location = call.text(0) if call.arguments else None
    if location is None:
        raise undefined("XMIT+3^MAGDRPC5", "LOCATION")
    note_activity(call, location)
    if not m_number(location):
        return ["-1,No Location Specified"]
    mechanism = DICOM if m_number(call.text(3)) == DICOM else COPY
    served = frozenset(_served(call.list(4).values(), mechanism))
    if not served:
        return ["-2,No Valid Destinations Specified"]
    if mechanism == DICOM:  # what goes by DICOM stands in the export queue
        return ["0"]
    wanted = Wanted(whole(location), served, whole(call.text(1)), whole(call.text(2)))
    for _ in range(TRIES):
        choice = _choose(call, wanted, _read(call, wanted))
        entry = _first(call, wanted.origin, choice.destination.ien, choice.priority) if choice is not None else None
        if choice is not None and entry is not None:
            return _give(call, choice, entry)
        if choice is None or choice.going_on:
            break
    return ["0"]


def _served(elements: Iterable[str], mechanism: int) -> list[int]:
    pieces = [[*element.split("^"), ""][:2] for element in elements if "^" in element]
    return [subscript(ien) for kind, ien in pieces if kind == str(mechanism) and subscript(ien) > 0]


def _read(call: Call, wanted: Wanted) -> dict[int, Destination]:
    """Read the destinations with the highest priority that waits for each, in VistA's order: that of the pointers as texts."""
    locations = wanted.served | ({wanted.destination} if wanted.destination else set())
    rows = call.connection.execute(_DESTINATIONS, {"origin": wanted.origin, "locations": sorted(locations)}).all()
    return {row.ien: row for row in sorted(rows, key=lambda row: f"{row.ien};")}


def _choose(call: Call, wanted: Wanted, destinations: Mapping[int, Destination]) -> Choice | None:
    """Choose destination and priority; None when there is nothing to send that can be sent.

    VistA, interrupted by a higher priority, may give an entry of one destination as another's; here it never does.
    """
    served = [row for row in destinations.values() if row.ien in wanted.served and row.highest is not None]
    if wanted.destination and wanted.priority:
        current = _current(call, wanted, destinations)
        higher = (row for row in served if row.highest > wanted.priority)
        if current is not None and not any(_reachable(call, row) for row in higher):
            return Choice(current, wanted.priority, going_on=True)
    for row in sorted(served, key=lambda row: -row.highest):
        if _reachable(call, row):
            return Choice(row, int(row.highest))
    return None


def _current(call: Call, wanted: Wanted, destinations: Mapping[int, Destination]) -> Destination | None:
    """Give the destination to go on with: the one named, or the next at its priority while that is off line."""
    named = destinations.get(wanted.destination)
    if named is not None and _reachable(call, named):
        return named
    after = (row for row in destinations.values() if f"{row.ien};" > f"{wanted.destination};" and row.ien in wanted.served)
    waiting = (row for row in after if _first(call, wanted.origin, row.ien, wanted.priority) is not None)
    return next((row for row in waiting if _reachable(call, row)), None)


def _reachable(call: Call, row: Destination) -> bool:
    """Tell whether a destination is on line; one that was off line long enough is set on line."""
    if row.online:
        return True
    if not is_due(row.offline_since, call.clock):
        return False
    set_online(call.connection, call.clock, row.ien, online=True)
    return True


def _first(call: Call, origin: int, destination: int, priority: int) -> Entry | None:
    key = {"origin": origin, "destination": f"{destination};MAG(2005.2,", "at_priority": priority}
    return call.connection.execute(_FIRST, key).first()


def _give(call: Call, choice: Choice, entry: Entry) -> list[str]:
    """Hand an entry over: it is being sent now, or is done with when it has no file."""
    destination = choice.destination
    file = (
        find_file(call.site.locations, entry, entry.file_type)
        if entry.ien is not None
        else FoundFile("", f"-13,Image {entry.image} is deleted", missing=True)
    )
    write_status(call, entry.entry, entry.origin, "SENT" if file.missing else "SENDING")
    if file.missing:
        detail = f"{entry.file_type} for {destination.name}: {file.path}"
        event = Event(entry.uid or "", entry.image, "SEND", call.clock.seconds(), call.session.machine, "no file", detail)
        record_events(call.connection, [event])
    return [
        "2" if file.missing else "1",
        str(destination.ien),
        str(choice.priority),
        str(COPY),
        destination.user,
        call.environment.key.decipher(destination.password),
        "-13" if file.missing else file.path,
        "-13" if file.missing else _path_there(destination, file.name),
        str(entry.entry),
        destination.physical,
        _keeping(destination),
        str(entry.image),
        entry.queued,
        destination.compression or "NONE",
    ]


def _path_there(destination: Destination, name: str) -> str:
    """Give a file's path below its destination's share: subdirectory, hashed directories, name."""
    directory = destination.subdirectory
    if directory and not directory.endswith("\\"):
        directory += "\\"
    path = f"{directory}{directory_hash(destination.hash, name)}{name}"
    return path if path.startswith("\\") else f"\\{path}"


def _keeping(destination: Destination) -> str:
    """Write node 3 as it would stand in VistA: up to the last piece that was ever set."""
    pieces = (
        destination.retention_days,
        destination.retry_connect,
        destination.retry_transmit,
        destination.last_purge,
        None,
        destination.offline_since if destination.online else "",  # it was set on line by this call
    )
    there = max((number for number, piece in enumerate(pieces, start=1) if piece is not None), default=0)
    return "^".join("" if piece is None else str(piece) for piece in pieces[:there])
