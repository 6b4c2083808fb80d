"""Releasing: stored objects are placed in their network locations, and released to the rules by PROCESSED."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from gateway_client.acquisition.answers import Processed, ProcessedOutcome, read_processed_answers
from gateway_client.acquisition.filing import Filing, Means
from gateway_client.acquisition.placement import Placed, place, place_texts, sync_parents, text_path, unusable
from gateway_client.acquisition.store_request import processed_lines
from gateway_client.acquisition.taking_back import TakingBack
from gateway_client.acquisition.text_file import text_file
from gateway_client.broker import Broker
from gateway_client.errors import PlacementError, UnknownShare
from gateway_client.journal import Change, Instance, Request, RequestKind, State
from gateway_client.locations import NetworkLocations
from gateway_client.story import report_events

log = logging.getLogger(__name__)

#: An object, where it lies, and how it came there.
_InPlace = tuple[Instance, Path, Placed]


class Releasing(Filing[ProcessedOutcome]):
    """The task that brings objects from STORED to FILED, and tells the broker the steps of all stories."""

    kind = RequestKind.PROCESSED
    before = State.PLACED

    def __init__(self, means: Means) -> None:
        super().__init__(means)
        self._locations = NetworkLocations()
        self._taking_back = TakingBack(means)

    def connected(self, broker: Broker) -> None:
        """Begin on a new session."""
        self.learn(broker)

    def learn(self, broker: Broker) -> None:
        """Ask where the network locations lie."""
        lines = broker.call("MAGB NETWORK LOCATIONS").lines
        self._locations = NetworkLocations.parse(lines, self._configuration.data)

    def offline(self) -> None:
        """Wait: all that is done here needs a broker."""

    def _go_on(self, broker: Broker) -> bool:
        """Place what is stored, release what is placed, tell what was done."""
        stored = self._journal.in_state(State.STORED, self._clock.seconds(), 4 * self._configuration.batch)
        placed, failed = self._place(broker, stored)
        not_placed = [(it, str(error), self._lost(it)) for it, error in failed]
        with self._journal.transaction():
            self._record([(it, self._not_placed(it, why, lost)) for it, why, lost in not_placed])
            self._record([(it, Change(it.id, State.PLACED, placed=str(path), tries=0, next_try=0.0)) for it, path, _ in placed])
            self._tell([self._event(it, "PLACE", how, str(path)) for it, path, how in placed])
            request = self._release()
        if request is not None:
            self._carry_out(broker, request)
        took_back = self._taking_back.step(broker)
        reported = report_events(broker, self._journal)
        return bool(stored or request or took_back or reported)

    def _place(self, broker: Broker, stored: Sequence[Instance]) -> tuple[list[_InPlace], list[tuple[Instance, Exception]]]:
        """Bring files to their places, durable; give those that are there, and what kept the others from it."""
        placed: list[_InPlace] = []
        failed: list[tuple[Instance, Exception]] = []
        for instance in stored:
            try:
                target = self._target(broker, instance)
                placed.append((instance, target, place(self._spool.path(instance.name), target, instance.digest)))
            except PlacementError as error:
                failed.append((instance, error))
        problems = self._make_durable(placed)
        failed += [(instance, problems[target]) for instance, target, _ in placed if target in problems]
        for _, problem in failed:
            log.error("%s", problem)
        return [it for it in placed if it[1] not in problems], failed

    def _lost(self, instance: Instance) -> str:
        """Say why there is nothing to place, if so: it is looked for at the first and the last try."""
        if instance.tries and not self._is_last_try(instance):
            return ""
        return unusable(self._spool.path(instance.name), instance.digest)

    def _is_last_try(self, instance: Instance) -> bool:
        return instance.tries + 1 >= self._configuration.placement_tries

    def _not_placed(self, instance: Instance, why: str, lost: str) -> Change:
        """Have an object tried again, or its image taken back after too many tries, or at once if its file is lost."""
        if not lost and not self._is_last_try(instance):
            return self._later(instance, why, State.STORED)
        self._tell([self._event(instance, "PLACE", "failed", lost or why)])
        return Change(instance.id, State.TAKING_BACK, reason=lost or why, tries=0, next_try=0.0)

    def _make_durable(self, placed: Sequence[tuple[Instance, Path, Placed]]) -> dict[Path, Exception]:
        """Write the text files of placed objects and sync all names; give the objects that did not come so far."""
        problems: dict[Path, Exception] = {}

        def texts() -> Iterator[tuple[Path, bytes]]:
            for _, target, _ in placed:
                try:
                    text = text_file(target)
                except OSError as error:
                    problems[target] = error
                else:
                    yield target, text

        if unwritten := place_texts(texts()):
            problems |= {target: unwritten[text] for _, target, _ in placed if (text := text_path(target)) in unwritten}
        try:
            sync_parents(target for _, target, _ in placed)
        except PlacementError as error:
            problems |= {target: error for _, target, _ in placed}
        return problems

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

    def _release(self) -> Request | None:
        """Write down the request that releases what is placed."""
        waiting = self._journal.in_state(State.PLACED, self._clock.seconds(), 4 * self._configuration.batch)
        ready = [instance for instance in waiting if instance.alone][:1] or waiting
        if not ready:
            return None
        number = self._new_uuid()
        lines = processed_lines(number, self._configuration.station, [(it.instrument, it.ien or 0) for it in ready])
        return self._open(number, lines, ready)

    def _found(self, instances: Sequence[Instance], answer: Sequence[str]) -> list[ProcessedOutcome]:
        return read_processed_answers(answer, len(instances))

    def _change(self, instance: Instance, found: ProcessedOutcome) -> Change:
        if isinstance(found, Processed):
            return Change(instance.id, State.FILED, reason="")
        if found.warning:
            self._tell([self._event(instance, "PROCESSED", "warning", found.reason)])
            return Change(instance.id, State.FILED, reason=found.reason)
        return self._refused(instance, found.reason)
