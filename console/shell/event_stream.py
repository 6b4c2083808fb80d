"""Server-sent events out of their lines (WHATWG HTML, 9.2)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

#: Lines of one event at most: ours have one line of data.
MOST_LINES = 1000


@dataclass(frozen=True, slots=True)
class Event:
    """Something that was told: of which kind, and what."""

    kind: str
    value: Any


@dataclass(slots=True)
class EventStream:
    """Takes lines and gives events; `last` is the number of the last that had one, for who comes back."""

    last: str = ""
    _kind: str = ""
    _data: list[str] = field(default_factory=list)

    def line(self, line: str) -> Event | None:
        """Take a line without its end; give the event that it ends."""
        if not line:
            return self._whole()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "id":
            self.last = value
        elif name == "event":
            self._kind = value
        elif name == "data" and len(self._data) < MOST_LINES:
            self._data.append(value)
        return None

    def _whole(self) -> Event | None:
        kind, data = self._kind, self._data
        self._kind, self._data = "", []
        if not data:
            return None
        try:
            return Event(kind, json.loads("\n".join(data)))
        except (ValueError, RecursionError):
            return None
