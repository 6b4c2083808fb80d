"""Filing: what lies in the spool is stored, placed and released to the rules, each step journaled before the next."""

from __future__ import annotations

import logging
import queue
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from gateway_client.answers import (
    AlreadyThere,
    Failed,
    Locked,
    Mismatch,
    Processed,
    ProcessedOutcome,
    Stored,
    StoreOutcome,
    read_processed_answers,
    read_store_answers,
)
from gateway_client.backoff import Randomness, pause_after
from gateway_client.broker import Broker
from gateway_client.configuration import Configuration
from gateway_client.errors import AnswerMismatch, NotAnObject, NotPart10, PlacementError, UnknownShare
from gateway_client.header import read_header
from gateway_client.journal import DONE, Change, Instance, Journal, Request, RequestKind, State
from gateway_client.locations import NetworkLocations
from gateway_client.part10 import digest_of
from gateway_client.placement import Placed, place, place_text, sync_parents
from gateway_client.spool import Spool, SpooledFile
from gateway_client.store_request import StoreItem, processed_lines, request_list, store_lines
from gateway_client.story import Event, report_events
from runtime import Clock
from xwb import ApplicationError, MError

log = logging.getLogger(__name__)

#: A failure is asked about again after pauses from the first to the last, so many times; then the object is held.
FIRST_PAUSE, LAST_PAUSE, TRIES = 5.0, 300.0, 24
#: Seconds after which a locked exam is asked for again.
LOCK_PAUSE = 10.0
#: Days that the journal remembers what is filed: an object sent again in that time is known without asking.
DAYS_REMEMBERED = 365
_PURGE_EVERY = 3600.0


class Filing:
    """The task of the filing worker.

    `received` may be called from any thread with an object that its sender was told to be safe. Everything else belongs to
    the worker's thread.
    """

    def __init__(
        self,
        configuration: Configuration,
        spool: Spool,
        journal: Journal,
        clock: Clock,
        random: Randomness,
        new_uuid: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        self._configuration = configuration
        self._spool = spool
        self._journal = journal
        self._clock = clock
        self._random = random
        self._new_uuid = new_uuid
        self._incoming: queue.SimpleQueue[SpooledFile] = queue.SimpleQueue()
        self._locations = NetworkLocations()
        self._purged_at = 0.0

    def recover(self) -> None:
        """Bring spool and journal together after a stop of any kind, before anything is received.

        A file without a row gets one; a file whose object is done is removed; one that was refused is put aside.
        """
        for name in self._spool.unreadable():
            log.error("%s in the spool is no DICOM file and was put aside", name)
        names = self._spool.names()
        states = self._journal.states_of(names)
        for name in names:
            state = states.get(name)
            if state is None:
                self._take([self._spool.read(name)])
            elif state in DONE:
                self._spool.remove(name)
            elif state is State.REFUSED:
                self._spool.hold(name)

    def received(self, file: SpooledFile) -> None:
        """Take an object that lies in the spool."""
        self._incoming.put(file)

    def connected(self, broker: Broker) -> None:
        """Ask where the network locations lie."""
        lines = broker.call("MAGB NETWORK LOCATIONS").lines
        self._locations = NetworkLocations.parse(lines, self._configuration.data)

    def offline(self) -> None:
        """Journal what was received, whether there is a broker or not."""
        files = []
        while not self._incoming.empty():
            files.append(self._incoming.get())
        if files:
            self._take(files)
        now = self._clock.seconds()
        if now - self._purged_at > _PURGE_EVERY:
            self._purged_at = now
            self._journal.purge(now - DAYS_REMEMBERED * 86400)

    def step(self, broker: Broker) -> bool:
        """Bring the oldest objects one or more steps on."""
        doubtful = self._journal.open_requests()
        for request in doubtful:
            self._carry_out(broker, request)
        stored = self._store(broker)
        placed = self._place(broker)
        processed = self._process(broker)
        reported = report_events(broker, self._journal)
        return bool(doubtful or stored or placed or processed or reported)

    def _take(self, files: Sequence[SpooledFile]) -> None:
        events = [
            Event(
                file.meta.sop_instance_uid,
                "RECEIVE",
                file.received_at,
                "received",
                peer=f"{file.origin.calling}@{file.origin.peer}" if file.origin.peer else file.origin.calling,
                detail=f"{file.size} bytes, {file.meta.transfer_syntax}",
            )
            for file in files
        ]
        with self._journal.transaction():
            self._journal.add(files)
            self._journal.add_events([event.line for event in events])

    # STORE1 and STORE2

    def _store(self, broker: Broker) -> bool:
        batch = self._journal.batch(self._clock.seconds(), self._configuration.batch)
        items: list[tuple[Instance, StoreItem]] = []
        changes: list[Change] = []
        for instance in batch:
            if self._is_copy(instance):
                self._drop(instance, "the same object is filed already")
                continue
            try:
                header = read_header(self._spool.path(instance.name), self._configuration.header_paths)
            except (NotPart10, NotAnObject, OSError) as error:
                self._refuse(instance, str(error))
                continue
            path = str(self._spool.path(instance.name))
            moment = datetime.fromtimestamp(instance.received_at)  # noqa: DTZ006  VistA's times carry no zone
            items.append((instance, StoreItem(header, path, moment, instance.digest, first_try=not instance.tries)))
            changes.append(Change(instance.id, State.STORING, study=header.study_uid))
        if items:
            number = self._new_uuid()
            lines = store_lines(number, self._configuration.station, [item for _, item in items])
            request = Request(number, RequestKind.STORE, tuple(lines), tuple(instance.id for instance, _ in items))
            with self._journal.transaction():
                self._journal.open_request(request)
                self._journal.change(changes, self._clock.seconds())
            self._carry_out(broker, request)
        return bool(batch)

    def _is_copy(self, instance: Instance) -> bool:
        """Tell whether the journal knows the very same data set as filed, or placed at the least."""
        known = self._journal.with_uid(instance.sop_instance_uid, (State.PLACED, State.FILED))
        return any(other.digest == instance.digest for other in known if other.id != instance.id)

    def _carry_out(self, broker: Broker, request: Request) -> None:
        """Send a journaled request, for the first time or again, and record what became of its objects.

        When the connection is lost the request stays open: it is sent again as it is, under its UUID. A failure of the
        procedure undid its work in the broker; its objects are then tried one by one, so that one cannot hold up the others.
        """
        try:
            answer = broker.call("MAG DICOM IMAGE PROCESSING", request_list(request.lines)).lines
            finish = _FINISH[request.kind]
            finish(self, request, answer)
        except (MError, ApplicationError, AnswerMismatch) as error:
            log.error("IMAGE PROCESSING failed for %d objects: %s", len(request.instances), error)
            known = not isinstance(error, AnswerMismatch)
            self._go_back(request, str(error), nothing_done=known)

    def _go_back(self, request: Request, reason: str, *, nothing_done: bool) -> None:
        """Set a request's objects back; where a STORE may have been carried out they are held, lest they be filed twice."""
        with self._journal.transaction():
            for instance in self._journal.instances(request.instances):
                if request.kind is RequestKind.PROCESSED:
                    self._try_later(instance, State.PLACED, reason, alone=True)
                elif nothing_done:
                    self._try_later(instance, State.RECEIVED, reason, alone=True)
                else:
                    self._refuse(instance, reason)
            self._journal.close_request(request.uuid, [reason])

    def _try_later(self, instance: Instance, state: State, reason: str, *, alone: bool = False) -> None:
        """Set an object back to be tried after a pause; one that has had its tries is held for a person."""
        tries = instance.tries + 1
        if tries >= TRIES and state is State.RECEIVED:
            self._refuse(instance, reason)
            return
        now = self._clock.seconds()
        pause = 0.0 if alone and tries == 1 else pause_after(tries - 1, FIRST_PAUSE, LAST_PAUSE, self._random)
        change = Change(instance.id, state, reason=reason, tries=tries, next_try=now + pause, alone=alone or None)
        self._journal.change([change], now)

    def _finish_store(self, request: Request, answer: Sequence[str]) -> None:
        instances = self._journal.instances(request.instances)
        outcomes = read_store_answers(answer, len(request.instances))
        done: list[Instance] = []
        with self._journal.transaction():
            self._journal.close_request(request.uuid, answer)
            for instance, outcome in zip(instances, outcomes, strict=True):
                if self._apply(instance, outcome):
                    done.append(instance)
        self._clear(done)

    def _apply(self, instance: Instance, outcome: StoreOutcome) -> bool:
        """Record one outcome; True when the spool's file has to move or go, once that is durable."""
        now = self._clock.seconds()
        match outcome:
            case Stored():
                change = Change(
                    *(instance.id, State.STORED, outcome.ien, outcome.directory, outcome.file),
                    reason=outcome.warning,
                    tries=0,
                    next_try=0.0,
                    alone=False,
                )
                self._journal.change([change], now)
                return False
            case AlreadyThere():
                return self._settle_duplicate(instance, outcome)
            case Mismatch():
                self._journal.change([Change(instance.id, State.CORRECT, reason=outcome.reason)], now)
                return False
            case Locked():
                tries = max(1, instance.tries)  # its ACQUIRED is counted already
                change = Change(instance.id, State.RECEIVED, reason=outcome.what, tries=tries, next_try=now + LOCK_PAUSE)
                self._journal.change([change], now)
                return False
            case Failed():
                self._try_later(instance, State.RECEIVED, outcome.reason)
                return False

    def _settle_duplicate(self, instance: Instance, outcome: AlreadyThere) -> bool:
        """Drop a duplicate only when what is filed is known to be the same data set; else hold it for a person."""
        others = self._journal.with_uid(instance.sop_instance_uid, (State.PLACED, State.FILED))
        for other in others:
            if other.id != instance.id and self._digest_of_filed(other) == instance.digest:
                self._journal.change([Change(instance.id, State.DUPLICATE, ien=other.ien)], self._clock.seconds())
                self._tell(instance, "DUPLICATE", "dropped", f"the same object is filed as image {other.ien}")
                return True
        reason = " ".join(outcome.messages) or "is already in the database"
        self._journal.change([Change(instance.id, State.REFUSED, reason=reason)], self._clock.seconds())
        self._tell(instance, "HOLD", "refused", reason)
        return True

    def _digest_of_filed(self, other: Instance) -> str:
        try:
            return digest_of(Path(other.placed)) if other.placed else other.digest
        except (OSError, NotPart10):
            return ""

    # the file

    def _place(self, broker: Broker) -> bool:
        now = self._clock.seconds()
        waiting = self._journal.in_state(State.STORED, now, 4 * self._configuration.batch)
        placed: list[tuple[Instance, Path, Placed]] = []
        for instance in waiting:
            try:
                target = self._target(broker, instance)
                how = place(self._spool.path(instance.name), target, instance.digest)
                place_text(target)
                placed.append((instance, target, how))
            except PlacementError as error:
                log.error("%s", error)
                self._try_later(instance, State.STORED, str(error))
        try:
            sync_parents(target for _, target, _ in placed)
        except PlacementError as error:
            for instance, _, _ in placed:
                self._try_later(instance, State.STORED, str(error))
            return bool(waiting)
        with self._journal.transaction():
            changes = [Change(it.id, State.PLACED, placed=str(target), tries=0, next_try=0.0) for it, target, _ in placed]
            self._journal.change(changes, self._clock.seconds())
            for instance, target, how in placed:
                self._tell(instance, "PLACE", how, str(target))
        return bool(waiting)

    def _target(self, broker: Broker, instance: Instance) -> Path:
        """Find where an object belongs; an unknown share is asked for once more. Raises UnknownShare.

        It is called .DCM, whatever the file is called that the broker wants: a .TGA file is made from it later.
        """
        path = f"{instance.directory}{instance.file.partition('.')[0]}.DCM"
        try:
            return self._locations.local_path(path)
        except UnknownShare:
            self.connected(broker)
            return self._locations.local_path(path)

    # PROCESSED

    def _process(self, broker: Broker) -> bool:
        waiting = self._journal.in_state(State.PLACED, self._clock.seconds(), 4 * self._configuration.batch)
        alone = [instance for instance in waiting if instance.alone][:1]
        ready = alone or waiting
        if ready:
            number = self._new_uuid()
            lines = processed_lines(number, self._configuration.station, [instance.ien or 0 for instance in ready])
            request = Request(number, RequestKind.PROCESSED, tuple(lines), tuple(instance.id for instance in ready))
            self._journal.open_request(request)
            self._carry_out(broker, request)
        return bool(ready)

    def _finish_processed(self, request: Request, answer: Sequence[str]) -> None:
        instances = self._journal.instances(request.instances)
        outcomes = read_processed_answers(answer, len(request.instances))
        with self._journal.transaction():
            self._journal.close_request(request.uuid, answer)
            changes = [self._processed(*pair) for pair in zip(instances, outcomes, strict=True)]
            self._journal.change(changes, self._clock.seconds())
        self._clear(instances)

    def _processed(self, instance: Instance, outcome: ProcessedOutcome) -> Change:
        if isinstance(outcome, Processed):
            return Change(instance.id, State.FILED, reason="")
        if outcome.warning:
            self._tell(instance, "PROCESSED", "warning", outcome.reason)
            return Change(instance.id, State.FILED, reason=outcome.reason)
        self._tell(instance, "HOLD", "refused", outcome.reason)
        return Change(instance.id, State.REFUSED, reason=outcome.reason)

    # what ends an object's stay

    def _clear(self, instances: Sequence[Instance]) -> None:
        """Bring the spool in line with the journal, which is durable by now."""
        for instance in self._journal.instances([instance.id for instance in instances]):
            if instance.state in DONE:
                self._spool.remove(instance.name)
            elif instance.state is State.REFUSED:
                self._spool.hold(instance.name)

    def _drop(self, instance: Instance, why: str) -> None:
        with self._journal.transaction():
            self._journal.change([Change(instance.id, State.DUPLICATE, reason=why)], self._clock.seconds())
            self._tell(instance, "DUPLICATE", "dropped", why)
        self._clear([instance])

    def _refuse(self, instance: Instance, why: str) -> None:
        """Hold an object for a person, with the reason."""
        log.error("%s is held: %s", instance.sop_instance_uid, why)
        with self._journal.transaction():
            self._journal.change([Change(instance.id, State.REFUSED, reason=why)], self._clock.seconds())
            self._tell(instance, "HOLD", "refused", why)
        self._spool.hold(instance.name)

    def _tell(self, instance: Instance, stage: str, outcome: str, detail: str) -> None:
        event = Event(instance.sop_instance_uid, stage, self._clock.seconds(), outcome, instance.ien, detail=detail)
        self._journal.add_events([event.line])


_FINISH: dict[RequestKind, Callable[[Filing, Request, Sequence[str]], None]] = {
    RequestKind.STORE: Filing._finish_store,
    RequestKind.PROCESSED: Filing._finish_processed,
}
