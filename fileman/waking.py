"""Waking those who wait in this process for something to do, once it is committed.

What other processes commit is not heard of here: whoever waits looks by itself from time to time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import Lock

from sqlalchemy import Connection

_WOKEN = "woken"


def evaluation(place: int) -> str:
    """Name the entries of a place's EVAL queue (#2006.03)."""
    return f"EVAL {place}"


def transmission(origin: int) -> str:
    """Name the entries of an institution's export queue (#2006.574)."""
    return f"EXPORT {origin}"


def recalls() -> str:
    """Name the images that are to come back from long-term locations."""
    return "RECALL"


def wake_after_commit(connection: Connection, topic: str) -> None:
    """Wake whoever waits for a topic when the caller's transaction is committed; one that is undone may wake them too."""
    connection.info.setdefault(_WOKEN, set()).add(topic)


def to_be_woken(connection: Connection) -> set[str]:
    """Give the topics of a transaction that is about to be committed, and forget them."""
    topics: set[str] = connection.info.pop(_WOKEN, set())
    return topics


class Sleepers:
    """Who waits in this process. `count` grows with each commit that wakes anybody, whatever its topics."""

    def __init__(self) -> None:
        self.count = 0
        self._guard = Lock()
        self._waiting: dict[str, list[Callable[[], None]]] = {}

    def listen(self, topics: Iterable[str], heard: Callable[[], None]) -> Callable[[], None]:
        """Have a function called, on the thread that commits, at each commit of a topic; call what this gives to end that."""
        mine = list(topics)
        with self._guard:
            for topic in mine:
                self._waiting.setdefault(topic, []).append(heard)

        def stop() -> None:
            with self._guard:
                for topic in mine:
                    waiting = self._waiting.get(topic, [])
                    if heard in waiting:
                        waiting.remove(heard)
                    if not waiting:
                        self._waiting.pop(topic, None)

        return stop

    def wake(self, topics: Iterable[str]) -> None:
        """Call those who wait for some topics."""
        with self._guard:
            woken = [heard for topic in topics for heard in self._waiting.get(topic, ())]
            self.count += 1
        for heard in woken:
            heard()

    def wake_all(self) -> None:
        """Call all who wait."""
        self.wake(list(self._waiting))
