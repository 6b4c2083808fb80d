"""What is waited for no longer than until somebody wants no more of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

T = TypeVar("T")


class Stopping:
    """Whether something is to stop; it belongs to the reactor's thread."""

    def __init__(self) -> None:
        self.stopped = False
        self._told: list[Callable[[], None]] = []

    def stop(self) -> None:
        """Have all that is waited for waited for no longer."""
        self.stopped = True
        told, self._told = self._told, []
        for tell in told:
            tell()

    def when_stopped(self, tell: Callable[[], None]) -> Callable[[], None]:
        """Have something done at the stop, at once where that has been; gives what takes it back."""
        if self.stopped:
            tell()
        else:
            self._told.append(tell)

        def take_back() -> None:
            if tell in self._told:
                self._told.remove(tell)

        return take_back

    def first(self, waited: Deferred[T]) -> Deferred[T | None]:
        """Give what something comes to; None where the stop comes first, and what it comes to then is let go."""
        either: Deferred[T | None] = Deferred()

        def over(result: T) -> T:
            take_back()
            if not either.called:
                either.callback(result)
            return result

        def failed(failure: Failure) -> None:
            take_back()
            if not either.called:
                either.errback(failure)

        take_back = self.when_stopped(lambda: either.callback(None))
        waited.addCallbacks(over, failed)
        return either
