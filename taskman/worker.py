"""Running one task: claim it, call its routine, write down how it ended."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock

from sqlalchemy import Connection

from fileman import FileManError, Store, StoreClosed, StoreFailed
from runtime import Clock
from taskman import api, subjects, sync_flags, tasks
from taskman.context import Signals, TaskContext
from taskman.devices import Destination, device_name
from taskman.endings import Deleted, Ending, Requeued, Stopped
from taskman.error_log import error_text, log_error
from taskman.errors import TaskLost, UnknownRoutine
from taskman.pace import Pace
from taskman.record import (
    BAD_DEVICE,
    BAD_ROUTINE_NAME,
    BAD_UCI,
    BAD_VOLUME,
    ENDED,
    FAILED,
    FINISHED,
    INTERRUPTED,
    NO_ROUTINE,
    REJECTED,
    RUNNING,
    STOPPED,
    STOPPED_BEFORE,
    STOPPED_ITSELF,
    Attempt,
    TaskRecord,
)
from taskman.routines import Body, Routine, find_option, find_routine

log = logging.getLogger(__name__)

#: Seconds until a persistent task that failed is begun again (the idle work of VistA's manager).
PERSISTENT_PAUSE = 60.0
#: What stands in the record of a task whose error cannot be written down as it is.
UNTOLD = "It ended in an error that the database did not take; the worker's log has it"
_ENTRY_POINT = re.compile(r"[%A-Za-z]?[A-Za-z0-9]*\^[%A-Za-z][A-Za-z0-9]*")


@dataclass(frozen=True, slots=True)
class Held:
    """A subject that an attempt holds here; `lost` tells its routine that it holds it no more."""

    subject: str
    attempt: int
    lost: Event


@dataclass(frozen=True, slots=True)
class Begun:
    """A claimed attempt: what is called, and the subject that it got."""

    record: TaskRecord
    body: Body
    subject: str = ""


@dataclass(slots=True)
class Worker:
    """Runs tasks for one executor.

    `active` are the tasks that run here now. `held` are their subjects, which the heartbeat renews. Every change of a record
    names the attempt, so that a worker that was thought dead changes nothing once its task went on elsewhere. `ended` is told
    of every attempt that was run or passed over.
    """

    store: Store
    clock: Clock
    executor: str
    pace: Pace = field(default_factory=Pace)
    destination: Destination = field(default_factory=Destination)
    data: Path = Path()
    stopping: Event = field(default_factory=Event)
    active: set[int] = field(default_factory=set)
    held: dict[int, Held] = field(default_factory=dict)
    ended: Callable[[int, int], None] = lambda _number, _attempt: None
    _guard: Lock = field(default_factory=Lock)

    def run(self, number: int, attempt: int) -> None:
        """Run one attempt of a task to its end; an attempt that is not the task's current one is passed over.

        What the database refuses ends the call with StoreFailed; the reconciler finds what is left undone.
        """
        with self._guard:
            again = number in self.active
            self.active.add(number)
        if again or self.stopping.is_set():
            self.ended(number, attempt)
            return
        try:
            self._run(number, attempt)
        except StoreClosed:
            log.debug("task %d goes on at the next start: the database is closed", number)
        finally:
            with self._guard:
                self.held.pop(number, None)
                self.active.discard(number)
            self.ended(number, attempt)

    def renew(self, connection: Connection, now: float) -> None:
        """Keep the subjects of the tasks that run here; tell those whose subject is gone to stop."""
        with self._guard:
            held = dict(self.held)
        for number, one in held.items():
            kept = subjects.renew(connection, one.subject, number, one.attempt, now + self.pace.lease)
            if not kept and number in self.held:
                log.warning("task %d lost %s: its lease was not renewed in time", number, one.subject)
                one.lost.set()

    def _run(self, number: int, attempt: int) -> None:
        begun = self.store.transact(lambda connection: self._begin(connection, number, attempt))
        if begun is None:
            return
        record, signals = begun.record, Signals(self.stopping)
        if begun.subject:
            with self._guard:
                self.held[number] = Held(begun.subject, attempt, signals.lost)
        context = TaskContext(
            number,
            record.arguments,
            record.duz,
            self.store,
            self.clock,
            signals,
            attempt,
            self.executor,
            begun.subject,
            self.pace,
            self.data,
        )
        try:
            ending = begun.body(context)
        except StoreClosed:
            raise
        except TaskLost:
            log.warning("task %d stops here: it goes on elsewhere", number)
            ending = None
        except BaseException as error:  # a routine's error is the task's end, never the worker's; SystemExit is one too
            log.exception("task %d failed", number)
            self._fail(begun, error)
            return
        try:
            self._end(begun, signals, ending)
        except Exception as error:  # an ending that a pack made up, or texts that no database takes
            if _is_passing(error):
                raise
            log.exception("task %d did its work, and its end could not be written", number)
            self._fail(begun, error)

    def _begin(self, connection: Connection, number: int, attempt: int) -> Begun | None:
        """Claim an attempt and take what it needs, or write down why it does not begin; None then."""
        now = self.clock.seconds()
        record = tasks.claim_task(connection, number, attempt, self.executor, now, str(os.getpid()))
        if record is None:
            return None
        if record.stop_requested:
            self._write_end(connection, record, "", STOPPED, STOPPED_BEFORE)
            return None
        if refusal := self._refusal(record):
            self._write_end(connection, record, "", REJECTED, refusal)
            return None
        if record.sync_flag and not sync_flags.take(connection, record.sync_flag, record.device, number):
            waits = f"waits for sync flag {sync_flags.flag_name(record.sync_flag, record.device)}"
            tasks.prepare_task(connection, number, attempt, self.executor, now, waits)
            return None
        routine = _routine_of(record)
        if routine.subject is None:
            return Begun(record, routine.body)
        try:
            subject = routine.subject(record.arguments)
        except Exception as error:  # its arguments are not what the routine expects
            log_error(connection, number, record.entry_point, self.executor, error, now)
            self._write_end(connection, record, "", FAILED, error_text(error))
            return None
        if subjects.take(connection, subject, number, attempt, now, now + self.pace.lease):
            return Begun(record, routine.body, subject)
        return Begun(record, routine.busy or _say_busy)

    def _refusal(self, record: TaskRecord) -> str:
        """Say why the manager rejects a task, in VistA's words; "" when it does not."""
        if self.destination.uci and record.uci not in ("", self.destination.uci):
            return BAD_UCI
        if self.destination.volume and record.volume not in ("", self.destination.volume):
            return BAD_VOLUME
        if not self.destination.devices.get(device_name(record.device), False):
            return BAD_DEVICE
        if _ENTRY_POINT.fullmatch(record.entry_point) is None:
            return BAD_ROUTINE_NAME
        try:
            _routine_of(record)
        except UnknownRoutine as error:
            log.warning("task %d is rejected: %s", record.number, error)
            return NO_ROUTINE
        return ""

    def _fail(self, begun: Begun, error: BaseException) -> None:
        """Write down that a task failed, and why; a persistent one begins again unless somebody asked it to stop."""
        record = begun.record
        text = error_text(error)

        def write(connection: Connection) -> None:
            now = self.clock.seconds()
            log_error(connection, record.number, record.entry_point, self.executor, error, now)
            if tasks.begins_again_after_errors(connection, record.number):
                tasks.requeue_at(connection, record.number, now + PERSISTENT_PAUSE)
            self._write_end(connection, record, begun.subject, FAILED, text)

        try:
            self.store.transact(write)
        except Exception as refused:  # the second try says nothing that could be refused; without it the task would run for ever
            if _is_passing(refused):
                raise
            log.exception("task %d: its error could not be written down", record.number)
            self.store.transact(lambda connection: self._write_end(connection, record, begun.subject, FAILED, UNTOLD))

    def _end(self, begun: Begun, signals: Signals, ending: Ending) -> None:
        record, subject = begun.record, begun.subject
        if isinstance(ending, Stopped) or (ending is None and signals.heeded.is_set() and not self._interrupted(signals)):
            self.store.transact(lambda connection: self._write_end(connection, record, subject, STOPPED, STOPPED_ITSELF))
        elif ending is None and signals.heeded.is_set() and signals.lost.is_set():
            lost = "another task took its place"
            self.store.transact(lambda connection: self._write_end(connection, record, subject, INTERRUPTED, lost))
        elif ending is None and signals.heeded.is_set():
            self.store.transact(lambda connection: self._put_back(connection, record, subject))
        else:
            self.store.transact(lambda connection: self._write_request(connection, record, subject, ending))

    def _interrupted(self, signals: Signals) -> bool:
        return signals.lost.is_set() or signals.stopping.is_set()

    def _write_request(self, connection: Connection, record: TaskRecord, subject: str, ending: Ending) -> None:
        """End a task as completed, and do with its record what its routine wants."""
        now = self.clock.seconds()
        if not self._write_end(connection, record, subject, FINISHED, ENDED):
            return
        if isinstance(ending, Requeued):
            api.req(
                connection,
                record.number,
                now,
                ending.at,
                entry_point=ending.entry_point,
                device=ending.device,
                description=ending.description,
            )
        elif isinstance(ending, Deleted) and not tasks.is_kept(connection, record.number, now):
            tasks.delete_task(connection, record.number)

    def _put_back(self, connection: Connection, record: TaskRecord, subject: str) -> None:
        """Let a task that the shutdown interrupted go on at the next start."""
        interrupted = Attempt(record.number, record.attempt, RUNNING, self.executor)
        why = "interrupted by a shutdown; goes on at the next start"
        if tasks.schedule_again(connection, interrupted, self.clock.seconds(), why) and subject:
            subjects.release(connection, subject, record.number, record.attempt)

    def _write_end(self, connection: Connection, record: TaskRecord, subject: str, status: str, message: str) -> bool:
        """Write down how an attempt ended, and give up what it held; false when the task went on elsewhere."""
        if subject:
            subjects.release(connection, subject, record.number, record.attempt)
        now = self.clock.seconds()
        if not tasks.end_task(connection, record.number, record.attempt, self.executor, status, now, message):
            return False
        if record.sync_flag and status == FAILED:
            sync_flags.keep(connection, record.number)
        elif record.sync_flag:
            sync_flags.release(connection, record.number)
        return True


def _is_passing(error: Exception) -> bool:
    """Tell whether the database may take later what it did not take now; it is not to blame for what it will never take."""
    return isinstance(error, FileManError) and not (isinstance(error, StoreFailed) and error.for_what_it_held)


def _routine_of(record: TaskRecord) -> Routine:
    """Give the routine of a task; that of an option runs what the option names (ZTSK^XQ1)."""
    return find_option(record.option) if record.entry_point == api.OPTION_ENTRY_POINT else find_routine(record.entry_point)


def _say_busy(context: TaskContext) -> None:
    context.say("another task has the subject")
