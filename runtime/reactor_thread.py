"""A Twisted reactor on a thread of its own, for programs whose main thread does something else."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

from twisted.internet.threads import blockingCallFromThread

T = TypeVar("T")


class ReactorThread:
    """Runs a reactor, not the process's global one. `call` and `stop` are for other threads than its own."""

    def __init__(self, name: str = "reactor") -> None:
        from twisted.internet.epollreactor import EPollReactor

        self.reactor: Any = EPollReactor()  # type: ignore[no-untyped-call]  # twisted gives it no types
        # it never closes the pipe that wakes it, and another thread may write there as long as it knows the reactor
        waker = self.reactor.waker
        weakref.finalize(self.reactor, _close, waker.i, waker.o).atexit = False
        self._thread = threading.Thread(target=self.reactor.run, args=(False,), name=name, daemon=True)
        self._thread.start()

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function in the reactor's thread and give what it gives, or what its Deferred comes to; raise what it raises."""
        return blockingCallFromThread(self.reactor, function, *arguments)

    def soon(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Have a function called in the reactor's thread; any thread may."""
        self.reactor.callFromThread(function, *arguments)

    def stop(self) -> None:
        """End the reactor and its thread; what is still open on it is closed."""
        if self._thread.is_alive():
            self.reactor.callFromThread(self.reactor.stop)
            self._thread.join()


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
