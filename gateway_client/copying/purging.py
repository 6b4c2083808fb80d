"""Purging: copies are taken away that a router's location has kept for long enough, or that destinations have committed to."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from gateway_client.broker import Broker
from gateway_client.commitment.kept import Kept
from gateway_client.copying.copies import NotCopied, sync_names
from gateway_client.copying.routers import Router
from gateway_client.copying.send_queue import OldCopy, SendQueue
from gateway_client.journal import Journal
from gateway_client.story import Event
from runtime import Clock

log = logging.getLogger(__name__)

#: Seconds by which clocks of gateway and broker, and the change to summer time, may make a copy look younger.
_TOLERANCE = 2 * 3600.0
#: Files that were committed to and are taken away at once.
_AT_ONCE = 100
#: What became of a copy.
_PURGED, _NOT_THERE, _KEPT = "purged", "was not there any more", "kept: it was sent again since"

_Fates = dict[OldCopy, str]


class Purging:
    """The purge of one location, a list at a time. What it did before a kill it does again without harm.

    What is too old goes on the first occasion of each day; what destinations have committed to, at once.
    """

    def __init__(self, queue: SendQueue, kept: Kept, journal: Journal, clock: Clock) -> None:
        self._queue = queue
        self._kept = kept
        self._journal = journal
        self._clock = clock
        self._day: date | None = None
        self._over = True
        self._after: OldCopy | None = None

    def step(self, broker: Broker, router: Router) -> bool:
        """Take some copies away; False when none is to be, or the location is away. Raises xwb.XWBError."""
        today = self._clock.now().date()
        if today != self._day:
            self._day, self._over, self._after = today, False, None
        committed = self._kept.due(router.name, _AT_ONCE)
        aged = not self._over and router.retention_days is not None
        if not committed and not aged:
            return False
        try:
            router.connect(to_purge=True)
        except NotCopied:
            self._day = None  # another time
            return False
        if committed:
            copies = self._queue.copies_of(broker, list({one.image for one in committed}))
            self._report(broker, router, self._remove(router, copies), self._committed_to(router))
            self._kept.forget(router.name, [one.file for one in committed])  # what could not be removed is left to its time
        return (aged and self._purge_old(broker, router, router.retention_days or 0)) or bool(committed)

    def _committed_to(self, router: Router) -> str:
        return f"committed to by {', '.join(sorted(self._kept.needs(router.name)))}"

    def _purge_old(self, broker: Broker, router: Router, days: int) -> bool:
        listed = self._queue.old_copies(broker, after=self._after)
        old = [copy for copy in listed if self._after is None or copy.line != self._after.line]
        done = self._remove(router, old, older_than=days * 86400 - _TOLERANCE)
        self._report(broker, router, done, f"kept for {days} days")
        stuck = [copy for copy in old if copy not in done]
        self._after = stuck[-1] if stuck else self._after
        self._over = not old
        return bool(old)

    def _remove(self, router: Router, copies: Sequence[OldCopy], older_than: float = 0.0) -> _Fates:
        """Remove copies, durable; give what became of each but those that could not be. What is younger was sent again since."""
        done: _Fates = {}
        directories: set[Path] = set()
        for copy in copies:
            try:
                path = router.path(copy.file)
                if older_than and self._clock.seconds() - os.lstat(path).st_mtime < older_than:
                    done[copy] = _KEPT
                    continue
                path.unlink()
                directories.add(path.parent)
                done[copy] = _PURGED
            except FileNotFoundError:
                done[copy] = _NOT_THERE
            except (OSError, NotCopied) as error:
                log.warning("A copy of image %d at %s cannot be purged: %s", copy.image, router.name, error)
        for directory in directories:
            try:
                sync_names(directory)
            except OSError as error:  # at worst a copy comes back when the power fails
                log.warning("%s cannot be made durable: %s", directory, error)
        return done

    def _report(self, broker: Broker, router: Router, done: _Fates, why: str) -> None:
        """Have the broker know what is gone, and then the journal."""
        if not done:
            return
        self._queue.old_copies(broker, list(done))
        now = self._clock.seconds()
        with self._journal.transaction():
            self._kept.forget(router.name, [copy.file for copy, fate in done.items() if fate != _KEPT])
            events = [
                Event("", "PURGE", now, fate, copy.image, router.name, f"{copy.file}, {why}") for copy, fate in done.items()
            ]
            self._journal.add_events([event.line for event in events])
