"""Work with a peer, from its beginning to its end or to Ctrl-C."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

from runtime import ReactorThread

T = TypeVar("T")


def run(work: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine, which is given a reactor, to its end; give what it gives, or raise what it raises.

    Ctrl-C cancels it and lets it end in order, with a C-CANCEL for a query; a second one does not wait.
    """
    thread = ReactorThread("scu")
    begun: list[Deferred[T]] = []

    def begin() -> Deferred[T]:
        begun.append(Deferred.fromCoroutine(work(thread.reactor)))
        return begun[0]

    def cancel() -> Deferred[None]:
        ended: Deferred[None] = Deferred()
        for deferred in begun:
            deferred.addBoth(lambda _result: ended.callback(None))
            deferred.cancel()
        return ended

    try:
        result: T = thread.call(begin)
    except KeyboardInterrupt:
        if begun:
            thread.call(cancel)
        raise
    finally:
        thread.stop()
    return result
