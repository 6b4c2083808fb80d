"""The reconciler: begins what is due, takes over what dead executors had, keeps leases, runs schedules.

Task records are the truth. Whatever the engine forgets or does twice, the record of a task says which attempt counts.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event, Lock

from sqlalchemy import Connection

from fileman import FileManError, Store
from runtime import Clock
from taskman import managers, schedule, steps, subjects, sync_flags, tasks
from taskman.errors import EngineDown
from taskman.outlook import look
from taskman.pace import Pace
from taskman.record import INTERRUPTED, PREPARED, RUNNING, Attempt
from taskman.routines import lasting_entry_points
from taskman.worker import Worker

log = logging.getLogger(__name__)

#: Seconds for which the heartbeat of a worker that is gone stays to be read.
HEARTBEAT_KEPT = 86400.0
#: Seconds for which one look gathers what would otherwise take one each. Of several workers the one that has most to do looks
#: last, so that evaluators spread over them; no later than this.
GATHER, LATEST = 0.005, 0.1
#: The shortest time between two looks, in seconds, however soon the next task is due.
SHORTEST = 0.02
#: The name under which an attempt that was cut off is noted among a task's steps.
CUT_OFF = "CUT OFF "


@dataclass(slots=True)
class Reconciler:
    """The watching thread's work, for one executor.

    `begin` gives an attempt that is reserved for this executor to the engine; it raises EngineDown. `wake` lets the next look
    begin at once.
    """

    store: Store
    clock: Clock
    worker: Worker
    pace: Pace
    begin: Callable[[Attempt], None]
    beaten_at: float = 0.0
    wake: Event = field(default_factory=Event)
    _begun: dict[tuple[int, int], bool] = field(default_factory=dict)
    _guard: Lock = field(default_factory=Lock)
    _looked_at: float = 0.0
    _backlog: bool = False
    _full: bool = False

    @property
    def executor(self) -> str:
        """The name under which tasks run here."""
        return self.worker.executor

    def start(self) -> None:
        """Forget what dead processes left: on SQLite, where a starting process is the only one, leases too. Then begin."""
        self.store.transact(self._clean)
        self.store.transact(self._queue_startup)
        self.beat()
        self.reconcile()

    def watch(self, down: Event) -> None:
        """Reconcile until the engine goes down (which wakes this too)."""
        wait = SHORTEST
        while not down.is_set():
            if self.wake.wait(wait):
                down.wait(min(LATEST, GATHER * (1 + len(self._begun))))
                self.wake.clear()
            if down.is_set():
                return
            wait = self.pace.reconcile
            try:
                wait = self.reconcile()
            except (FileManError, EngineDown) as error:
                if not down.is_set():
                    log.warning("TaskMan could not reconcile: %s", error)
            except Exception:  # whatever it is, what waits begins only while this thread lives
                log.exception("TaskMan could not reconcile")

    def keep_alive(self, down: Event) -> None:
        """Beat until the engine goes down: on a thread of its own, because the engine waits for its store as long as it takes."""
        while not down.wait(self.pace.heartbeat):
            try:
                self.beat()
            except FileManError as error:
                if not down.is_set():
                    log.warning("TaskMan gave no sign of life: %s", error)
            except Exception:  # whatever it is, tasks that run keep their leases only while this thread lives
                log.exception("TaskMan gave no sign of life")

    def end(self) -> None:
        """Give back what was reserved and not begun, and take the heartbeat away, unless a task is still at work here."""

        def end(connection: Connection) -> None:
            tasks.give_back_all(connection, self.executor, self.clock.seconds())
            if not self.worker.active:
                managers.forget(connection, self.executor)

        try:
            self.store.transact(end)
        except FileManError:
            log.warning("the heartbeat of this worker stays: the database did not take its end")

    def beat(self) -> None:
        """Give a sign of life, and renew the leases of the tasks that run here."""
        now = self.clock.seconds()

        def beat(connection: Connection) -> None:
            self._beat(connection, now)
            self.worker.renew(connection, now)

        self.store.transact(beat)
        self.beaten_at = now

    def _beat(self, connection: Connection, now: float) -> None:
        managers.beat(connection, self.executor, self.pace.slots, len(self.worker.active), now)

    def reconcile(self) -> float:
        """Take over what dead executors had, queue what the schedule says, begin what is due while there is room.

        Gives the seconds until the next look: fewer when a task is due sooner.
        """
        now = self.clock.seconds()
        seen = self.store.read(lambda connection: look(connection, now))
        due = seen.tasks_due
        if self.clock.monotonic() - self._looked_at >= self.pace.reconcile:
            self._looked_at = self.clock.monotonic()
            if seen.at_work:
                due |= self._tried(self._take_over, now)
            if seen.schedules_due:
                due |= self._tried(self._queue_due, now)
            if seen.sync_flags:
                due |= self._tried(self._mend_flags, now)
        self._begin_due(now, due)
        return self.pace.reconcile if seen.next_at is None else min(self.pace.reconcile, max(SHORTEST, seen.next_at - now))

    def _tried(self, work: Callable[[float], bool], now: float) -> bool:
        """Do a part of a look whose errors must not keep the rest from being done."""
        try:
            return work(now)
        except FileManError:
            raise
        except Exception:  # a schedule or a record that is odd in a way nobody thought of
            log.exception("TaskMan could not do all that is to be done")
            return False

    def _queue_due(self, now: float) -> bool:
        return bool(self.store.transact(lambda connection: schedule.queue_due(connection, now)))

    def _mend_flags(self, _now: float) -> bool:
        return self.store.transact(sync_flags.mend)

    def ended(self, number: int, attempt: int) -> None:
        """Hear that the engine ran an attempt: another one may have its place."""
        with self._guard:
            self._begun.pop((number, attempt), None)
            waiting = self._backlog
        if waiting:
            self.wake.set()

    def _room(self) -> tuple[int, bool]:
        """Tell how many tasks may begin here, and whether lasting ones may.

        Lasting tasks take no slot, or they would leave none for those that keep the site in order; there are as many of them
        as slots, and up to as many again for a moment.
        """
        lasting = sum(self._begun.values())
        return self.pace.slots - (len(self._begun) - lasting), lasting < self.pace.slots

    def _begin_due(self, now: float, due: bool) -> None:
        with self._guard:
            room, with_lasting = self._room()
            self._backlog = room <= 0 or not with_lasting
        if room <= 0 or not due:
            return
        if not with_lasting and not self._full:
            log.warning("%d tasks run here until they are stopped; more of them wait for another worker", self.pace.slots)
        self._full = not with_lasting
        left_out = [] if with_lasting else lasting_entry_points()
        reserved = self.store.transact(lambda connection: tasks.reserve_due(connection, self.executor, room, now, left_out))
        self._backlog = len(reserved) == room or not with_lasting
        if self.worker.stopping.is_set():  # what the shutdown put back is for the next start
            self.store.transact(lambda connection: tasks.give_back(connection, reserved, self.executor, now))
            return
        lasting = lasting_entry_points()
        for task in reserved:
            with self._guard:
                self._begun[task.number, task.attempt] = task.entry_point in lasting
            try:
                self.begin(task)
            except Exception:  # whatever the engine raised, what is reserved here begins nowhere else until it is given back
                self.ended(task.number, task.attempt)
                self.store.transact(lambda connection: tasks.give_back(connection, reserved, self.executor, now))
                raise

    def _queue_startup(self, connection: Connection) -> None:
        """Queue what is to run at TaskMan's start, which is that of its first worker."""
        now = self.clock.seconds()
        schedule.hold_startup(connection)
        first = not managers.alive(connection, now - self.pace.dead_after)
        self._beat(connection, now)  # the next one to start sees it
        schedule.queue_startup(connection, now, first=first)

    def _clean(self, connection: Connection) -> None:
        if self.store.sqlite:
            subjects.release_all(connection)
        kept = 0.0 if self.store.sqlite else HEARTBEAT_KEPT
        managers.forget_old(connection, self.clock.seconds() - kept)

    def _take_over(self, now: float) -> bool:
        """Let what nobody is at begin another attempt; tell whether there was any."""
        lost = [task for task in self.store.read(tasks.tasks_at_work) if not self._has(task)]
        alive = self._alive(now) if lost else set()
        again = False
        for task in lost:
            if task.executor == self.executor:
                again |= self._again(task, "it was left undone")
            elif task.executor not in alive:
                again |= self._again(task, "its executor died")
        return again

    def _has(self, task: Attempt) -> bool:
        """Tell whether this executor runs an attempt, or gave it to the engine."""
        if task.executor != self.executor:
            return False
        with self._guard:
            return (task.number, task.attempt) in self._begun

    def _alive(self, now: float) -> set[str]:
        if self.store.sqlite:
            return {self.executor}
        return self.store.read(lambda connection: managers.alive(connection, now - self.pace.dead_after))

    def _again(self, task: Attempt, why: str) -> bool:
        now = self.clock.seconds()
        if task.status not in (PREPARED, RUNNING):  # dequeued meanwhile
            return self.store.transact(lambda connection: tasks.let_go(connection, task, now))
        again = self.store.transact(lambda connection: self._begin_again(connection, task, now, why))
        if again:
            log.warning("task %d: %s; attempt %d follows", task.number, why, task.attempt + 1)
        return again

    def _begin_again(self, connection: Connection, task: Attempt, now: float, why: str) -> bool:
        """Let a task begin another attempt, unless too many were cut off lately: it may be what kills workers."""
        if task.status == PREPARED:  # it had not begun
            return tasks.schedule_again(connection, task, now, why)
        cut_off = 1 + steps.count_steps(connection, task.number, CUT_OFF, now - self.pace.deaths_within)
        if cut_off >= self.pace.deaths:
            minutes = self.pace.deaths_within / 60
            message = f"{why}, {cut_off} times within {minutes:g} minutes; it is not begun again by itself"
            if tasks.end_task(connection, task.number, task.attempt, task.executor, INTERRUPTED, now, message):
                log.error("task %d: %s", task.number, message)
                sync_flags.keep(connection, task.number)
            return False
        if not tasks.schedule_again(connection, task, now, why):
            return False
        steps.record_step(connection, task.number, f"{CUT_OFF}{task.attempt}", why, now)
        return True
