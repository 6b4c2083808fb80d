"""The SIGN-ON LOG (#3.081): sessions that are over, and brokers that live or are gone with theirs."""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from fileman import forget_leases, release_leases, take_lease
from fileman.files import Lease, SignOnLog
from rpcs.call import BROKER, Environment
from rpcs.session import Session


def close_entry(connection: Connection, session: Session, now: str) -> None:
    """Note that a session's entry is over, where it has one."""
    if session.sign_on:
        connection.execute(update(SignOnLog).where(SignOnLog.ien == session.sign_on).values(signed_off=now))


def sign_off(connection: Connection, environment: Environment, session: Session, now: str) -> None:
    """Note in the SIGN-ON LOG that a session is over (LOGOUT^XUSRB), and give its LOCKs back."""
    close_entry(connection, session, now)
    release_leases(connection, environment.holder(session))


def broker_lives(connection: Connection, environment: Environment, now: float) -> None:
    """Say that a broker lives: sign-on log entries of brokers that do not say so count as signed off."""
    take_lease(connection, environment.broker, environment.broker, environment.lock_seconds, now)


def broker_leaves(connection: Connection, environment: Environment) -> None:
    """Say that a broker ends: what its sessions do not close themselves is anybody's to close."""
    release_leases(connection, environment.broker)


def living_brokers(connection: Connection, now: float) -> list[str]:
    """Name the brokers that live, by host and pid."""
    living = select(Lease.name).where(Lease.name.startswith(BROKER), Lease.expires_at > now).order_by(Lease.name)
    return [name.removeprefix(BROKER).rpartition(" ")[0] for name in connection.execute(living).scalars()]


def close_forgotten(connection: Connection, now: float, moment: str) -> int:
    """Sign off the sessions of brokers that are gone, and forget what they held; gives how many sessions there were."""
    forget_leases(connection, now)
    alive = select(Lease.name).where(Lease.expires_at > now)
    forgotten = update(SignOnLog).where(SignOnLog.signed_off == "", SignOnLog.broker.not_in(alive))
    return int(connection.execute(forgotten.values(signed_off=moment)).rowcount)
