"""Routines: Python callables under `TAG^ROUTINE`, and what a running one is handed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Event
from typing import Any

from fileman import Store
from runtime import Clock
from taskman.errors import UnknownRoutine
from taskman.tasks import say, stop_flag


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
    """A running task, as its routine sees it. Its lease on its subject is renewed by the worker."""

    number: int
    arguments: Mapping[str, Any]
    duz: int
    store: Store
    clock: Clock
    signals: Signals = field(default_factory=Signals)
    attempt: int = 1

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

    def pause(self, seconds: float) -> None:
        """Wait, but not beyond the worker's end."""
        self.signals.stopping.wait(seconds)


Body = Callable[[TaskContext], None]


@dataclass(frozen=True, slots=True)
class Routine:
    """A registered routine.

    With `subject` at most one task runs per subject, for example per location; `busy` is called instead of the body when
    another task has the subject.
    """

    entry_point: str
    body: Body
    subject: Callable[[Mapping[str, Any]], str] | None = None
    busy: Body | None = None


_ROUTINES: dict[str, Routine] = {}


def routine(
    entry_point: str, *, subject: Callable[[Mapping[str, Any]], str] | None = None, busy: Body | None = None
) -> Callable[[Body], Body]:
    """Register the decorated function; see `Routine`."""

    def register(body: Body) -> Body:
        _ROUTINES[entry_point] = Routine(entry_point, body, subject, busy)
        return body

    return register


def find_routine(entry_point: str) -> Routine:
    """Give the routine of an entry point. Raises UnknownRoutine."""
    try:
        return _ROUTINES[entry_point]
    except KeyError:
        raise UnknownRoutine(entry_point) from None
