"""Filing: what lies in the spool is stored, placed and released to the rules, each step journaled before the next.

Two tasks share the work, so that the gateway's part of one batch is done while the broker has another: `Storing` brings objects
to STORED, `Releasing` from there to FILED. This is what they have in common.
"""

from __future__ import annotations

import logging
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from gateway_client.acquisition.store_request import request_list
from gateway_client.backoff import Randomness, pause_after
from gateway_client.broker import Broker
from gateway_client.commitment.kept import SPOOL, Kept, KeptFile
from gateway_client.configuration import Configuration
from gateway_client.errors import AnswerMismatch, SpoolError
from gateway_client.journal import DONE, Change, Instance, Journal, Request, RequestKind, State
from gateway_client.reception.spool import Spool
from gateway_client.story import Event
from runtime import Clock
from xwb import ApplicationError, MError

log = logging.getLogger(__name__)

#: A failure is asked about again after pauses from the first to the last, so many times; then the object is held.
FIRST_PAUSE, LAST_PAUSE, TRIES = 5.0, 300.0, 24

#: An object and what becomes of it.
Outcome = tuple[Instance, Change]
#: What an answer says of one object.
Found = TypeVar("Found")


@dataclass(frozen=True)
class Means:
    """What filing works with."""

    configuration: Configuration
    spool: Spool
    journal: Journal
    clock: Clock
    random: Randomness
    new_uuid: Callable[[], str] = lambda: str(uuid.uuid4())


class Filing(ABC, Generic[Found]):
    """What storing and releasing have in common; it belongs to the worker's thread."""

    kind: ClassVar[RequestKind]
    #: Where objects are set back to when their request could not be carried out.
    before: ClassVar[State]

    def __init__(self, means: Means) -> None:
        self._configuration = means.configuration
        self._spool = means.spool
        self._journal = means.journal
        self._clock = means.clock
        self._random = means.random
        self._new_uuid = means.new_uuid
        self._kept = Kept(means.journal, means.configuration)

    def step(self, broker: Broker) -> bool:
        """Bring the oldest objects one or more steps on."""
        doubtful = self._journal.open_requests(self.kind)
        for request in doubtful:
            self._carry_out(broker, request)
        return self._go_on(broker) or bool(doubtful)

    @abstractmethod
    def _go_on(self, broker: Broker) -> bool:
        """Bring the oldest objects on; False when there are none."""

    @abstractmethod
    def _found(self, instances: Sequence[Instance], answer: Sequence[str]) -> Sequence[Found]:
        """Read what an answer says of each object, and whatever of files has to be known besides. Raises AnswerMismatch."""

    @abstractmethod
    def _change(self, instance: Instance, found: Found) -> Change:
        """Say what becomes of an object; no file is read here, as the journal is held meanwhile."""

    def _open(self, number: str, lines: Sequence[str], instances: Sequence[Instance]) -> Request:
        """Write down a request before it is sent."""
        request = Request(number, self.kind, tuple(lines), tuple(instance.id for instance in instances))
        self._journal.open_request(request)
        return request

    def _carry_out(self, broker: Broker, request: Request) -> None:
        """Send a journaled request, for the first time or again, and record what became of its objects.

        When the connection is lost the request stays open: it is sent again as it is, under its UUID. A failure of the
        procedure undid its work in the broker; its objects are then tried one by one, so that one cannot hold up the others.
        """
        try:
            answer = broker.call("MAG DICOM IMAGE PROCESSING", request_list(request.lines)).lines
            self._finish(request, answer)
        except (MError, ApplicationError, AnswerMismatch) as error:
            log.error("IMAGE PROCESSING failed for %d objects: %s", len(request.instances), error)
            self._go_back(request, str(error), known=not isinstance(error, AnswerMismatch))

    def _finish(self, request: Request, answer: Sequence[str]) -> None:
        instances = self._journal.instances(request.instances)
        found = self._found(instances, answer)
        with self._journal.transaction():
            outcomes = [(instance, self._change(instance, one)) for instance, one in zip(instances, found, strict=True)]
            self._journal.close_request(request.uuid, answer)
            self._record(outcomes)
        self._clear(outcomes)

    def _go_back(self, request: Request, reason: str, *, known: bool) -> None:
        """Set a request's objects back; those of a STORE that may have been carried out are held, lest they be filed twice."""
        hold = self.before is State.RECEIVED and not known
        with self._journal.transaction():
            outcomes = [
                (instance, self._refused(instance, reason) if hold else self._later(instance, reason, alone=True))
                for instance in self._journal.instances(request.instances)
            ]
            self._journal.close_request(request.uuid, [reason])
            self._record(outcomes)
        self._clear(outcomes)

    def _later(self, instance: Instance, reason: str, state: State | None = None, *, alone: bool = False) -> Change:
        """Set an object back, to be tried after a pause; one that has had its tries is held for a person."""
        tries, state = instance.tries + 1, state or self.before
        if tries >= TRIES and state is State.RECEIVED:
            return self._refused(instance, reason)
        pause = 0.0 if alone and tries == 1 else pause_after(tries - 1, FIRST_PAUSE, LAST_PAUSE, self._random)
        next_try = self._clock.seconds() + pause
        return Change(instance.id, state, reason=reason, tries=tries, next_try=next_try, alone=alone or None)

    def _refused(self, instance: Instance, why: str) -> Change:
        """Hold an object for a person, with the reason."""
        log.error("%s is held: %s", instance.sop_instance_uid, why)
        self._tell([self._event(instance, "HOLD", "refused", why)])
        return Change(instance.id, State.REFUSED, reason=why)

    def _event(self, instance: Instance, stage: str, outcome: str, detail: str) -> Event:
        return Event(instance.sop_instance_uid, stage, self._clock.seconds(), outcome, instance.ien, detail=detail)

    def _tell(self, events: Iterable[Event]) -> None:
        self._journal.add_events([event.line for event in events])

    def _record(self, outcomes: Iterable[Outcome]) -> None:
        """Journal what becomes of objects."""
        now = self._clock.seconds()
        outcomes = list(outcomes)
        self._journal.change([change for _, change in outcomes], now)
        filed = [KeptFile(it.name, it.ien) for it, change in outcomes if change.state is State.FILED and it.ien is not None]
        self._kept.keep(SPOOL, filed, now)

    def _clear(self, outcomes: Iterable[Outcome]) -> None:
        """Bring the spool in line with the journal, which is durable by now."""
        for instance, change in outcomes:
            self._see_to(instance.name, change.state)

    def _see_to(self, name: str, state: State) -> None:
        """Remove a file, or set it aside, where its state wants that; one that stays is seen to after the next start."""
        try:
            if state is State.FILED and self._kept.needs(SPOOL) and self._kept.has(SPOOL, name):
                self._spool.retain(name)
            elif state in DONE:
                self._spool.remove(name)
            elif state is State.REFUSED:
                self._spool.hold(name)
        except SpoolError as error:
            log.error("%s stays in the spool: %s", name, error)
