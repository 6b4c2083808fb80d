"""What a running routine is handed: its arguments, its signals, its steps, its fence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

from sqlalchemy import Connection

from fileman import Store
from runtime import Clock
from taskman import steps, subjects
from taskman.errors import TaskLost
from taskman.pace import Pace
from taskman.tasks import holds_attempt, say, stop_flag


@dataclass(frozen=True, slots=True)
class Signals:
    """What a worker tells a running task and learns of it.

    `stopping`: the worker shuts down. `lost`: another task has the subject now. `heeded`: the routine was told to stop.
    """

    stopping: Event = field(default_factory=Event)
    lost: Event = field(default_factory=Event)
    heeded: Event = field(default_factory=Event)


@dataclass(frozen=True, slots=True)
class TaskContext:
    """A running task, as its routine sees it. Its lease on its subject is renewed by the worker.

    `data` is the data directory, in which network locations with relative paths lie.
    """

    number: int
    arguments: Mapping[str, Any]
    duz: int
    store: Store
    clock: Clock
    signals: Signals = field(default_factory=Signals)
    attempt: int = 1
    executor: str = ""
    subject: str = ""
    pace: Pace = field(default_factory=Pace)
    data: Path = Path()

    def stop_requested(self) -> bool:
        """Tell whether to stop ($$S^%ZTLOAD): somebody asked, the worker shuts down, or the task goes on elsewhere.

        A routine that was told so and returns ends as stopped by the user (ZTSTOP), or begins again at the next start.
        """
        stop = self.interrupted() or self.store.read(lambda connection: stop_flag(connection, self.number, self.attempt))
        if stop:
            self.signals.heeded.set()
        return stop

    def interrupted(self) -> bool:
        """Tell whether the worker shuts down or lost the subject, without a look into the database."""
        if self.signals.stopping.is_set() or self.signals.lost.is_set():
            self.signals.heeded.set()
            return True
        return False

    def say(self, text: str) -> None:
        """Leave a message to the user in the task's record (the argument of $$S^%ZTLOAD)."""
        self.store.transact(lambda connection: say(connection, self.number, self.attempt, text))

    def pause(self, seconds: float, woken: Event | None = None) -> None:
        """Wait, but not beyond the worker's end, nor beyond an event that the store's sleepers set."""
        if not self.signals.stopping.is_set():
            (woken or self.signals.stopping).wait(seconds)

    def fence(self, connection: Connection) -> None:
        """Let the caller's transaction commit only while this attempt has the task and its subject.

        It renews the lease too. Raises TaskLost, which a routine lets pass: its worker knows what it means.
        """
        if self.subject:
            until = self.clock.seconds() + self.pace.lease
            held = subjects.renew(connection, self.subject, self.number, self.attempt, until)
        else:
            held = holds_attempt(connection, self.number, self.attempt, self.executor)
        if not held:
            self.signals.lost.set()
            self.signals.heeded.set()
            raise TaskLost

    def step(self, name: str, work: Callable[[Connection], Any]) -> Any:
        """Do a step in the database once, in one transaction with the note that it is done; give its result, a JSON value.

        A step that is done is not done again: its first result is given.
        """

        def do(connection: Connection) -> Any:
            done = steps.step_result(connection, self.number, name)
            if done is not steps.NOT_DONE:
                return done
            self.fence(connection)
            result = work(connection)
            steps.record_step(connection, self.number, name, result, self.clock.seconds())
            return result

        return self.store.transact(do)

    def act(self, name: str, work: Callable[[], Any]) -> Any:
        """Do a step outside of the database, a copy or a transmission, and note that it is done; give its result.

        A process that dies between work and note does the work once more: it must bear that.
        """
        done = self.store.read(lambda connection: steps.step_result(connection, self.number, name))
        if done is not steps.NOT_DONE:
            return done
        self.store.transact(self.fence)
        result = work()
        return self.step(name, lambda _connection: result)
