"""Where commands are handed in: at a running broker, as a signed-on user or as its owner, or at a database that none serves.

All do the same: each command is an action of `rpcs.actions`. What a way needs is imported when it is taken: asking a running
broker needs next to nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from console.errors import WrongUsage
from console.tasks.socket_desk import running_at
from console.way import Way


class Desk(Protocol):
    """Takes requests. Raises ConsoleError for what is refused."""

    def ask(self, procedure: str, asked: Mapping[str, str] | None = None) -> Any:
        """Carry an action out and give what it gives."""


@contextmanager
def open_desk(way: Way) -> Iterator[Desk]:
    """Open the way that the command line says. Raises ConsoleError, which says what to do."""
    codes = way.codes
    if codes is not None:
        from console.sign_on import door
        from console.tasks.brokers_desk import BrokersDesk

        session = BrokersDesk(door(way, codes))
        try:
            yield session
        finally:
            session.close()
        return
    if way.broker is not None or way.tls:
        raise WrongUsage("A broker wants to know who asks: give --access and --verify.")
    running = running_at(way.settings.data)
    if running is not None:
        yield running
        return
    from console.tasks.owners_desk import owners_desk

    with owners_desk(way.settings) as desk:
        yield desk
