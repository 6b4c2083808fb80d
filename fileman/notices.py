"""Notices between processes on one PostgreSQL (NOTIFY and LISTEN), and a probe whether a server answers."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from threading import Event, Lock, Thread

import psycopg
from sqlalchemy import Connection, make_url, text

from fileman.errors import StoreFailed

log = logging.getLogger(__name__)

#: Seconds until a lost connection is tried again, and between looks whether to end.
PAUSE = 2.0
LOOK = 1.0
CONNECT_SECONDS = 5
_NOTIFY = text("SELECT pg_notify(:channel, '')")


def give_notice(connection: Connection, channel: str) -> None:
    """Tell every listener of a channel, when the caller's transaction commits: a hint to look now, never the truth.

    SQLite has no other process to tell.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(_NOTIFY, {"channel": channel})


class Notices:
    """Calls back, on a thread of its own, whenever a channel has a notice.

    A server that does not answer is tried again and again; who listens looks by itself from time to time meanwhile.
    """

    def __init__(self, url: str, channel: str, heard: Callable[[], None]) -> None:
        self._conninfo = _conninfo(url)
        self._channel = channel
        self._heard = heard
        self._down = Event()
        self._thread = Thread(target=self._run, name=f"notices-{channel}", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread and its connection."""
        self._down.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._down.is_set():
            try:
                with psycopg.connect(self._conninfo, autocommit=True, connect_timeout=CONNECT_SECONDS) as connection:
                    connection.execute(f'LISTEN "{self._channel}"')
                    self._heard()  # what came while nobody listened
                    while not self._down.is_set():
                        for _notice in connection.notifies(timeout=LOOK, stop_after=1):
                            self._heard()
            except psycopg.Error as error:
                log.debug("notices of %s are not heard for now: %s", self._channel, error)
                self._down.wait(PAUSE)


class Probe:
    """Asks a PostgreSQL server whether it answers, on a connection of its own; from any thread, one at a time."""

    def __init__(self, url: str) -> None:
        self._conninfo = _conninfo(url)
        self._connection: psycopg.Connection[tuple[int]] | None = None
        self._guard = Lock()
        self._answered_at = -math.inf

    def ask(self, within: float = 0.0) -> None:
        """Return when it answers, or did within so many seconds; a connection that was lost is made anew. Raises StoreFailed."""
        with self._guard:
            if time.monotonic() - self._answered_at < within:
                return
            try:
                self._select()
            except psycopg.Error:
                self._forget()
                try:
                    self._select()
                except psycopg.Error as error:
                    self._forget()
                    raise StoreFailed(f"The database does not answer: {str(error).splitlines()[0]}") from error

    def close(self) -> None:
        """Close the connection."""
        with self._guard:
            self._forget()

    def _select(self) -> None:
        if self._connection is None:
            self._connection = psycopg.connect(self._conninfo, autocommit=True, connect_timeout=CONNECT_SECONDS)
        self._connection.execute("SELECT 1")
        self._answered_at = time.monotonic()

    def _forget(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _conninfo(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
