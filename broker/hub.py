"""What the connections of one broker share, and the watch over them."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IReactorTime

from broker.dispatch import Dispatcher
from broker.limits import Limits
from broker.visitors import Visitors
from fileman import FileManError
from rpcs import Session

if TYPE_CHECKING:
    from broker.connection import ConnectionBase

log = logging.getLogger(__name__)

#: Locks of living sessions are renewed several times in the seconds that a lease lasts.
RENEWALS = 4.5


@dataclass(slots=True)
class Hub:
    """What the connections of one broker share: dispatcher, bounds, clock, and the connections themselves.

    `retained` counts what requests take in memory, over all connections.
    """

    dispatcher: Dispatcher
    limits: Limits
    clock: IReactorTime
    connections: set[ConnectionBase] = field(default_factory=set)
    retained: int = 0
    visitors: Visitors = field(init=False)
    _renewed: float = 0.0

    def __post_init__(self) -> None:
        """Begin to count visitors."""
        self.visitors = Visitors(self.limits, self.clock)
        self.dispatcher.drop = self.drop

    def accepts_sessions(self) -> bool:
        """Tell whether new jobs are allowed: logons are not inhibited, and the volume is not full (NEWJOB^XWBTCPM).

        None are while the database is away.
        """
        try:
            return not self.dispatcher.site().settings.logons_inhibited and self.has_room()
        except FileManError:
            return False

    def has_room(self) -> bool:
        """Tell whether the connections there are, the one that asks among them, are not too many."""
        return len(self.connections) <= self.limits.sessions

    def admits(self, address: str) -> bool:
        """Tell whether a connection from an address may stay: there is room, and the address does not come too often."""
        if len(self.connections) >= self.limits.sessions * 2:
            return False
        return self.visitors.arrive(address)

    def broker_timeout(self) -> int:
        """Give the seconds of silence after which a signed-on session is closed (BROKER ACTIVITY TIMEOUT)."""
        return self.dispatcher.site.latest().settings.broker_timeout

    def drop(self, session: Session) -> None:
        """Close the connection of a session that a call has left in this state."""
        for connection in [it for it in self.connections if it.session.id == session.id]:
            connection.session = session
            connection.close()

    def watch(self) -> None:
        """Close what is silent or slow, renew the locks of the living, look for a changed site; called once a second."""
        self.dispatcher.refresh()
        now = self.clock.seconds()
        for connection in list(self.connections):
            connection.supervise(now)
        self.dispatcher.find_ended(self._end)
        if now - self._renewed >= self.dispatcher.environment.lock_seconds / RENEWALS:
            self._renewed = now
            self.dispatcher.renew([connection.session for connection in self.connections if connection.session.locks])

    def _end(self, sign_ons: frozenset[int]) -> frozenset[int]:
        """Close the connections of sessions that are to be ended; give those there were."""
        ended = [it for it in self.connections if it.session.sign_on in sign_ons]
        for connection in ended:
            log.info("the session of %s from %s is ended, as was asked", connection.session.name, connection.session.address)
            connection.close()
        return frozenset(it.session.sign_on for it in ended)

    def shed(self) -> None:
        """Cut the connections that hold most until the bytes in memory are below the bound."""
        for connection in sorted(self.connections, key=lambda connection: -connection.weight):
            if self.retained <= self.limits.held_bytes:
                return
            held = connection.weight
            log.warning(
                "cut %s: the broker's memory for requests is full and it holds %d bytes", connection.session.address, held
            )
            connection.give_up()
