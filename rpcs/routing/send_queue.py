"""The send queue's entries: reported, queued again, purged, counted by transaction (#2006.035)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, select, update

from fileman import Event, record_events, upserts
from fileman.files import Image, RoutingTransaction, SendQueue
from rpcs.call import Call
from rpcs.numbers import fileman_limit, subscript, whole
from rpcs.registry import Access, literal, procedure
from xwb import m_number

NO_LOCATION = "-1,No Location Specified"
#: What is purged: nothing will come of it any more.
DONE = ("SENT", "NOT FOUND")
#: What is queued again: it failed, or its transmitter took it and stopped.
STUCK = ("FAILED", "SENDING")
#: The states that MAG DICOM ROUTE TRANSACT STS counts, in its order; `?` is an entry that has none.
COUNTED = ("WAITING", "SENDING", "SENT", "FAILED", "?")
#: What is told in the story of an image.
_TOLD = {"SENT": "sent", "FAILED": "failed", "NOT FOUND": "not found"}

_ENTRY = SendQueue.ien == bindparam("entry")
_READ = (
    select(
        SendQueue.ien,
        SendQueue.image,
        SendQueue.destination,
        SendQueue.file_type,
        SendQueue.mechanism,
        SendQueue.origin,
        SendQueue.queued,
        SendQueue.status,
        SendQueue.unlisted_status,
        Image.uid,
    )
    .join(Image, Image.ien == SendQueue.image, isouter=True)
    .where(_ENTRY)
)
_SET = (
    update(SendQueue)
    .where(_ENTRY)
    .values(
        status=bindparam("new_status"),
        unlisted_status=bindparam("unlisted"),
        origin=bindparam("new_origin"),
        status_at=bindparam("now"),
    )
)
_REQUEUE = (
    update(SendQueue)
    .where(SendQueue.origin == bindparam("location"), SendQueue.status.in_(STUCK))
    .values(status="WAITING", status_at=bindparam("now"))
)
_REMOVE = delete(SendQueue).where(
    SendQueue.origin == bindparam("location"), SendQueue.status == "WAITING", SendQueue.queued < bindparam("until")
)
_NEXT_DESTINATION = select(func.min(SendQueue.destination)).where(SendQueue.destination > bindparam("after"))
_PURGE = delete(SendQueue).where(SendQueue.destination == bindparam("of_destination"), SendQueue.status.in_(DONE))
_PURGE_UNLISTED = delete(SendQueue).where(
    SendQueue.destination == bindparam("of_destination"), SendQueue.status == "", SendQueue.unlisted_status.in_(DONE)
)
_TRANSACTIONS = upserts(
    RoutingTransaction,
    lambda insert: insert.values(place=bindparam("at_place"), last=1).on_conflict_do_update(
        index_elements=[RoutingTransaction.place], set_={"last": RoutingTransaction.last + 1}
    ),
)
_COUNT_UP = {engine: statement.returning(RoutingTransaction.last) for engine, statement in _TRANSACTIONS.items()}
_OF_TRANSACTION = select(SendQueue.status, SendQueue.unlisted_status).where(
    SendQueue.transaction == bindparam("of_transaction"), SendQueue.transaction != ""
)


@dataclass(frozen=True, slots=True)
class Change:
    """What setting a status did: what is answered, and the entry, None when nothing was set."""

    answer: str
    entry: Row[*tuple[Any, ...]] | None = None


def set_status(call: Call, entry: str, status: str, location: str) -> Change:
    """Set the status of an entry, whatever text it is (STATUS^MAGDRPC5).

    An empty one takes the entry out of the cross-references, so that nothing finds it, and is answered as a failure.
    """
    if not m_number(entry):
        return Change(f'-1,Invalid queue identifier: "{entry}".')
    row = call.connection.execute(_READ, {"entry": subscript(entry)}).first()
    origin = (row.origin or whole(location)) if row is not None else 0
    if row is None or not row.destination or not origin:
        return Change("0")
    write_status(call, row.ien, origin, status, "" if status else row.status or row.unlisted_status)
    if not status:
        return Change("0")
    if status in _TOLD:
        detail = f"{row.file_type} for {row.destination}"
        event = Event(row.uid or "", row.image, "SEND", call.clock.seconds(), call.session.machine, _TOLD[status], detail)
        record_events(call.connection, [event])
    return Change("1", row)


def write_status(call: Call, entry: int, origin: int, status: str, unlisted: str = "") -> None:
    """Write an entry's status and nothing else."""
    changes = {"new_status": status, "unlisted": unlisted, "new_origin": origin, "now": call.clock.seconds()}
    call.connection.execute(_SET, {"entry": entry, **changes})


@procedure(
    "MAG DICOM ROUTE STATUS",
    access=Access.WRITES,
    routine="STATUS^MAGDRPC5",
    parameters=(
        literal("D0", 30, required=True),
        literal("STATUS", 30, required=True),
        literal("LOCATION", 30, required=True),
    ),
    version=3,
)
def set_send_status(call: Call) -> str:
    """Set the status of a send queue entry; any text is taken. Answers 1, 0 when there is no such entry or no status.

    With no status the entry keeps the one it has, but is not found by it any more. `-1` for what is no number.
    """
    return set_status(call, call.text(0), call.text(1), call.text(2)).answer


@procedure(
    "MAG DICOM ROUTE REQUEUE",
    access=Access.WRITES,
    routine="REQUEUE^MAGDRPC6",
    parameters=(literal("LOCATION", 30, required=True),),
    version=3,
)
def requeue(call: Call) -> str:
    """Let a location's entries wait again that failed or whose sending was begun; answers how many they were."""
    location = whole(call.text(0))
    if not m_number(call.text(0)):
        return NO_LOCATION
    return str(call.connection.execute(_REQUEUE, {"location": location, "now": call.clock.seconds()}).rowcount)


@procedure(
    "MAG DICOM ROUTE PURGE DONE",
    access=Access.WRITES,
    routine="PURGDONE^MAGDRPC6",
    parameters=(
        literal("DAYS", 10),
        literal("LOCATION", 30, required=True),
    ),
    version=3,
)
def purge_done(call: Call) -> str:
    """Remove what was sent or not found; answers how many entries that were.

    As in VistA neither the days nor the location make a difference: every such entry of every location goes.
    """
    if not m_number(call.text(1)):
        return NO_LOCATION
    return str(sum(_purge(call.connection, destination) for destination in _destinations(call.connection)))


def _purge(connection: Connection, destination: str) -> int:
    key = {"of_destination": destination}
    return connection.execute(_PURGE, key).rowcount + connection.execute(_PURGE_UNLISTED, key).rowcount


def _destinations(connection: Connection) -> list[str]:
    """Give every destination of the queue, each found by one look into the index."""
    found: list[str] = []
    while (following := connection.execute(_NEXT_DESTINATION, {"after": found[-1] if found else ""}).scalar()) is not None:
        found.append(following)
    return found


@procedure(
    "MAG DICOM ROUTE REMOVE OBSO",
    access=Access.WRITES,
    routine="REMOBSO^MAGDRPC6",
    parameters=(
        literal("UPTO", 20, required=True),
        literal("LOCATION", 30, required=True),
    ),
    version=3,
)
def remove_obsolete(call: Call) -> str:
    """Remove a location's entries that still wait and were queued before a FileMan date; answers how many they were."""
    if not m_number(call.text(1)):
        return NO_LOCATION
    key = {"location": whole(call.text(1)), "until": fileman_limit(call.text(0))}
    return str(call.connection.execute(_REMOVE, key).rowcount)


@procedure(
    "MAG DICOM ROUTE GET TRANS ID",
    access=Access.WRITES,
    routine="TRANSID^MAGDRTIM",
    parameters=(literal("LOCATION", 30),),
    version=3,
)
def get_transaction(call: Call) -> str:
    """Answer a new transaction: the site code of a location's place, and a number of twelve digits that was never given there.

    A location without a place, and none, stand for the first place; a place without a code for its namespace.
    """
    places = call.site.places
    place = call.site.place_of(call.text(0)) or (places[0] if places else None)
    number = call.connection.execute(
        _COUNT_UP[call.connection.dialect.name], {"at_place": place.ien if place is not None else 0}
    ).scalar_one()
    code = place.code if place is not None else ""
    return f"{code or '!'}{number:012d}"


@procedure(
    "MAG DICOM ROUTE TRANSACT STS",
    access=Access.READS,
    routine="TRANSTS^MAGDRTIM",
    parameters=(literal("TRANSID", 30, required=True),),
    version=3,
)
def transaction_status(call: Call) -> str:
    """Answer how many entries of a transaction are in which state: `2=WAITING^=SENDING^1=SENT^=FAILED^=?^`.

    `-1` without a transaction, `-2` for one that has no entries.
    """
    if not call.text(0):
        return "-1,No Transaction ID Specified"
    rows = call.connection.execute(_OF_TRANSACTION, {"of_transaction": call.text(0)}).all()
    if not rows:
        return "-2,Invalid Transaction ID"
    states = [row.status or row.unlisted_status or "?" for row in rows]
    return "".join(f"{states.count(state) or ''}={state}^" for state in COUNTED)
