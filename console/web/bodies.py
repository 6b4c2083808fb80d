"""Requests with bounds: what no peer can make larger, and JSON bodies read as one object."""

from __future__ import annotations

import json
from typing import Any

from twisted.web.server import Request, Site

from console.web.errors import BadBody, WrongType

#: Bytes of a body, and seconds in which a connection has to ask for something.
BODY_LIMIT, IDLE_SECONDS = 4 * 1024**2, 60
_TOO_LARGE = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class BoundedRequest(Request):
    """A request that ends its connection when its body is larger than it may be, told of beforehand or not."""

    _taken = 0

    def gotLength(self, length: int | None) -> None:  # noqa: N802  Twisted's name
        """Look at the length that is told of."""
        if length is not None and length > BODY_LIMIT:
            self._refuse()
            return
        super().gotLength(length)  # type: ignore[no-untyped-call]  # twisted gives it no types

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802  Twisted's name
        """Count what comes."""
        self._taken += len(data)
        if self._taken > BODY_LIMIT:
            self._refuse()
            return
        super().handleContentChunk(data)  # type: ignore[no-untyped-call]  # twisted gives it no types

    def _refuse(self) -> None:
        channel: Any = self.channel
        channel.transport.write(_TOO_LARGE)
        channel.loseConnection()


class BoundedSite(Site):
    """Serves a resource to a bounded number of connections."""

    noisy = False

    def __init__(self, resource: Any, connections: int) -> None:
        super().__init__(  # type: ignore[no-untyped-call]  # twisted gives it no types
            resource, requestFactory=BoundedRequest, timeout=IDLE_SECONDS
        )
        self.displayTracebacks = False
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
