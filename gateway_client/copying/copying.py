"""The task of the gateway that copies files to one router's location, and purges that."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from gateway_client.acquisition.store_request import fileman_moment
from gateway_client.backoff import Randomness, pause_after
from gateway_client.broker import Broker
from gateway_client.commitment.kept import Kept, KeptFile
from gateway_client.configuration import Configuration
from gateway_client.copying.copies import Blame, NotCopied, copy_file
from gateway_client.copying.purging import Purging
from gateway_client.copying.routers import Router
from gateway_client.copying.send_queue import Entry, SendQueue
from gateway_client.errors import UnknownShare
from gateway_client.journal import Journal
from gateway_client.locations import NetworkLocations
from gateway_client.story import Event
from runtime import Clock

log = logging.getLogger(__name__)

#: Seconds before the same is tried again, at first and at the longest.
FIRST_PAUSE, LAST_PAUSE = 1.0, 30.0
#: Seconds after which a location that another gateway copies to, and an archive that is away, are asked for again.
ASK_AGAIN = 60.0


class Copying:
    """Takes entries of the send queue for one destination, one after the other, each until it is sent, put back or given up.

    Nothing is kept of them here: the destination's lock is taken first, what is SENDING then was left by a gateway that was
    killed, and a copy that had been made already is recognised by its bytes.
    """

    def __init__(
        self,
        router: Router,
        locations: NetworkLocations,
        configuration: Configuration,
        journal: Journal,
        clock: Clock,
        random: Randomness,
    ) -> None:
        self._router = router
        self._locations = locations
        self._mark = re.sub(r"\W", "_", configuration.machine)
        self._journal = journal
        self._clock = clock
        self._random = random
        self._queue = SendQueue(configuration.location, router.ien)
        self._kept = Kept(journal, configuration)
        self._purging = Purging(self._queue, self._kept, journal, clock)
        self._locked = False
        self._entry: Entry | None = None
        self._failures = 0
        self._pause_until = 0.0

    def hear(self, router: Router, locations: NetworkLocations) -> None:
        """Hear how the site has the location now, and the others; from any thread."""
        self._router, self._locations = router, locations

    def connected(self, broker: Broker) -> None:
        """Ask for the lock; what an earlier session took waits again then."""
        self._entry, self._failures, self._pause_until = None, 0, 0.0
        self._locked = self._lock(broker)

    def offline(self) -> None:
        """Wait: all that is done here needs a broker."""

    def step(self, broker: Broker) -> bool:
        """Purge some copies and make the next one; False when there is nothing to do now."""
        if self._clock.monotonic() < self._pause_until:
            return False
        if not self._locked:
            self._locked = self._lock(broker)
            return self._locked
        purged = self._entry is None and self._purging.step(broker, self._router)
        self._entry = self._entry or self._queue.next(broker)
        if self._entry is None:
            return purged
        self._copy(broker, self._entry)
        return self._entry is None

    def _lock(self, broker: Broker) -> bool:
        if not self._queue.lock(broker):
            self._pause_until = self._clock.monotonic() + ASK_AGAIN
            return False
        if count := self._queue.put_back_begun(broker):
            log.info("%s: %d files whose copying was begun wait again", self._router.name, count)
        return True

    def _copy(self, broker: Broker, entry: Entry) -> None:
        began, at = fileman_moment(self._clock.now()), self._clock.monotonic()
        try:
            self._router.connect()
            target = self._router.path(entry.path_there)
            copied = copy_file(self._source(entry), target, self._mark, self._clock.seconds())
        except NotCopied as error:
            self._not_copied(broker, entry, error, began)
            return
        self._kept.keep(self._router.name, [KeptFile(entry.path_there, entry.image)], self._clock.seconds())
        self._queue.sent(broker, entry, began)
        seconds = self._clock.monotonic() - at
        self._tell(entry, "copied" if copied.anew else "already there", f"{target}: {copied.size} bytes in {seconds:.2f} s")
        self._entry, self._failures = None, 0

    def _source(self, entry: Entry) -> Path:
        """Say where the file lies. Raises NotCopied where its share is unknown, or away."""
        try:
            location, path = self._locations.find(entry.path), self._locations.local_path(entry.path)
        except UnknownShare as error:
            raise NotCopied(str(error), Blame.FILE) from error
        if not location.is_there:
            raise NotCopied(f"The folder of {location.name}, {location.root}, is not there.", Blame.ARCHIVE)
        return path

    def _not_copied(self, broker: Broker, entry: Entry, error: NotCopied, began: str) -> None:
        """Have a file tried again, as often as the location says; then it is given up, or the location is left alone."""
        router = self._router
        log.warning("Image %d is not copied to %s: %s", entry.image, router.name, error)
        retries = {
            Blame.CONNECTION: router.retry_connect,
            Blame.LOCATION: router.retry_transmit,
            Blame.FILE: router.retry_transmit,
            Blame.ARCHIVE: 0,
        }[error.blame]
        self._failures += 1
        if self._failures <= retries:
            pause = pause_after(self._failures - 1, FIRST_PAUSE, LAST_PAUSE, self._random)
            self._pause_until = self._clock.monotonic() + pause
            return
        match error.blame:
            case Blame.FILE:
                self._queue.failed(broker, entry, began)
                self._tell(entry, "failed", str(error))
            case Blame.ARCHIVE:
                self._queue.put_back(broker, entry)
                self._pause_until = self._clock.monotonic() + ASK_AGAIN
            case Blame.CONNECTION | Blame.LOCATION:
                self._queue.put_back(broker, entry)
                self._queue.set_off_line(broker)
                log.error("%s is set off line after %d tries", router.name, self._failures)
        self._entry, self._failures = None, 0

    def _tell(self, entry: Entry, outcome: str, detail: str) -> None:
        event = Event("", "COPY", self._clock.seconds(), outcome, entry.image, self._router.name, detail)
        self._journal.add_events([event.line])
