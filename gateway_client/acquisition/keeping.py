"""`kept/` of the spool: objects that are filed, until destinations have committed to them or their time is over."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from gateway_client.acquisition.filing import Means
from gateway_client.commitment.kept import SPOOL, Kept, KeptFile
from gateway_client.errors import SpoolError
from gateway_client.story import Event

log = logging.getLogger(__name__)

_AT_ONCE = 500
_EXPIRE_EVERY = 3600.0
#: Seconds after which it is tried again to remove what could not be.
_PAUSE = 60.0


class Keeping:
    """Removes what is kept in the spool. What it did before a kill it does again without harm."""

    def __init__(self, means: Means) -> None:
        self._spool = means.spool
        self._journal = means.journal
        self._configuration = means.configuration
        self._kept = Kept(means.journal, means.configuration)
        self._next_expiry = 0.0
        self._pause_until = 0.0

    def go_on(self, now: float) -> None:
        """Remove what is due, and now and then what was kept for long enough; what cannot be removed stops nothing else."""
        if now < self._pause_until:
            return
        try:
            self._remove_some(now)
        except SpoolError as error:
            log.error("What is kept in the spool cannot be removed: %s", error)
            self._pause_until = now + _PAUSE

    def _remove_some(self, now: float) -> None:
        named = ", ".join(sorted(self._kept.needs(SPOOL)))
        self._remove(self._kept.due(SPOOL, _AT_ONCE), f"committed to by {named}", now)
        if now >= self._next_expiry:
            days = self._configuration.originals_days
            files = self._kept.expired(SPOOL, now - days * 86400, _AT_ONCE)
            self._remove(files, f"kept for {days} days", now)
            self._next_expiry = now + _EXPIRE_EVERY if len(files) < _AT_ONCE else now

    def _remove(self, files: Sequence[KeptFile], why: str, now: float) -> None:
        if not files:
            return
        self._spool.let_go([file for file, _ in files])
        with self._journal.transaction():
            self._kept.forget(SPOOL, [file for file, _ in files])
            events = [Event("", "PURGE", now, "purged", image, detail=f"in the spool, {why}") for _, image in files]
            self._journal.add_events([event.line for event in events])
