"""A plain HTTP client for tests of the web: over a port with a token, or over the socket of a data directory."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from console.tasks.socket_desk import OverSocket


@dataclass(frozen=True)
class Answered:
    """What came back."""

    status: int
    body: Any
    headers: Mapping[str, str]


@dataclass
class Web:
    """Asks one web service; over its port as whoever `token` is, over the socket in `directory` as its owner."""

    port: int = 0
    directory: Path | None = None
    token: str = ""

    def connection(self) -> HTTPConnection:
        """Make a connection."""
        if self.directory is not None:
            return OverSocket(self.directory)
        return HTTPConnection("127.0.0.1", self.port, timeout=20)

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Answered:
        """Ask once; an answer that is JSON is read."""
        connection = self.connection()
        try:
            response = self._begin(connection, method, path, body, headers)
            content = response.read()
            kind = response.headers.get("content-type", "")
            read = json.loads(content) if kind.startswith("application/json") else content.decode()
            return Answered(response.status, read, dict(response.headers.items()))
        finally:
            connection.close()

    def _begin(
        self, connection: HTTPConnection, method: str, path: str, body: object, headers: Mapping[str, str]
    ) -> HTTPResponse:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        if data is not None:
            sent.setdefault("content-type", "application/json")
        connection.request(method, path, data, sent)
        return connection.getresponse()

    def get(self, path: str, **query: object) -> Answered:
        """Ask for something."""
        return self.ask("GET", f"{path}?{urlencode(query)}" if query else path)

    def post(self, path: str, **body: object) -> Answered:
        """Have something done."""
        return self.ask("POST", path, body)

    def events(self, kinds: str = "", last: int | None = None) -> Iterator[tuple[str, Any]]:
        """Listen: give the kind and the value of each event; closing the generator ends it."""
        connection = self.connection()
        headers = {} if last is None else {"last_event_id": str(last)}
        response = self._begin(connection, "GET", f"/api/events?kinds={kinds}" if kinds else "/api/events", None, headers)
        try:
            if response.status != 200:
                yield "refused", json.loads(response.read())
                return
            kind = ""
            for line in response:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name == "event":
                    kind = value
                elif name == "data":
                    yield kind, json.loads(value)
        finally:
            response.close()
            connection.close()
