"""Listening to a broker's live feed in a thread: begun again when it is lost, with what was missed, until nobody listens."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse

from console.shell.event_stream import Event, EventStream

#: What gives the feed's events; the rates come each second, so that a silence means that the connection is dead.
PATH, SILENT_SECONDS = "/api/events", 15.0
#: Seconds until a lost feed is asked for again, and bytes of a line.
AGAIN_SECONDS, LINE_LIMIT = 2.0, 4 * 1024**2
OK = 200
#: Answers that will not be others the next time.
_FINAL = (400, 401, 403, 404)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a feed is: what makes a connection with so many seconds of patience, and the headers that say who asks."""

    connect: Callable[[float], HTTPConnection]
    headers: Mapping[str, str] = field(default_factory=dict)


class FeedRefused(Exception):
    """The broker does not give its feed."""


@dataclass(slots=True)
class Feed:
    """Hands events to `told` in its own thread, and words about itself to `said`."""

    source: Source
    told: Callable[[Event], None]
    said: Callable[[str], None]
    _stream: EventStream = field(default_factory=EventStream)
    _socket: socket.socket | None = None
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    @property
    def listens(self) -> bool:
        """Whether it goes on: one that was refused does not."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Begin to listen."""
        self._thread = threading.Thread(target=self._listen_on, name="feed", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Listen no more; one that is just being connected ends by itself."""
        self._ended.set()
        if (connection := self._socket) is not None:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        if self._thread is not None:
            self._thread.join(AGAIN_SECONDS)

    def _listen_on(self) -> None:
        lost = False
        while not self._ended.is_set():
            try:
                self._listen(lost)
            except FeedRefused as error:
                self.said(f"The live feed is refused: {error}")
                return
            except (OSError, HTTPException, ValueError) as error:
                if not lost and not self._ended.is_set():
                    self.said(f"The live feed is lost ({error or 'it was closed'}); it is asked for again.")
            lost = True
            self._ended.wait(AGAIN_SECONDS)

    def _listen(self, again: bool) -> None:
        """Listen until the feed ends, which it does by an error."""
        connection = self.source.connect(SILENT_SECONDS)
        last = {"Last-Event-ID": self._stream.last} if self._stream.last else {}
        try:
            connection.request("GET", PATH, headers={**self.source.headers, **last})
            self._socket = connection.sock
            response = connection.getresponse()
            if response.status != OK:
                self._refuse(response)
            if again:
                self.said("The live feed is there again.")
            while line := response.readline(LINE_LIMIT):
                if self._ended.is_set():
                    return
                if (event := self._stream.line(line.decode("utf-8", "replace").rstrip("\r\n"))) is not None:
                    self.told(event)
            raise ConnectionError("it was closed")
        finally:
            self._socket = None
            connection.close()

    def _refuse(self, response: HTTPResponse) -> None:
        words = response.read(LINE_LIMIT).decode("utf-8", "replace").strip()
        if response.status in _FINAL:
            raise FeedRefused(words or f"{response.status} {response.reason}")
        raise ConnectionError(words or response.reason)
