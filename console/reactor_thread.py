"""The reactor in a thread of its own, for programs that block: tests, notebooks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from twisted.internet import reactor as _reactor
from twisted.internet.threads import blockingCallFromThread
from twisted.python.threadable import isInIOThread

T = TypeVar("T")

#: The reactor of this process, whichever is installed.
reactor: Any = _reactor
_guard = threading.Lock()


def in_reactor(work: Callable[[], T]) -> T:
    """Run something in the reactor's thread and wait for it; the thread is started where nobody runs the reactor yet.

    A reactor runs once in the life of a process, so the thread goes on until the process ends.
    """
    if reactor.running and isInIOThread():  # type: ignore[no-untyped-call]  # twisted gives it no types
        return work()
    with _guard:
        if not reactor.running:
            _start()
    return blockingCallFromThread(reactor, work)


def _start() -> None:
    started = threading.Event()
    reactor.callWhenRunning(started.set)
    options = {"installSignalHandlers": False}
    threading.Thread(target=reactor.run, kwargs=options, daemon=True, name="reactor").start()
    started.wait()
