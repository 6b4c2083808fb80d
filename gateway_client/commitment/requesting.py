"""The task of the gateway that has destinations answer for what they took (`commit` in [gateway.destination."NAME"])."""

from __future__ import annotations

import logging

from gateway_client.backoff import Randomness, pause_after
from gateway_client.broker import Broker
from gateway_client.commitment.requestor import Asked, CommitmentRequestor
from gateway_client.commitment.requests import Asking, CommitmentRequests
from gateway_client.commitment.transaction import CommitmentRequest
from gateway_client.configuration import Configuration
from gateway_client.transmission.consignment import Destination
from gateway_client.transmission.export_queue import known_destinations
from runtime import Clock

log = logging.getLogger(__name__)

#: Transactions that are asked for over one association.
ASKED_AT_ONCE = 20
#: Seconds after which one that could not be asked for is tried again: the first and the last pause.
FIRST_PAUSE, LAST_PAUSE = 30.0, 3600.0
#: Times `commit_retry_minutes` that the pause between requests grows to.
_LONGEST = 8
#: Seconds for which transactions that are over are remembered.
REMEMBERED_FOR = 30 * 86400.0
_PURGE_EVERY = 3600.0


class Requesting:
    """Brings transactions from GATHERING to COMMITTED or FAILED, on a worker's thread."""

    def __init__(
        self,
        configuration: Configuration,
        requests: CommitmentRequests,
        requestor: CommitmentRequestor,
        clock: Clock,
        random: Randomness,
    ) -> None:
        self._configuration = configuration
        self._requests = requests
        self._requestor = requestor
        self._clock = clock
        self._random = random
        self._destinations: dict[str, Destination] = {}
        self._under_way: dict[str, dict[int, Asking]] = {}
        self._purged_at = 0.0

    def connected(self, broker: Broker) -> None:
        """Begin on a new session."""
        self.learn(broker)

    def offline(self) -> None:
        """Write down what could not be asked for, and when it is tried again."""
        now = self._clock.seconds()
        for ended in self._requestor.ended():
            if ended.number:
                self._not_asked(self._under_way[ended.destination][ended.number], ended.problem, now)
            else:
                del self._under_way[ended.destination]
        if now - self._purged_at > _PURGE_EVERY:
            self._purged_at = now
            self._requests.purge(now - REMEMBERED_FOR)

    def step(self, broker: Broker) -> bool:
        """Ask each destination for what is due; one that takes its time holds up no other."""
        moved = False
        for name in self._requests.destinations():
            if name not in self._under_way:
                moved |= self._ask(broker, name, self._clock.seconds())
        return moved

    def _ask(self, broker: Broker, name: str, now: float) -> bool:
        due = [asking for asking in self._requests.due(name, now, ASKED_AT_ONCE) if not self._is_over(asking, now)]
        if not due:
            return False
        if name not in self._destinations:
            self.learn(broker)
        settings, destination = self._configuration.destination(name), self._destinations.get(name)
        first = settings.commit_retry_minutes * 60
        asked: dict[Asking, CommitmentRequest] = {}
        for asking in due:
            pause = pause_after(asking.tries, first, first * _LONGEST, self._random)
            request = self._requests.ask(asking, self._within(asking, now + pause, now), now)
            if request is not None:
                asked[asking] = request
        if destination is None:
            for asking in asked:
                self._not_asked(asking, f"{name} is no transmit destination of this site.", now)
        elif asked:
            self._under_way[name] = {asking.id: asking for asking in asked}
            self._requestor.ask(destination, [Asked(asking.id, request) for asking, request in asked.items()])
        return True

    def learn(self, broker: Broker) -> None:
        """Ask where the destinations are."""
        lines = broker.call("MAGB TRANSMIT DESTINATIONS").lines
        self._destinations = known_destinations(lines, self._configuration)

    def _is_over(self, asking: Asking, now: float) -> bool:
        """Give up what no answer came to in time."""
        if now < self._end_of(asking, now):
            return False
        hours = self._configuration.destination(asking.destination).commit_hours
        why = f"no result in {hours:g} hours{f': {asking.reason}' if asking.reason else ''}"
        log.warning("%s does not answer for transaction %s: %s", asking.destination, asking.transaction, why)
        self._requests.give_up(asking, why, now)
        return True

    def _end_of(self, asking: Asking, now: float) -> float:
        """Give the moment after which a transaction is not waited for, which counts from its first request."""
        seconds = self._configuration.destination(asking.destination).commit_hours * 3600
        return (asking.asked_at if asking.tries else now) + seconds

    def _within(self, asking: Asking, moment: float, now: float) -> float:
        return min(moment, self._end_of(asking, now))

    def _not_asked(self, asking: Asking, problem: str, now: float) -> None:
        log.warning("%s is not asked for storage commitment: %s", asking.destination, problem)
        pause = pause_after(asking.tries, FIRST_PAUSE, LAST_PAUSE, self._random)
        self._requests.not_asked(asking.id, problem, self._within(asking, now + pause, now), now)
