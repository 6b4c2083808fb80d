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
from taskman.routines import Routine, TaskContext, find_routine

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Worker:
    """Runs tasks for one executor. `held` are the subjects of the tasks that run here now, kept alive by the heartbeat."""

    store: Store
    clock: Clock
    executor: str
    stopping: Event = field(default_factory=Event)
    held: dict[int, str] = field(default_factory=dict)
    _guard: Lock = field(default_factory=Lock)

    def run(self, number: int, attempt: int) -> None:
        """Run one attempt of a task to its end; an attempt that is not the task's current one is passed over."""
        try:
            record = self.store.transact(lambda connection: self._claim(connection, number, attempt))
        except StoreClosed:
            return
        if record is None:
            return
        try:
            routine = find_routine(record.entry_point)
        except TaskManError as error:
            self._end(number, tasks.REJECTED, str(error))
            return
        context = TaskContext(number, record.arguments, record.duz, self.store, self.clock, self.stopping)
        if not self._take_subject(routine, context):
            if routine.busy is not None:
                routine.busy(context)
            self._end(number, tasks.FINISHED, "another task has the subject")
            return
        try:
            self._call(routine, context, record.attempt)
        finally:
            self._release_subject(number)

    def _claim(self, connection: Connection, number: int, attempt: int) -> tasks.TaskRecord | None:
        record = tasks.read_task(connection, number)
        if record is None or record.attempt != attempt or record.status != tasks.SCHEDULED:
            return None
        now = self.clock.seconds()
        if record.stop_requested:
            tasks.set_status(connection, number, tasks.STOPPED, now, message="stopped before it began")
            return None
        tasks.set_status(connection, number, tasks.RUNNING, now, executor=self.executor, heartbeat_at=now)
        return record

    def _take_subject(self, routine: Routine, context: TaskContext) -> bool:
        if routine.subject is None:
            return True
        subject = routine.subject(context.arguments)
        now = self.clock.seconds()
        taken = self.store.transact(lambda connection: subjects.take(connection, subject, context.number, now))
        if taken:
            with self._guard:
                self.held[context.number] = subject
        return taken

    def _release_subject(self, number: int) -> None:
        with self._guard:
            subject = self.held.pop(number, None)
        if subject is not None:
            try:
                self.store.transact(lambda connection: subjects.release(connection, subject, number))
            except StoreClosed:
                log.debug("the subject of task %d expires by itself", number)

    def _call(self, routine: Routine, context: TaskContext, attempt: int) -> None:
        number = context.number
        try:
            routine.body(context)
        except StoreClosed:
            return
        except Exception as error:  # a routine's error is the task's end, never the worker's
            log.exception("task %d failed", number)
            self._end(number, tasks.FAILED, f"{type(error).__name__}: {error}"[:500], count_error=True)
            return
        if self.stopping.is_set():
            again = {"attempt": attempt + 1, "executor": "", "message": "interrupted by a shutdown; goes on at the next start"}
            now = self.clock.seconds()
            self.store.transact(lambda connection: tasks.set_status(connection, number, tasks.SCHEDULED, now, **again))
            return
        stopped = self.store.read(lambda connection: tasks.stop_flag(connection, number))
        self._end(number, tasks.STOPPED if stopped else tasks.FINISHED, "")

    def _end(self, number: int, status: str, message: str, *, count_error: bool = False) -> None:
        now = self.clock.seconds()
        changes: dict[str, object] = {"message": message, "executor": ""}
        if count_error:
            changes["error_count"] = 1
        self.store.transact(lambda connection: tasks.set_status(connection, number, status, now, **changes))

    def renew(self, connection: Connection, now: float) -> None:
        """Keep the subjects of the tasks that run here."""
        with self._guard:
            held = dict(self.held)
        for number, subject in held.items():
            subjects.renew(connection, subject, number, now)
