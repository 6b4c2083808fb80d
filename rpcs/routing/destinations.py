"""Where routers send to: listed, looked up by name, locked by one transmitter, set on line and off line."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, select, update

from fileman import (
    bump_site_version,
    from_fileman,
    release_lease,
    take_lease,
    to_fileman,
    transmit_lock,
    upserts,
)
from fileman.files import Lease, NetworkLocation
from rpcs.call import Call
from rpcs.errors import undefined
from rpcs.numbers import subscript
from rpcs.registry import Access, Answer, literal, procedure
from rpcs.session import LockGiven, LockTaken
from runtime import Clock
from xwb import ResultType, m_number

#: Minutes after which a destination that was set off line is tried again.
RETRY_MINUTES = 15

_HELD = select(Lease.name).where(
    Lease.name.in_(bindparam("names", expanding=True)),
    Lease.expires_at > bindparam("now"),
    Lease.holder != bindparam("me"),
)
_SET_STATE = (
    update(NetworkLocation)
    .where(NetworkLocation.ien == bindparam("location"))
    .values(online=bindparam("state"), offline_since=bindparam("since"))
)
#: An entry that VistA makes of a number that it does not know.
_STATE_OF_NOTHING = upserts(NetworkLocation, lambda insert: insert.on_conflict_do_nothing())
_NAMELESS = {"name": "", "physical": "", "path": "", "kind": "", "router": False, "site": 0, "hash": False}


def set_online(connection: Connection, clock: Clock, location: int, online: bool) -> None:
    """Set a network location on line or off line, and note since when it is off."""
    since = "" if online else to_fileman(clock.now())
    if connection.execute(_SET_STATE, {"location": location, "state": online, "since": since}).rowcount == 0:
        row = {**_NAMELESS, "ien": location, "online": online, "offline_since": since}
        connection.execute(_STATE_OF_NOTHING[connection.dialect.name], row)
    bump_site_version(connection)


def is_due(offline_since: str | None, clock: Clock) -> bool:
    """Tell whether a destination that is off line is to be tried again: nobody knows since when it is, or long enough ago.

    VistA subtracts FileMan dates as numbers, and so waits less where an hour begins in between; here it is the minutes.
    """
    if not offline_since:
        return True
    return (clock.now() - from_fileman(offline_since)).total_seconds() >= RETRY_MINUTES * 60


@procedure(
    "MAG DICOM NETWORK STATUS",
    access=Access.WRITES,
    routine="ONOFLINE^MAGDRPC5",
    parameters=(
        literal("DEST", 30, required=True),
        literal("STATUS", 10, required=True),
    ),
    version=3,
)
def set_network_status(call: Call) -> str:
    """Set a network location on line with a status that is a number other than 0, off line with any other; answers 1.

    The time is noted when it goes off line. `-1` without a location; an unknown one is not told from a known one.
    """
    if not m_number(call.text(0)):
        return "-1,No Network Location Specified"
    location = subscript(call.text(0))
    if location > 0:
        set_online(call.connection, call.clock, location, bool(m_number(call.text(1))))
    return "1"


@procedure(
    "MAG DICOM ROUTE LIST DESTI",
    returns=ResultType.ARRAY,
    access=Access.READS,
    routine="LISTDEST^MAGDRPC5",
    parameters=(literal("LOCATION", 30, required=True),),
    version=3,
)
def list_destinations(call: Call) -> list[str]:
    """Answer a count and `ien^busy^name^path` of the routers' network locations that are on line, by IEN.

    Busy is 1 while another session than the caller's has the lock of the destination at the location given.
    """
    routers = sorted((it for it in call.site.locations.values() if it.router and it.online), key=lambda it: it.ien)
    if not call.arguments and routers:
        raise undefined("LISTDEST+9^MAGDRPC5", "LOCATION", f"^MAG(2005.2,{routers[0].ien},0)")
    locks = {transmit_lock(call.text(0), str(it.ien)): it.ien for it in routers}
    key = {"names": list(locks), "now": call.clock.seconds(), "me": call.environment.holder(call.session)}
    busy = {locks[name] for name in call.connection.execute(_HELD, key).scalars()} if locks else set()
    return [str(len(routers)), *(f"{it.ien}^{int(it.ien in busy)}^{it.name}^{it.physical}" for it in routers)]


@procedure(
    "MAG DICOM ROUTE LOCK TRANSMIT",
    access=Access.WRITES,
    routine="LOCK^MAGDRPC5",
    parameters=(
        literal("D0", 30, required=True),
        literal("LOCATION", 30, required=True),
        literal("PLUSMIN", 10, required=True),
    ),
    version=3,
)
def lock_transmit(call: Call) -> Answer:
    """Take the lock of a destination at a location, so that one gateway sends there: 1, or 0 when another has it.

    Without 1 as the third argument the lock is given back, and the answer is 2 whoever has it. Taken twice it is to be
    given back twice; it ends with the session.
    """
    name = transmit_lock(call.text(1), call.text(0))
    holder = call.environment.holder(call.session)
    if m_number(call.text(2)):
        taken = take_lease(call.connection, name, holder, call.environment.lock_seconds, call.clock.seconds())
        return Answer("1", effects=(LockTaken(name),)) if taken else Answer("0")
    if call.session.locks.count(name) < 2:
        release_lease(call.connection, name, holder)
    return Answer("2", effects=(LockGiven(name),))


@procedure(
    "MAG DICOM ROUTE VALID DEST",
    access=Access.SESSION,
    routine="VALDEST^MAGDRPC1",
    parameters=(literal("NAME", 30, required=True),),
    version=3,
)
def valid_destination(call: Call) -> str:
    """Answer the IEN of the router's network location of a name, whether on line or not, or that there is none."""
    name = call.text(0)
    found = [location.ien for location in call.site.locations.values() if location.name == name]
    location = call.site.locations[min(found)] if found and name else None
    return str(location.ien) if location is not None and location.router else f'-1,"{name}" is not a valid destination'
