"""Answers that come page by page from the broker's procedures, as JSON that is ASCII."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from gateway_client.broker import Answer
from gateway_client.errors import BrokerRefused
from xwb import Argument

#: Characters of each element of a list that together are one JSON text.
PIECE = 16_000

Match = Mapping[str, Any]
"""A match as the broker answers it."""


class Asked(Protocol):
    """Who asks the broker; Sessions does."""

    async def call(self, name: str, *arguments: Argument) -> Answer:
        """Call a procedure. Raises xwb.XWBError."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page: its head, an object of JSON, and what follows it. `more` is the cursor of the next one, empty after the last."""

    head: Mapping[str, Any]
    rows: list[Any]

    @property
    def more(self) -> str:
        """The cursor of the next page."""
        more = self.head.get("more")
        return "" if more is None else str(more)


def pieces(request: Mapping[str, Any]) -> list[str]:
    """Cut a request into the elements of a list argument."""
    text = json.dumps(request, separators=(",", ":"))
    return [text[at : at + PIECE] for at in range(0, len(text), PIECE)]


def read_page(answer: Answer) -> Page:
    """Read a page. Raises BrokerRefused for what is none, and for an answer that says what was wrong with the request."""
    lines = answer.lines
    try:
        head, *rows = json.loads(f"[{','.join(lines)}]")
    except ValueError as error:
        raise BrokerRefused(f"The broker answered what is no page: {error}.") from error
    if not isinstance(head, dict):
        raise BrokerRefused("The broker answered a page without a head.")
    return Page(head, rows)
