"""Purging: copies that a router's location has kept as long as it is to are taken away, on the first occasion of each day."""

from __future__ import annotations

import logging
import os
from datetime import date
from pathlib import Path

from gateway_client.broker import Broker
from gateway_client.copying.copies import NotCopied
from gateway_client.copying.routers import Router
from gateway_client.copying.send_queue import OldCopy, SendQueue
from runtime import Clock, sync_directory

log = logging.getLogger(__name__)

#: Seconds by which clocks of gateway and broker, and the change to summer time, may make a copy look younger.
_TOLERANCE = 2 * 3600.0


class Purging:
    """The purge of one location, a list at a time. What it did before a kill it does again without harm."""

    def __init__(self, queue: SendQueue, clock: Clock) -> None:
        self._queue = queue
        self._clock = clock
        self._day: date | None = None
        self._over = True
        self._after: OldCopy | None = None

    def step(self, broker: Broker, router: Router) -> bool:
        """Take some copies away; False when none is to be, or the location is away. Raises xwb.XWBError."""
        today = self._clock.now().date()
        if today != self._day:
            self._day, self._over, self._after = today, False, None
        if self._over or router.retention_days is None:
            return False
        try:
            router.connect()
        except NotCopied:
            self._day = None  # another time
            return False
        listed = self._queue.old_copies(broker, after=self._after)
        old = [copy for copy in listed if self._after is None or copy.line != self._after.line]
        touched: set[Path] = set()
        done = [copy for copy in old if self._remove(router, copy, router.retention_days, touched)]
        for directory in touched:
            sync_directory(directory)
        if done:
            self._queue.old_copies(broker, done)
        kept = [copy for copy in old if copy not in done]
        self._after = kept[-1] if kept else self._after
        self._over = not old
        return bool(old)

    def _remove(self, router: Router, copy: OldCopy, days: int, touched: set[Path]) -> bool:
        """Remove a copy; True when it is gone, or is that of a later entry of the queue, which keeps it for longer."""
        try:
            path = router.path(copy.file)
            age = self._clock.seconds() - os.lstat(path).st_mtime
            if age >= days * 86400 - _TOLERANCE:
                path.unlink()
                touched.add(path.parent)
        except FileNotFoundError:
            return True
        except (OSError, NotCopied) as error:
            log.warning("A copy of image %d at %s cannot be purged: %s", copy.image, router.name, error)
            return False
        return True
