"""What was sent where: written down when it was, listed to be taken away when a destination has kept it long enough."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, Row, String, bindparam, func, insert, select, tuple_, update

from fileman import lock_for_transaction, to_fileman
from fileman.files import NetworkLocation, RoutedCopy, SendQueue
from rpcs.call import Call
from rpcs.errors import MError
from rpcs.numbers import subscript, whole
from rpcs.registry import Access, listed, literal, procedure
from rpcs.routing.send_queue import set_status
from xwb import ResultType, m_number

#: Days that a destination keeps copies when it does not say, and elements of a list when its caller does not.
RETENTION, MOST = 32, 100
#: How entry and piece are named in a list; VistA has a file of deleted images (#2005.1) besides, of which copies are listed too.
FILE = "2005"
COPY, DICOM = 1, 2

_FINISH = update(SendQueue).where(SendQueue.ien == bindparam("entry")).values(finished=bindparam("now"))
_LAST = select(func.max(RoutedCopy.sequence), func.max(RoutedCopy.copy)).where(RoutedCopy.image == bindparam("of_image"))
_SENT = insert(RoutedCopy)
_GONE = (
    update(RoutedCopy)
    .where(RoutedCopy.image == bindparam("of_image"), RoutedCopy.copy == bindparam("of_copy"))
    .values(copy=None, removed=bindparam("now"))
)
_RETENTION = select(NetworkLocation.retention_days).where(NetworkLocation.ien == bindparam("location"))
_VISITED = update(NetworkLocation).where(NetworkLocation.ien == bindparam("location")).values(last_purge=bindparam("today"))
_THERE = (
    RoutedCopy.destination == bindparam("location"),
    RoutedCopy.copy.is_not(None),
    RoutedCopy.sent < bindparam("until"),
)
_FIRST = select(RoutedCopy.sent).where(
    *_THERE, RoutedCopy.image == bindparam("of_image"), RoutedCopy.copy == bindparam("of_copy")
)
_POSITION = tuple_(RoutedCopy.sent, RoutedCopy.image, RoutedCopy.copy)
_BEGIN: ColumnElement[Any] = tuple_(
    bindparam("from_sent", type_=String), bindparam("from_image", type_=Integer), bindparam("from_copy", type_=Integer)
)
_OLD = (
    select(RoutedCopy.image, RoutedCopy.copy, RoutedCopy.sent, RoutedCopy.file)
    .where(*_THERE, _POSITION >= _BEGIN)
    .order_by(RoutedCopy.sent, RoutedCopy.image, RoutedCopy.copy)
    .limit(bindparam("most"))
)

Copy = Row[int, int | None, str, str]


@procedure(
    "MAG DICOM ROUTE LOG XMIT",
    access=Access.WRITES,
    routine="LOGXIMG^MAGDRPC7",
    parameters=(
        literal("QUEUE", 20),
        literal("DEST", 64, required=True),
        literal("LOCATION", 30, required=True),
        literal("STATUS", 30, required=True),
        literal("FILNAM", 200, required=True),
        literal("XMIT", 20),
        literal("MECH", 10),
    ),
    version=3,
)
def log_transmission(call: Call) -> str:
    """Set the status of a send queue entry and write down what was sent where, under which name; answers 1.

    FAILED is written down nowhere but in the queue. A copy (MECH 1, or none given) is listed for its destination's purge
    later. `-1,` and the queue's answer where that is not 1.
    """
    change = set_status(call, call.text(0), call.text(3), call.text(2))
    if change.entry is None:
        return f"-1,{change.answer}"
    if call.text(3) == "FAILED":
        return "1"
    entry, now = change.entry, to_fileman(call.clock.now())
    call.connection.execute(_FINISH, {"entry": entry.ien, "now": now})
    lock_for_transaction(call.connection, f"SENT {entry.image}")
    sequence, copy = call.connection.execute(_LAST, {"of_image": entry.image}).one()
    mechanism = whole(call.text(6)) or COPY
    destination = whole(call.text(1))
    call.connection.execute(
        _SENT,
        {
            "image": entry.image,
            "sequence": (sequence or 0) + 1,
            "copy": (copy or 0) + 1 if mechanism == COPY else None,
            "destination": destination,
            "mechanism": mechanism,
            "name": _name_of(call, mechanism, destination),
            "file_type": entry.file_type,
            "file": call.text(4),
            "queued": entry.queued,
            "began": call.text(5),
            "sent": now,
        },
    )
    return "1"


def _name_of(call: Call, mechanism: int, destination: int) -> str:
    if mechanism == COPY:
        location = call.site.locations.get(destination)
        return location.name if location is not None else ""
    return next((it.name for it in call.site.destinations if mechanism == DICOM and it.ien == destination), "")


@procedure(
    "MAG DICOM ROUTE GET PURGE",
    returns=ResultType.ARRAY,
    access=Access.WRITES,
    routine="PURGE^MAGDRPC5",
    parameters=(
        literal("LOCATION", 30, required=True),
        literal("DEST", 30, required=True),
        literal("MAX", 30),
        listed("DONE", required=True),
    ),
    version=3,
)
def copies_to_purge(call: Call) -> list[str]:
    """Take what was removed from a destination, and list what it has kept longer than it is to: `2005^image^n^sent^file`.

    DONE are elements of an earlier list whose files are gone; a first element `^^^2005^image^n` begins the list there. Element
    1 is the highest subscript, the others fewer than MAX, of 100 when none is given. M error for a destination that is not known.
    """
    destination, now = subscript(call.text(1)), to_fileman(call.clock.now())
    today = call.clock.now().date()
    found = call.connection.execute(_RETENTION, {"location": destination}).first()
    if found is None:
        named = call.text(1) or '""'
        where = f"^MAG(2005.2,{named},3)"
        raise MError(f"PURGE+6^MAGDRPC5, Global variable undefined: {where},150372994,-%GTM-E-GVUNDEF", where)
    call.connection.execute(_VISITED, {"location": destination, "today": to_fileman(today)})
    days = RETENTION if found.retention_days is None else max(0, found.retention_days)
    key = {"location": destination, "until": to_fileman(today - timedelta(days=days))}
    done = list(call.list(3).values())
    first = "^".join(done[0].split("^")[3:6]) if done and done[0].startswith("^") else ""
    if _remove(call.connection, done, now):
        first = ""
    most = m_number(call.text(2))
    wanted = max(1, int(most.to_integral_value(rounding="ROUND_CEILING")) - 1) if most >= 1 else MOST - 1
    rows = list(_old_copies(call.connection, key, first, wanted, now))
    lines = [f"{FILE}^{row.image}^{row.copy}^{row.sent}^{row.file}" for row in rows]
    return [str(len(lines) + 1), *lines]


def _remove(connection: Connection, done: list[str], now: str) -> int:
    """Write down that copies are gone; give how many elements named one."""
    pieces = [[*element.split("^"), "", ""][:3] for element in done]
    keys = [(subscript(image), subscript(copy)) for _file, image, copy in pieces if m_number(image) and m_number(copy)]
    for image, copy in keys:
        connection.execute(_GONE, {"of_image": image, "of_copy": copy, "now": now})
    return len(keys)


def _old_copies(connection: Connection, key: dict[str, Any], first: str, wanted: int, now: str) -> Iterator[Copy]:
    """Give copies in the order of sending, from one of them on; those without a name are forgotten on the way."""
    sent, image, copy = "", 0, 0
    if first:
        file, first_image, first_copy = [*first.split("^"), "", ""][:3]
        image, copy = subscript(first_image), subscript(first_copy)
        found = connection.execute(_FIRST, {**key, "of_image": image, "of_copy": copy}).scalar()
        if found is None or file != FILE:
            return
        sent = found
    while wanted > 0:
        position = {"from_sent": sent, "from_image": image, "from_copy": copy, "most": wanted}
        rows = connection.execute(_OLD, {**key, **position}).all()
        for row in rows:
            if row.file:
                wanted -= 1
                yield row
            else:
                connection.execute(_GONE, {"of_image": row.image, "of_copy": row.copy, "now": now})
        if all(row.file for row in rows):
            return
        sent, image, copy = rows[-1].sent, rows[-1].image, (rows[-1].copy or 0) + 1
