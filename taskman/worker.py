"""Running one task: claim it, call its routine, write down how it ended."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from threading import Event, Lock

from sqlalchemy import Connection

from fileman import Store, StoreClosed
from runtime import Clock
from taskman import subjects, tasks
from taskman.errors import TaskManError
from taskman.routines import Body, Routine, Signals, TaskContext, find_routine

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Held:
    """A subject that a task holds here; `lost` tells its routine that it holds it no more."""

    subject: str
    lost: Event


@dataclass(slots=True)
class Worker:
    """Runs tasks for one executor.

    `active` are the tasks that run here now. `held` are their subjects, which the heartbeat renews. Every change of a record
    names the attempt, so that a worker that was thought dead changes nothing once its task went on elsewhere.
    """

    store: Store
    clock: Clock
    executor: str
    stopping: Event = field(default_factory=Event)
    active: set[int] = field(default_factory=set)
    held: dict[int, Held] = field(default_factory=dict)
    _guard: Lock = field(default_factory=Lock)

    def run(self, number: int, attempt: int) -> None:
        """Run one attempt of a task to its end; an attempt that is not the task's current one is passed over.

        What the database refuses ends the call with StoreFailed; the reconciler finds what is left undone.
        """
        with self._guard:
            if number in self.active:
                return
            self.active.add(number)
        try:
            self._run(number, attempt)
        except StoreClosed:
            log.debug("task %d goes on at the next start: the database is closed", number)
        finally:
            with self._guard:
                self.active.discard(number)

    def runs(self, number: int) -> bool:
        """Tell whether a task runs here now."""
        with self._guard:
            return number in self.active

    def renew(self, connection: Connection, now: float) -> None:
        """Keep the subjects of the tasks that run here; tell those whose subject is gone to stop."""
        with self._guard:
            held = dict(self.held)
        for number, one in held.items():
            if not subjects.renew(connection, one.subject, number, now) and number in self.held:
                log.warning("task %d lost %s: its lease was not renewed in time", number, one.subject)
                one.lost.set()

    def _run(self, number: int, attempt: int) -> None:
        record = self.store.transact(lambda connection: self._claim(connection, number, attempt))
        if record is None:
            return
        try:
            routine = find_routine(record.entry_point)
        except TaskManError as error:
            self._end(number, attempt, tasks.REJECTED, str(error))
            return
        signals = Signals(self.stopping)
        context = TaskContext(number, record.arguments, record.duz, self.store, self.clock, signals, attempt)
        try:
            if self._take_subject(routine, context):
                self._call(routine.body, context)
            else:
                self._call(routine.busy or _say_busy, context)
        finally:
            self._release_subject(number)

    def _claim(self, connection: Connection, number: int, attempt: int) -> tasks.TaskRecord | None:
        now = self.clock.seconds()
        if not tasks.claim_task(connection, number, attempt, self.executor, now):
            return None
        record = tasks.read_task(connection, number)
        if record is not None and record.stop_requested:
            tasks.end_task(connection, number, attempt, tasks.STOPPED, now, "stopped before it began")
            return None
        return record

    def _take_subject(self, routine: Routine, context: TaskContext) -> bool:
        if routine.subject is None:
            return True
        subject = routine.subject(context.arguments)
        now = self.clock.seconds()
        taken = self.store.transact(lambda connection: subjects.take(connection, subject, context.number, now))
        if taken:
            with self._guard:
                self.held[context.number] = Held(subject, context.signals.lost)
        return taken

    def _release_subject(self, number: int) -> None:
        with self._guard:
            held = self.held.pop(number, None)
        if held is not None:
            self.store.transact(lambda connection: self._release(connection, held.subject, number))

    def _release(self, connection: Connection, subject: str, number: int) -> None:
        """Give the subject up, unless the task went on elsewhere and has it there."""
        if not tasks.runs_elsewhere(connection, number, self.executor):
            subjects.release(connection, subject, number)

    def _call(self, body: Body, context: TaskContext) -> None:
        number, attempt, signals = context.number, context.attempt, context.signals
        try:
            body(context)
        except StoreClosed:
            raise
        except Exception as error:  # a routine's error is the task's end, never the worker's
            log.exception("task %d failed", number)
            self._end(number, attempt, tasks.FAILED, f"{type(error).__name__}: {error}")
            return
        if not signals.heeded.is_set():
            self._end(number, attempt, tasks.FINISHED)
        elif signals.lost.is_set():
            self._end(number, attempt, tasks.INTERRUPTED, "another task took its place")
        elif signals.stopping.is_set():
            self._put_back(number, attempt)
        else:
            self._end(number, attempt, tasks.STOPPED, "stopped as requested")

    def _put_back(self, number: int, attempt: int) -> None:
        """Let a task that the shutdown interrupted go on at the next start."""
        interrupted = tasks.Attempt(number, attempt, tasks.RUNNING, self.executor)
        now = self.clock.seconds()
        why = "interrupted by a shutdown; goes on at the next start"
        self.store.transact(lambda connection: tasks.schedule_again(connection, interrupted, now, why))

    def _end(self, number: int, attempt: int, status: str, message: str = "") -> None:
        now = self.clock.seconds()
        self.store.transact(lambda connection: tasks.end_task(connection, number, attempt, status, now, message))


def _say_busy(context: TaskContext) -> None:
    context.say("another task has the subject")
