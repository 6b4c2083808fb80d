"""Routines: Python callables under `TAG^ROUTINE`, and what a running one is handed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Event
from typing import Any

from fileman import Store
from runtime import Clock
from taskman.errors import UnknownRoutine
from taskman.tasks import stop_flag


@dataclass(frozen=True, slots=True)
class TaskContext:
    """A running task, as its routine sees it. `stopping` is set when the worker shuts down."""

    number: int
    arguments: Mapping[str, Any]
    duz: int
    store: Store
    clock: Clock
    stopping: Event

    def stop_requested(self) -> bool:
        """Tell whether to stop ($$S^%ZTLOAD): somebody asked for it, or the worker shuts down."""
        return self.stopping.is_set() or self.store.read(lambda connection: stop_flag(connection, self.number))

    def pause(self, seconds: float) -> None:
        """Wait, but not beyond the worker's end."""
        self.stopping.wait(seconds)


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
