"""Broker sessions for what the reactor asks: a few that are kept, each for one call at a time, in threads of their own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.internet.interfaces import IDelayedCall
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from gateway_client.broker import KEEP_ALIVE, Answer, Connect, Session
from xwb import Argument, ConnectionLost, SignOnRefused, TimedOut, XWBError

log = logging.getLogger(__name__)

#: Calls that may wait for each session; what comes beyond is refused.
WAITING = 16
#: Seconds in which no session is opened after the broker refused the gateway's codes: each try counts towards a lockout.
REFUSED_SECONDS = 5.0


class TooManyQuestions(XWBError):
    """Too many questions wait for the broker."""


class Closed(XWBError):
    """The gateway stops."""


_Ask = Callable[[str, tuple[Argument, ...]], Answer]


@dataclass(slots=True)
class _Kept:
    """A session that nobody uses, and since when."""

    session: Session
    since: float


class Sessions:
    """Up to `size` sessions, opened when they are needed. `call` and `call_once` are for the reactor's thread.

    One that was silent for long says that it is there, since brokers close silent ones.
    """

    def __init__(self, connect: Connect, size: int, reactor: Any) -> None:
        self._connect = connect
        self._reactor = reactor
        self._most = size * (1 + WAITING)
        self._under_way = 0
        self._kept: list[_Kept] = []
        self._lock = threading.Lock()
        self._closed = False
        self._refused: tuple[float, SignOnRefused] | None = None
        self._keeping: IDelayedCall | None = None
        self._pool = ThreadPool(0, size, "archive sessions")
        self._pool.start()

    async def call(self, name: str, *arguments: Argument) -> Answer:
        """Ask a question; it is asked again, over a new session, where a kept one turns out to be lost.

        Raises XWBError, TooManyQuestions among them.
        """
        return await self._in_thread(self._ask, name, arguments)

    async def call_once(self, name: str, *arguments: Argument) -> Answer:
        """Call what may not be carried out twice, over a session that has just said that it is there. Raises XWBError.

        After ConnectionLost it is not known whether it was carried out.
        """
        return await self._in_thread(self._tell, name, arguments)

    def close(self) -> None:
        """Wait for the calls that are under way, and take leave; for other threads than the reactor's."""
        with self._lock:
            self._closed = True
        self._pool.stop()
        for kept in self._kept:
            kept.session.bye()
        self._kept.clear()

    async def _in_thread(self, ask: _Ask, name: str, arguments: tuple[Argument, ...]) -> Answer:
        if self._closed:
            raise Closed
        if self._under_way >= self._most:
            raise TooManyQuestions
        self._under_way += 1
        wanted = threading.Event()
        wanted.set()
        try:
            answer: Answer = await deferToThreadPool(self._reactor, self._pool, self._run, ask, name, arguments, wanted)
            return answer
        finally:
            wanted.clear()

    def _ended(self) -> None:
        self._under_way -= 1
        self._keep_alive_later()

    # ---- in threads of the pool ----

    def _run(self, ask: _Ask, name: str, arguments: tuple[Argument, ...], wanted: threading.Event) -> Answer:
        """Call, unless nobody waits any more; what is called counts until it is answered, though nobody may wait by then."""
        try:
            if not wanted.is_set():
                raise Closed
            return ask(name, arguments)
        finally:
            self._reactor.callFromThread(self._ended)

    def _ask(self, name: str, arguments: tuple[Argument, ...]) -> Answer:
        kept = self._take()
        if kept is not None:
            try:
                return self._over(kept.session, name, arguments)
            except TimedOut:
                raise  # it would time out again, and its peer waits
            except ConnectionLost:
                self._drop_kept()  # the broker was started anew: the others are lost as well
        return self._over(self._open(), name, arguments)

    def _tell(self, name: str, arguments: tuple[Argument, ...]) -> Answer:
        while (kept := self._take()) is not None:
            try:
                kept.session.call("XWB IM HERE")
            except XWBError:
                kept.session.close()
            else:
                return self._over(kept.session, name, arguments)
        return self._over(self._open(), name, arguments)

    def _over(self, session: Session, name: str, arguments: tuple[Argument, ...]) -> Answer:
        try:
            answer = session.call(name, *arguments)
        except ConnectionLost:
            session.close()
            raise
        except XWBError:
            self._put_back(session)
            raise
        except BaseException:
            session.close()
            raise
        self._put_back(session)
        return answer

    def _open(self) -> Session:
        refused = self._refused
        if refused is not None and self._reactor.seconds() - refused[0] < REFUSED_SECONDS:
            raise refused[1]
        try:
            session = self._connect()
        except SignOnRefused as error:
            self._refused = self._reactor.seconds(), error
            raise
        self._refused = None
        return session

    def _take(self) -> _Kept | None:
        """Take the session that was used last: those that are not needed grow old."""
        with self._lock:
            return self._kept.pop() if self._kept else None

    def _put_back(self, session: Session) -> None:
        with self._lock:
            self._kept.append(_Kept(session, self._reactor.seconds()))

    def _drop_kept(self) -> None:
        with self._lock:
            dropped, self._kept = self._kept, []
        for kept in dropped:
            kept.session.close()

    # ---- keeping alive ----

    def _keep_alive_later(self) -> None:
        if self._keeping is None and not self._closed:
            self._keeping = self._reactor.callLater(KEEP_ALIVE, self._begin_to_keep_alive)

    def _begin_to_keep_alive(self) -> None:
        self._keeping = None
        if not self._closed:
            self._pool.callInThread(self._keep_alive)
            self._keep_alive_later()

    def _keep_alive(self) -> None:
        """Say over each session that was silent for long that it is there; the older ones come first."""
        until = self._reactor.seconds() - KEEP_ALIVE / 2
        with self._lock:
            silent = [kept for kept in self._kept if kept.since <= until]
            self._kept = [kept for kept in self._kept if kept.since > until]
        for kept in silent:
            try:
                kept.session.call("XWB IM HERE")
            except XWBError as error:
                log.info("a session with the broker is lost: %s", error)
                kept.session.close()
            else:
                with self._lock:
                    self._kept.insert(0, _Kept(kept.session, self._reactor.seconds()))
