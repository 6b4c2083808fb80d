"""The reconciler: hands over what is due and the engine lacks, takes over what dead executors ran, keeps leases, runs schedules.

Task records are the truth. Whatever the engine forgets or does twice, the record of a task says which attempt counts.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from threading import Event

from sqlalchemy import Connection

from fileman import FileManError, Store
from runtime import Clock
from taskman import managers, schedule, subjects, tasks
from taskman.errors import EngineDown
from taskman.pace import Pace
from taskman.record import Attempt
from taskman.worker import Worker

log = logging.getLogger(__name__)

#: A task that the engine was given and did not begin is looked after this often, in seconds.
STUCK_AFTER = 5.0
#: Seconds for which the heartbeat of a worker that is gone stays to be read.
HEARTBEAT_KEPT = 86400.0
#: The shortest time between two looks, in seconds, however soon the next task is due.
SHORTEST = 0.02


class Handed(Enum):
    """What the engine says of an attempt that it was given: it lacks it, it will begin it, or it will not any more."""

    UNKNOWN, WAITS, GONE = range(3)


@dataclass(slots=True)
class Reconciler:
    """The watching thread's work, for one executor.

    `hand_over` gives an attempt to the engine, `look_up` asks what became of it among living executors; both raise EngineDown.
    """

    store: Store
    clock: Clock
    worker: Worker
    pace: Pace
    hand_over: Callable[[Attempt], None]
    look_up: Callable[[Attempt, set[str]], Handed]
    handed: dict[tuple[int, int], float] = field(default_factory=dict)
    beaten_at: float = 0.0

    @property
    def executor(self) -> str:
        """The name under which tasks run here."""
        return self.worker.executor

    def start(self) -> None:
        """Forget what dead processes left: on SQLite, where a starting process is the only one, leases too. Then begin."""
        self.store.transact(self._clean)
        self.beat()
        self.store.transact(lambda connection: schedule.queue_startup(connection, self.clock.seconds()))
        self.reconcile()

    def watch(self, down: Event) -> None:
        """Beat and reconcile until the engine goes down."""
        wait = SHORTEST
        while not down.wait(wait):
            wait = self.pace.reconcile
            try:
                if self.clock.seconds() - self.beaten_at >= self.pace.heartbeat:
                    self.beat()
                self.reconcile()
                wait = self._until_next()
            except (FileManError, EngineDown) as error:
                if not down.is_set():
                    log.warning("TaskMan could not reconcile: %s", error)
            except Exception:  # whatever it is, tasks that run keep their leases only while this thread lives
                log.exception("TaskMan could not reconcile")

    def end(self) -> None:
        """Take the heartbeat away."""
        try:
            self.store.transact(lambda connection: managers.forget(connection, self.executor))
        except FileManError:
            log.warning("the heartbeat of this worker stays: the database did not take its end")

    def beat(self) -> None:
        """Give a sign of life, and renew the leases of the tasks that run here."""
        now = self.clock.seconds()

        def beat(connection: Connection) -> None:
            managers.beat(connection, self.executor, self.pace.slots, len(self.worker.active), now)
            self.worker.renew(connection, now)

        self.store.transact(beat)
        self.beaten_at = now

    def reconcile(self) -> None:
        """Take over what dead executors ran, queue what the schedule says, hand over what is due and the engine lacks."""
        now = self.clock.seconds()
        self._take_over(now)
        if self.store.read(lambda connection: schedule.any_due(connection, now)):
            self.store.transact(lambda connection: schedule.queue_due(connection, now))
        due = self.store.read(lambda connection: tasks.due_tasks(connection, now))
        waiting = {(task.number, task.attempt) for task in due}
        self.handed = {key: at for key, at in self.handed.copy().items() if key in waiting}
        for task in due:
            handed = self.handed.get((task.number, task.attempt))
            if handed is None:
                self.hand_over(task)
            elif self.clock.monotonic() - handed > STUCK_AFTER:
                self._look_after(task, now)

    def note(self, task: Attempt) -> None:
        """Remember that the engine was given an attempt."""
        self.handed[task.number, task.attempt] = self.clock.monotonic()

    def _clean(self, connection: Connection) -> None:
        if self.store.sqlite:
            subjects.release_all(connection)
        kept = 0.0 if self.store.sqlite else HEARTBEAT_KEPT
        managers.forget_old(connection, self.clock.seconds() - kept)

    def _until_next(self) -> float:
        """Give the seconds until the next look: sooner when a task is due sooner."""
        now = self.clock.seconds()
        at = self.store.read(lambda connection: tasks.next_due_at(connection, now))
        return self.pace.reconcile if at is None else min(self.pace.reconcile, max(SHORTEST, at - now))

    def _take_over(self, now: float) -> None:
        running = self.store.read(tasks.running_tasks)
        lost = [task for task in running if not self._runs(task)]
        alive = self._alive(now) if lost else set()
        for task in lost:
            if task.executor == self.executor:
                self._again(task, "it was left undone")
            elif task.executor not in alive:
                self._again(task, "its executor died")

    def _runs(self, task: Attempt) -> bool:
        return task.executor == self.executor and self.worker.runs(task.number)

    def _alive(self, now: float) -> set[str]:
        if self.store.sqlite:
            return {self.executor}
        return self.store.read(lambda connection: managers.alive(connection, now - self.pace.dead_after))

    def _look_after(self, task: Attempt, now: float) -> None:
        """Begin another attempt when the engine will not begin this one: its executor died between taking and claiming it."""
        handed = self.look_up(task, self._alive(now))
        if handed is Handed.UNKNOWN:
            self.handed.pop((task.number, task.attempt), None)
        elif handed is Handed.GONE:
            self._again(task, "the engine did not begin it")
        else:
            self.note(task)

    def _again(self, task: Attempt, why: str) -> None:
        now = self.clock.seconds()
        if self.store.transact(lambda connection: tasks.schedule_again(connection, task, now, why)):
            log.warning("task %d: %s; attempt %d follows", task.number, why, task.attempt + 1)
