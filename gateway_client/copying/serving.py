"""The task of the gateway that sees to it that each router's location is served, by a worker of its own."""

from __future__ import annotations

import logging
import threading

from gateway_client.backoff import Randomness
from gateway_client.broker import Broker, Connect, Worker
from gateway_client.configuration import Configuration
from gateway_client.copying.copying import Copying
from gateway_client.copying.routers import Router, read_routers
from gateway_client.journal import Journal
from gateway_client.locations import NetworkLocations
from runtime import Clock
from xwb import SecurityRefused

log = logging.getLogger(__name__)

#: Seconds after which it is asked which locations there are.
LOOK_AGAIN = 60.0


class Serving:
    """Starts a worker for each router's location, a session and a thread of its own: a share that hangs holds up no other."""

    def __init__(
        self, configuration: Configuration, journal: Journal, connect: Connect, clock: Clock, random: Randomness
    ) -> None:
        self._configuration = configuration
        self._journal = journal
        self._connect = connect
        self._clock = clock
        self._random = random
        self._served: dict[int, tuple[Copying, Worker]] = {}
        self._lock = threading.Lock()
        self._stopping = False
        self._asked_at = 0.0

    @property
    def workers(self) -> list[Worker]:
        """Give the workers."""
        with self._lock:
            return [worker for _, worker in self._served.values()]

    def stop(self) -> None:
        """Have every worker end after what it is at, and start none any more."""
        with self._lock:
            self._stopping = True
        for worker in self.workers:
            worker.stop()

    def connected(self, broker: Broker) -> None:
        """Ask which locations there are."""
        self._look(broker)

    def offline(self) -> None:
        """Wait: all that is done here needs a broker."""

    def step(self, broker: Broker) -> bool:
        """Ask now and then whether there are others."""
        if self._clock.monotonic() - self._asked_at >= LOOK_AGAIN:
            self._look(broker)
        return False

    def _look(self, broker: Broker) -> None:
        self._asked_at = self._clock.monotonic()
        try:
            lines = broker.call("MAGB ROUTE DESTINATIONS").lines
        except SecurityRefused as error:
            log.warning("Nothing is copied to routers' locations: %s", error)
            return
        locations = NetworkLocations.parse(broker.call("MAGB NETWORK LOCATIONS").lines, self._configuration.data)
        routers = {router.ien: router for router in read_routers(lines, locations)}
        with self._lock:
            for ien, (_, worker) in self._served.items():
                if ien not in routers:
                    worker.stop()
            self._served = {ien: one for ien, one in self._served.items() if one[1].is_alive()}
            for ien, router in routers.items():
                self._serve(ien, router, locations)

    def _serve(self, ien: int, router: Router, locations: NetworkLocations) -> None:
        if ien in self._served:
            self._served[ien][0].hear(router, locations)
        elif not self._stopping:
            task = Copying(router, locations, self._configuration, self._journal, self._clock, self._random)
            pause = self._configuration.poll_seconds
            worker = Worker(f"copying_{router.name}", task, self._connect, self._clock, self._random, idle_seconds=pause)
            self._served[ien] = task, worker
            worker.start()
