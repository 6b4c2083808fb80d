"""What only auditors want to know, written down in its own transaction."""

from __future__ import annotations

from sqlalchemy import Connection, insert

from fileman.files import SecurityEvent
from fileman.numbers import next_ien

#: Characters of a text that are kept.
LIMIT = 200


def write_security_event(
    connection: Connection, event: str, at: float, *, duz: int = 0, name: str = "", address: str = "", detail: str = ""
) -> int:
    """Write an event down within the caller's transaction; give its number."""
    ien = next_ien(connection, "security_event")
    texts = {"name": name[:LIMIT], "address": address[:LIMIT], "detail": detail[:LIMIT]}
    connection.execute(insert(SecurityEvent).values(ien=ien, at=at, event=event, duz=duz, **texts))
    return ien
