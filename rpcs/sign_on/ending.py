"""Sessions that are ended from outside: asked for by an administrator, carried out by the broker that has the connection."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, bindparam, delete, select

from fileman import upserts
from fileman.files import SessionEnd

#: Seconds after which a broker that did not end a session has it no longer.
FORGOTTEN_AFTER = 60.0

_ASK = upserts(SessionEnd, lambda insert: insert.on_conflict_do_nothing())
_FORGET = delete(SessionEnd).where(SessionEnd.asked_at < bindparam("before"))
_ASKED = select(SessionEnd.sign_on)
_DONE = delete(SessionEnd).where(SessionEnd.sign_on.in_(bindparam("sign_ons", expanding=True)))


def ask_to_end(connection: Connection, sign_on: int, by: str, now: float) -> None:
    """Ask that the session of an entry of the SIGN-ON LOG be ended."""
    connection.execute(_FORGET, {"before": now - FORGOTTEN_AFTER})
    connection.execute(_ASK[connection.dialect.name], {"sign_on": sign_on, "asked_by": by, "asked_at": now})


def to_be_ended(connection: Connection) -> frozenset[int]:
    """Give the entries whose sessions are to be ended."""
    return frozenset(connection.execute(_ASKED).scalars())


def forget_ended(connection: Connection, sign_ons: Collection[int]) -> None:
    """Note that sessions were ended."""
    connection.execute(_DONE, {"sign_ons": sorted(sign_ons)})
