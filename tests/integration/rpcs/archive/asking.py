"""A gateway that files objects with their headers, and asks the archive what it has."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from gateway_client.acquisition.store_request import escape
from tests.integration.rpcs.filing_gateway import Gateway, store_items

CT_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"

#: A header: values by path, `gggg,eeee`, several of one element in a list.
Header = Mapping[str, str | Sequence[str]]


class Archive:
    """The archive behind a broker, as a gateway sees it."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    def store(self, uid: str, header: Header | None = None, size: int = 0, **facts: str) -> int:
        """File an object whose file is not in its place yet; without a header nobody tells of one. Give its entry number."""
        lines = [*store_items(uid, **facts), *header_lines(uid, header)]
        if size:
            lines.append(f"DIGEST|{uid}|{'d' * 64}|{size}")
        answer = self.gateway.ask(*lines)
        assert answer[0].startswith("STORE|0|"), answer
        return int(answer[0].split("|")[2].partition("^")[0])

    def process(self, *images: int) -> None:
        """Say that the files of images are in their places."""
        self.gateway.ask(*(f"PROCESSED||660|CT1|{image}|1|0|GWA" for image in images))

    def file(self, uid: str, header: Header | None = None, size: int = 0, **facts: str) -> int:
        """File an object and its file."""
        image = self.store(uid, header, size, **facts)
        self.process(image)
        return image

    def ask(self, procedure: str, request: object, after: str = "", count: int | str = "") -> list[Any]:
        """Ask with a request of JSON, in elements as a gateway cuts it; give the lines of the answer as JSON."""
        text = json.dumps(request)
        elements = [text[begin : begin + 16000] for begin in range(0, len(text), 16000)]
        return [json.loads(line) for line in self.gateway.client.call(procedure, elements, after, str(count)).lines]

    def query(
        self, level: str, keys: Mapping[str, Sequence[str]], after: str = "", count: int | str = "", **more: Any
    ) -> list[Any]:
        """Ask MAGB QUERY."""
        return self.ask("MAGB QUERY", {"level": level, "root": "PATIENT", "keys": keys, **more}, after, count)

    def found(self, level: str, keys: Mapping[str, Sequence[str]], returned: str, **more: Any) -> list[list[str]]:
        """Give the values of one attribute of each match."""
        head, *matches = self.query(level, {returned: [], **keys}, **more)
        assert head == {"more": None, "unsupported": []}
        return [match["tags"][returned] for match in matches]

    def retrieve(self, level: str, keys: Mapping[str, Sequence[str]], after: str = "", count: int | str = "") -> list[Any]:
        """Ask MAGB RETRIEVE."""
        return self.ask("MAGB RETRIEVE", {"level": level, "relational": False, "keys": keys}, after, count)


def header_lines(uid: str, header: Header | None) -> list[str]:
    """Write a header as HEADER items."""
    return [
        f"HEADER|{uid}|{path}|UN|{number}|{escape(value)}"
        for path, values in (header or {}).items()
        for number, value in enumerate([values] if isinstance(values, str) else values, 1)
    ]
