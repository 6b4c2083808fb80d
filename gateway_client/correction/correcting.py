"""Correcting: what a person corrected on the DICOM CORRECT list is stored again, what is to be deleted is removed."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import partial

from gateway_client.acquisition.filing import Means
from gateway_client.acquisition.originals import Originals
from gateway_client.acquisition.store_request import request_list
from gateway_client.broker import Broker
from gateway_client.correction.correct_list import Listed, Step, decide, query_line, read_listed
from gateway_client.correction.corrections import Corrections, Values
from gateway_client.errors import ModificationError, NotPart10
from gateway_client.journal import Instance
from gateway_client.objects.modification import Provenance, modify
from gateway_client.objects.splicing import ACCESSION_NUMBER, PATIENT_ID, PATIENT_NAME
from gateway_client.story import DETAIL_LIMIT, Event

log = logging.getLogger(__name__)

STAGE = "CORRECT"
#: Seconds after which it is tried again to remove what could not be.
DELETE_AGAIN = 60.0
_PURGE_EVERY, _PURGED_AT_ONCE = 3600.0, 1000
_KEYWORDS = {PATIENT_NAME: "PatientName", PATIENT_ID: "PatientID", ACCESSION_NUMBER: "AccessionNumber"}


class Correcting:
    """The task that asks the broker what was corrected, while the journal has objects that wait for it.

    Nothing but the list itself says what is still to be done: what the journal does not show as done is done, what it does show
    as done is answered. So a step that was cut off is found again in the next answer.
    """

    def __init__(self, means: Means) -> None:
        self._configuration = means.configuration
        self._journal = means.journal
        self._clock = means.clock
        self._new_uuid = means.new_uuid
        self._originals = Originals(means.spool)
        self._corrections = Corrections(means.journal)
        self._next_query = self._next_purge = self._next_deletion = 0.0
        self._came_on = True
        self._unknown: set[str] = set()
        #: What could not be removed, until that is tried again.
        self._stubborn: set[str] = set()

    def connected(self, broker: Broker) -> None:
        """Ask at once on a new session."""
        self._next_query = 0.0

    def offline(self) -> None:
        """Finish deletions that were cut off, and remove originals whose time is over."""
        now = self._clock.seconds()
        if now >= self._next_deletion:
            self._stubborn.clear()
            self._delete(self._corrections.deletions())
        if now >= self._next_purge:
            self._next_purge = now + _PURGE_EVERY
            self._purge(now - self._configuration.originals_days * 86400)

    def kept(self) -> int:
        """Count the originals."""
        return self._corrections.originals()

    def step(self, broker: Broker) -> bool:
        """Ask, when it is time to, or when something that is done is to be answered; False when nothing came of it."""
        waiting, settled = self._corrections.pending()
        now = self._clock.seconds()
        if not (settled and self._came_on) and not (waiting and now >= self._next_query):
            return False
        self._came_on, self._next_query = False, now + self._configuration.correct_seconds
        listed = read_listed(self._call(broker, [query_line(self._configuration.station)]))
        if not listed:
            self._corrections.answered()
            return False
        known = self._corrections.known([one.name for one in listed])
        steps = decide(listed, {name: (instance.state, tried) for name, (instance, tried) in known.items()}, now)
        self._tell_unknown(one for one, _ in steps if one.name not in known)
        for one, step in steps:
            if step is Step.CORRECT:
                self._correct(known[one.name][0], one.values, now)
        deleted = (one.name for one, step in steps if step is Step.DELETE)
        doomed = {name: known[name][0] for name in deleted if name not in self._stubborn}
        self._corrections.begin_deletion(list(doomed.values()), now)
        self._delete(list(doomed.values()))
        if self._answer(broker, [one for one, step in steps if step is Step.ANSWER]):
            self._next_query = 0.0  # the list is shorter now, and may have had more than one answer holds
        self._came_on = not self._next_query or bool(doomed) or any(step is Step.CORRECT for _, step in steps)
        return self._came_on

    def _call(self, broker: Broker, lines: Sequence[str]) -> list[str]:
        return broker.call("MAG DICOM IMAGE PROCESSING", request_list(lines)).lines

    def _correct(self, instance: Instance, values: Values, now: float) -> None:
        """Change an object and have it stored again; what cannot be changed stays on the list, with the reason in its story."""
        new = {PATIENT_NAME: values.name, PATIENT_ID: values.patient_id, ACCESSION_NUMBER: values.accession}
        at = datetime.fromtimestamp(now, UTC).astimezone()
        given = {tag: value for tag, value in new.items() if value}
        change = partial(modify, values=given, provenance=Provenance(self._configuration.machine, at))
        try:
            changed = self._originals.correct(instance.name, change)
        except (ModificationError, NotPart10, OSError) as error:
            log.error("%s cannot be corrected: %s", instance.sop_instance_uid, error)
            self._not_corrected(instance, values, now, str(error))
            return
        except Exception as error:  # whatever it is, others are to be corrected
            log.exception("%s cannot be corrected", instance.sop_instance_uid)
            self._not_corrected(instance, values, now, repr(error))
            return
        details = [f"{', '.join(_KEYWORDS[tag] for tag in changed.changed) if changed else 'nothing'} changed"]
        if changed is not None and changed.removed:
            details += _lines("removed private elements:", changed.removed)
        with self._journal.transaction():
            self._corrections.try_values(instance, values, now)
            self._corrections.store_again(instance, changed, self._originals.path(instance.name).exists(), now)
            self._tell(instance, "corrected", details)

    def _not_corrected(self, instance: Instance, values: Values, now: float, why: str) -> None:
        """Leave an object on the list; its story says why, once."""
        with self._journal.transaction():
            self._corrections.try_values(instance, values, now, why)
            if instance.reason != why:
                self._tell(instance, "refused", [why])

    def _delete(self, instances: Sequence[Instance]) -> None:
        """Remove objects of which it is written down that they are to be; what cannot be removed is tried again later."""
        if not instances:
            return
        left = self._originals.erase([instance.name for instance in instances])
        for name, error in left.items():
            log.error("%s cannot be removed: %s", name, error)
        with self._journal.transaction():
            for instance in instances:
                if instance.name not in left:
                    self._corrections.forget(instance)
                    self._tell(instance, "deleted", [instance.reason])
        if left:
            self._stubborn |= left.keys()
            self._next_deletion = self._clock.seconds() + DELETE_AGAIN

    def _answer(self, broker: Broker, done: Sequence[Listed]) -> bool:
        """Say what is done, under a REQUEST uuid; an answer that is lost is made up for by the next query.

        Tell whether that took anything off the list, as NONE does not.
        """
        if done:
            station = self._configuration.station
            self._call(broker, [f"REQUEST|{self._new_uuid()}", *(one.processed(station) for one in done)])
        taken_off = [one.name for one in done if one.kind != "NONE"]
        self._corrections.answered(taken_off)
        return bool(taken_off)

    def _purge(self, before: float) -> None:
        names = self._corrections.expired_originals(before, _PURGED_AT_ONCE)
        self._originals.remove(names)
        self._corrections.forget_originals(names)
        if len(names) == _PURGED_AT_ONCE:
            self._next_purge = 0.0

    def _tell(self, instance: Instance, outcome: str, details: Iterable[str]) -> None:
        now, uid = self._clock.seconds(), instance.sop_instance_uid
        events = [Event(uid, STAGE, now, outcome, detail=detail) for detail in details]
        self._journal.add_events([event.line for event in events])

    def _tell_unknown(self, listed: Iterable[Listed]) -> None:
        for one in listed:
            if not one.deleting and one.name not in self._unknown:
                self._unknown.add(one.name)
                log.error("%s, entry %s of the CORRECT list, is corrected and is not in the spool", one.path, one.entry)


def _lines(title: str, names: Iterable[str]) -> list[str]:
    """Put names into as many lines as they need."""
    lines = [title]
    for name in names:
        if len(lines[-1]) + len(name) + 2 > DETAIL_LIMIT:
            lines.append(title)
        lines[-1] += f" {name};"
    return lines
