"""VistA's LOCKs: leases with a holder and an expiry, and the short locks of one transaction."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, delete, select, text, update

from fileman.files.kernel import Lease
from fileman.upserting import insert_into

_ADVISORY = text("SELECT pg_advisory_xact_lock(hashtextextended(name, 0)) FROM unnest(CAST(:names AS text[])) AS name")
_HOLDER = select(Lease.holder).where(Lease.name == bindparam("name_"), Lease.expires_at > bindparam("now"))
_TRY = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0))")
_CLOCK = text("SELECT extract(epoch FROM clock_timestamp())")

#: How long the lock of a session lasts when nobody renews it, because its broker died.
LOCK_SECONDS = 90.0
#: Locks that the images of the send queue share.
SEND_QUEUE_LOCKS = 1024
#: Leases that expired so many seconds ago are forgotten: nobody will renew them.
FORGOTTEN_AFTER = 86400.0


def take_lease(connection: Connection, name: str, holder: str, seconds: float, now: float) -> bool:
    """Take or renew a lease; False when somebody else holds it and it has not expired.

    `now` is seconds since the epoch. A LOCK of VistA dies with its process; a lease dies `seconds` after its last renewal.
    """
    statement = insert_into(connection, Lease).values(name=name, holder=holder, expires_at=now + seconds)
    statement = statement.on_conflict_do_update(
        index_elements=[Lease.name],
        set_={"holder": holder, "expires_at": now + seconds},
        where=(Lease.holder == holder) | (Lease.expires_at <= now),
    )
    return connection.execute(statement.returning(Lease.name)).first() is not None


def release_lease(connection: Connection, name: str, holder: str) -> bool:
    """Give a lease back; False when this holder did not have it."""
    done = connection.execute(delete(Lease).where(Lease.name == name, Lease.holder == holder))
    return done.rowcount == 1


def renew_leases(connection: Connection, holders: Sequence[str], until: float) -> None:
    """Let every lease of some holders last until a time, in seconds since the epoch."""
    connection.execute(update(Lease).where(Lease.holder.in_(holders)).values(expires_at=until))


def release_leases(connection: Connection, holder: str) -> None:
    """Give back everything that a holder has."""
    connection.execute(delete(Lease).where(Lease.holder == holder))


def forget_leases(connection: Connection, now: float) -> None:
    """Delete the leases of holders that are long gone, which nobody else has taken."""
    connection.execute(delete(Lease).where(Lease.expires_at <= now - FORGOTTEN_AFTER))


def seconds_ahead(connection: Connection, now: float) -> float:
    """Tell how far a clock is ahead of the database's, by which leases of several machines could go wrong. SQLite has none."""
    if connection.dialect.name == "sqlite":
        return 0.0
    return now - float(connection.execute(_CLOCK).scalar_one())


def lock_for_transaction(connection: Connection, *names: str) -> bool:
    """Hold names until the transaction ends; tell whether others may have changed meanwhile what was read before.

    SQLite has one writer, so nothing is to be done there, and nothing can have changed.
    """
    if connection.dialect.name == "sqlite":
        return False
    connection.execute(_ADVISORY, {"names": sorted(names)})
    return True


def try_lock(connection: Connection, name: str) -> bool:
    """Hold a name until the transaction ends; false when another transaction holds it now.

    A connection without a transaction only learns whether it could. SQLite's one writer always can.
    """
    return connection.dialect.name == "sqlite" or bool(connection.execute(_TRY, {"name": name}).scalar())


def transmit_lock(location: str, destination: str) -> str:
    """Name the lock that the one transmitter of a location has on a router's network location (LOCK^MAGDRPC5)."""
    return f"ROUTE {location} {destination}"


def send_queue_lock(image: int) -> str:
    """Name the lock of whoever looks whether an image waits in the send queue and puts it there, so that it waits there once.

    Images share locks: one transaction may queue the thousands of a prior study, and PostgreSQL has room for some thousand locks.
    """
    return f"SEND QUEUE {image % SEND_QUEUE_LOCKS}"


def object_lock(uid: str) -> str:
    """Name the lock of whoever files or deletes the object of a SOP Instance UID; taken before that of its group."""
    return f"uid:{uid}"


def group_lock(group: int) -> str:
    """Name the lock of whoever puts an image into a group or takes one out, for the group goes with its last image."""
    return f"group:{group}"


def export_lock(origin: int) -> str:
    """Name the lock of whoever puts images of an institution into the export queue, or takes them out of it."""
    return f"DICOM EXPORT {origin}"


def lease_holder(connection: Connection, name: str, now: float) -> str | None:
    """Give who holds a lease that has not expired."""
    return connection.execute(_HOLDER, {"name_": name, "now": now}).scalar()
