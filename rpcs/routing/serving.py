"""What our own gateway asks besides when it serves routers' locations (context MAGB GATEWAY)."""

from __future__ import annotations

from sqlalchemy import bindparam, select, true, update

from fileman import transmit_lock
from fileman.files import NetworkLocation, RoutedCopy, SendQueue
from rpcs.call import Call
from rpcs.numbers import subscript, whole
from rpcs.registry import Access, listed, literal, procedure
from rpcs.routing.copies import FILE
from xwb import ResultType

_ROUTERS = (
    select(
        NetworkLocation.ien,
        NetworkLocation.name,
        NetworkLocation.retention_days,
        NetworkLocation.retry_connect,
        NetworkLocation.retry_transmit,
    )
    .where(NetworkLocation.router == true(), NetworkLocation.name != "")
    .order_by(NetworkLocation.ien)
)
_REQUEUE = (
    update(SendQueue)
    .where(
        SendQueue.destination == bindparam("of_destination"),
        SendQueue.status == "SENDING",
        SendQueue.origin == bindparam("of_origin"),
    )
    .values(status="WAITING", status_at=bindparam("now"))
)
_COPIES = (
    select(RoutedCopy.image, RoutedCopy.copy, RoutedCopy.sent, RoutedCopy.file)
    .where(
        RoutedCopy.image.in_(bindparam("images", expanding=True)),
        RoutedCopy.copy.is_not(None),
        RoutedCopy.destination == bindparam("location"),
    )
    .order_by(RoutedCopy.image, RoutedCopy.copy)
)
#: Images that are asked about at once.
MOST_IMAGES = 1000


@procedure("MAGB ROUTE DESTINATIONS", returns=ResultType.ARRAY, access=Access.READS, routine="magb")
def routers(call: Call) -> list[str]:
    """Answer `ien^name^retention days^retries to connect^retries to transmit` of every router's location, off line or on."""
    rows = call.connection.execute(_ROUTERS).all()
    return ["^".join("" if piece is None else str(piece) for piece in row) for row in rows]


@procedure(
    "MAGB ROUTE REQUEUE",
    access=Access.WRITES,
    routine="magb",
    parameters=(literal("LOCATION", 30, required=True), literal("DEST", 30, required=True)),
)
def requeue_destination(call: Call) -> str:
    """Let a location's entries for one destination wait again whose sending was begun; answers how many they were.

    For who has the lock of the destination (MAG DICOM ROUTE LOCK TRANSMIT), since nobody else is sending then; `-1` without.
    """
    if transmit_lock(call.text(0), call.text(1)) not in call.session.locks:
        return "-1,The destination is not locked"
    key = {
        "of_destination": f"{subscript(call.text(1))};MAG(2005.2,",
        "of_origin": whole(call.text(0)),
        "now": call.clock.seconds(),
    }
    return str(call.connection.execute(_REQUEUE, key).rowcount)


@procedure(
    "MAGB ROUTE COPIES",
    returns=ResultType.ARRAY,
    access=Access.READS,
    routine="magb",
    parameters=(literal("DEST", 30, required=True), listed("IMAGES", required=True)),
)
def copies_of_images(call: Call) -> list[str]:
    """Answer a count and `2005^image^n^sent^file` of the copies that a destination has of images, a thousand images at most.

    They are written as MAG DICOM ROUTE GET PURGE has them, which takes them when they are gone.
    """
    images = [subscript(ien) for ien in list(call.list(1).values())[:MOST_IMAGES]]
    rows = call.connection.execute(_COPIES, {"images": images, "location": subscript(call.text(0))}).all()
    return [str(len(rows)), *(f"{FILE}^{row.image}^{row.copy}^{row.sent}^{row.file}" for row in rows)]
