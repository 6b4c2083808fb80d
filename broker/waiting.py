"""Calls that wait until there is something for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.interfaces import IDelayedCall

from fileman import Sleepers
from rpcs import AskWhenWoken

#: Seconds that a call waits at most.
LONGEST = 300.0


@dataclass(eq=False, slots=True)
class _Wait:
    timer: IDelayedCall
    stop_listening: Callable[[], None]


@dataclass(slots=True)
class Waits:
    """The calls that wait, one of each session at most. For the reactor's thread."""

    sleepers: Sleepers
    reactor: Any
    _of_session: dict[str, _Wait] = field(default_factory=dict)

    def begin(self, session: str, asked: AskWhenWoken, run: Callable[[], None]) -> None:
        """Have a function called once when there may be something for a session, or its time is over."""

        def go_on() -> None:
            if self._of_session.get(session) is wait:
                self.end(session)
                run()

        timer = self.reactor.callLater(min(asked.seconds, LONGEST), go_on)
        stop = self.sleepers.listen(asked.topics, lambda: self.reactor.callFromThread(go_on))
        wait = self._of_session[session] = _Wait(timer, stop)
        if self.sleepers.count != asked.since:  # it came between the look and the wait
            go_on()

    def end(self, session: str) -> None:
        """Forget a session's wait: it goes on, or nobody would hear the answer."""
        wait = self._of_session.pop(session, None)
        if wait is not None:
            wait.stop_listening()
            if wait.timer.active():
                wait.timer.cancel()
