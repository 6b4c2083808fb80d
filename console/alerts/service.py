"""Alerts as a service: of the processes on one database one looks and tells, on threads that hold up nobody."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Event, Thread

from console.alerts.mail import Mail
from console.alerts.spreading import spread
from console.alerts.telling import Channel, Telling
from console.alerts.watch import Watch
from console.alerts.webhook import Webhook
from console.leading import Leading, name_of_process
from fileman import EVERY_CHANNEL, FileManError, Store, due_notices
from runtime import AlertSettings, Clock, Settings

log = logging.getLogger(__name__)

#: The lease of the process that looks and tells.
LEASE = "alerts"
#: Seconds between two looks at what is to be told.
TELLS_EVERY = 1.0
#: Seconds that the end waits for a thread that is at something.
STOP_SECONDS = 2.0


def channels_of(settings: AlertSettings) -> list[Channel]:
    """Make the channels that the settings name."""
    mails = [Channel(name, Mail(it), it.quiet_times, frozenset(it.kinds)) for name, it in settings.mail.items()]
    hooks = [Channel(name, Webhook(it), it.quiet_times, frozenset(it.kinds)) for name, it in settings.webhook.items()]
    return [*mails, *hooks]


@dataclass(slots=True)
class AlertService:
    """Looks every few seconds, on a thread of its own, and tells over each channel on a thread of its own."""

    store: Store
    clock: Clock
    watch: Watch
    channels: Sequence[Channel]
    settings: AlertSettings
    leading: Leading
    _down: Event = field(default_factory=Event)
    _threads: list[Thread] = field(default_factory=list)

    def start(self) -> None:
        """Begin to look."""
        self._down.clear()
        work: dict[str, Callable[[], None]] = {"alerts": self._look_on}
        work |= {f"alerts {it.name}": self._teller(it) for it in self.channels}
        self._threads = [Thread(target=it, name=name, daemon=True) for name, it in work.items()]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Look no more, and let another process do so."""
        self._down.set()

        for thread in self._threads:
            thread.join(STOP_SECONDS)
        self._threads = []
        self.leading.leave()

    def _look_on(self) -> None:
        spent = 0.0
        while not self._down.wait(max(0.0, min(TELLS_EVERY, self.settings.look_seconds))):
            spent += min(TELLS_EVERY, self.settings.look_seconds)
            try:
                if not self.leading.lead():
                    continue
                if spent >= self.settings.look_seconds:
                    spent = 0.0
                    self.watch.look()
                self._spread()
            except FileManError as error:
                log.debug("alerts wait for the database: %s", error)
            except Exception:
                log.exception("alerts could not be looked for")

    def _spread(self) -> None:
        now = self.clock.seconds()
        if self.store.read(lambda connection: due_notices(connection, EVERY_CHANNEL, now)):
            self.store.transact(lambda connection: spread(connection, self.channels, now))

    def _teller(self, channel: Channel) -> Callable[[], None]:
        telling = Telling(self.store, self.clock, channel, frozenset(self.settings.critical))

        def tell_on() -> None:
            began = False
            while not self._down.wait(TELLS_EVERY):
                if not self.leading.leads:
                    began = False
                    continue
                try:
                    if not began:
                        telling.begin()
                        began = True
                    while telling.step() and not self._down.is_set():
                        pass
                except FileManError as error:
                    log.debug("%s waits for the database: %s", channel.name, error)
                except Exception:
                    log.exception("%s could not be told", channel.name)

        return tell_on


def alert_service(settings: Settings, store: Store, clock: Clock) -> AlertService:
    """Build the service; nothing is looked for yet."""
    places = [("data directory", settings.data), ("gateway's spool", settings.gateway_directory)]
    watch = Watch(store, clock, settings.alerts, settings.data, places, socket.gethostname())
    return AlertService(
        store, clock, watch, channels_of(settings.alerts), settings.alerts, Leading(store, clock, LEASE, name_of_process(store))
    )
