"""Requests with bounds: what no peer can make larger, and JSON bodies read as one object."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Protocol

from twisted.web.server import Request, Site

from console.web.errors import BadBody, WrongType

#: Bytes of a body, and seconds in which a connection has to ask for something.
BODY_LIMIT, IDLE_SECONDS = 4 * 1024**2, 60
_TOO_LARGE = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Intake(Protocol):
    """Takes the body of a request as it comes, in place of memory; how long that may be it says itself."""

    def write(self, data: bytes) -> None:
        """Take a piece."""


Intakes = Callable[[Any], Intake | None]
"""Gives who takes the body of a request of which the head is there; None where it is read into memory."""


class BoundedRequest(Request):
    """A request that ends its connection when its body is larger than it may be, told of beforehand or not."""

    #: Who takes the body, if it is not read into memory.
    intake: Intake | None = None
    _taken = 0

    def gotLength(self, length: int | None) -> None:  # noqa: N802  Twisted's name
        """Look at the length that is told of."""
        channel: Any = self.channel
        intakes: Intakes | None = getattr(channel.site, "intakes", None)
        if intakes is not None:
            self.method, self.uri = channel._command, channel._path  # Twisted tells them when the body is there
            self.path, self.args = self.uri.partition(b"?")[0], {}
            self.intake = intakes(self)
            if self.intake is not None:
                super().gotLength(0)  # type: ignore[no-untyped-call]  # twisted gives it no types
                return
        if length is not None and length > BODY_LIMIT:
            self._refuse()
            return
        super().gotLength(length)  # type: ignore[no-untyped-call]  # twisted gives it no types

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802  Twisted's name
        """Count what comes."""
        if self.intake is not None:
            self.intake.write(data)
            return
        self._taken += len(data)
        if self._taken > BODY_LIMIT:
            self._refuse()
            return
        super().handleContentChunk(data)  # type: ignore[no-untyped-call]  # twisted gives it no types

    def _refuse(self) -> None:
        break_off(self, _TOO_LARGE)


def break_off(request: Any, last: bytes) -> None:
    """End the connection of a request whose body nobody wants, with a last word."""
    request.channel.transport.write(last)
    request.channel.loseConnection()


class BoundedSite(Site):
    """Serves a resource to a bounded number of connections."""

    noisy = False

    def __init__(self, resource: Any, connections: int, intakes: Intakes | None = None) -> None:
        super().__init__(  # type: ignore[no-untyped-call]  # twisted gives it no types
            resource, requestFactory=BoundedRequest, timeout=IDLE_SECONDS
        )
        self.displayTracebacks = False
        self.intakes = intakes
        self._most = connections
        self._open = 0

    def log(self, request: Any) -> None:
        """Write no line per request: the audit tells what was done."""

    def buildProtocol(self, addr: Any) -> Any:  # noqa: N802  Twisted's name
        """Take a connection, unless there are too many."""
        if self._open >= self._most:
            return None
        channel = super().buildProtocol(addr)  # type: ignore[no-untyped-call]  # twisted gives it no types
        self._open += 1
        lost = channel.connectionLost

        def count(reason: Any) -> None:
            self._open -= 1
            lost(reason)

        channel.connectionLost = count
        return channel


def header(request: Any, name: bytes) -> str:
    """Give a header as text, whatever bytes it has; "" for none."""
    values = request.requestHeaders.getRawHeaders(name) or [b""]
    return str(values[0].decode("iso-8859-1"))


def json_body(request: Any) -> dict[str, Any]:
    """Read the body as a JSON object; no body is an empty one. Raises BadBody and WrongType."""
    content = request.content.read()
    if not content:
        return {}
    kind = header(request, b"content-type").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise WrongType
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise BadBody
    return body
