"""Being the one process on a database that does something, by a lease."""

from __future__ import annotations

import logging
import os
import socket
import uuid
from dataclasses import dataclass, field
from threading import Event

from fileman import FileManError, Store, release_lease, take_lease
from runtime import Clock

log = logging.getLogger(__name__)

#: For how many seconds a lease is taken, and how often it is renewed.
LEASE_SECONDS, RENEWED_EVERY = 30.0, 10.0


def name_of_process(store: Store) -> str:
    """Name who holds a lease. An SQLite database has one process, which takes over at once what a dead one held."""
    return "the broker" if store.sqlite else f"{socket.gethostname()} {os.getpid()} {uuid.uuid4().hex[:8]}"


@dataclass(slots=True)
class Leading:
    """Whether this process is the one; one thread asks `lead`, any may ask `leads`."""

    store: Store
    clock: Clock
    lease: str
    holder: str
    _leads: Event = field(default_factory=Event)
    _renewed: float = float("-inf")

    @property
    def leads(self) -> bool:
        """Tell whether it was when it was asked last."""
        return self._leads.is_set()

    def lead(self) -> bool:
        """Be the one, where no other is. Raises FileManError."""
        now = self.clock.monotonic()
        if self.leads and now - self._renewed < RENEWED_EVERY:
            return True
        at = self.clock.seconds()
        if self.store.transact(lambda connection: take_lease(connection, self.lease, self.holder, LEASE_SECONDS, at)):
            self._renewed = now
            self._leads.set()
        else:
            self._leads.clear()
        return self.leads

    def leave(self) -> None:
        """Let another process be the one."""
        if not self.leads:
            return
        self._leads.clear()
        try:
            self.store.transact(lambda connection: release_lease(connection, self.lease, self.holder))
        except FileManError as error:
            log.debug("the lease %s was not given back: %s", self.lease, error)
