"""What the live feed tells, as lines for people; what has not changed is not said again. Nothing here does I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from console.shell.event_stream import Event
from console.shell.screen import readable

#: Characters of a line.
LINE_LIMIT = 300
#: What can be watched, and the kinds of events that belong to it.
WATCHES = {"EVENTS": ("alert", "image", "log"), "QUEUES": ("queues",)}

_Place = tuple[str, str, str]


@dataclass(slots=True)
class EventLines:
    """Writes events down; `watched` are the names in WATCHES of what is wanted. How long queues are is known in any case."""

    watched: frozenset[str] = frozenset()
    _depths: dict[_Place, int] = field(default_factory=dict)

    def of(self, event: Event) -> list[str]:
        """Give the lines of an event, none where it is not wanted."""
        if event.kind == "lost":
            return [f"... {_at(event.value, 'events')} events were lost on the way"]
        try:
            lines = _LINES[event.kind](self, event.value)
        except (AttributeError, KeyError, TypeError, ValueError):  # rates; or another version's event
            return []
        if not any(event.kind in WATCHES[name] for name in self.watched):
            return []
        return [readable(line).replace("\n", " ")[:LINE_LIMIT] for line in lines]

    def depths(self) -> list[str]:
        """Tell how long the queues are, as far as it was told."""
        return [f"queue {' '.join(place)}: {entries}" for place, entries in self._depths.items()]

    def image(self, told: Mapping[str, Any]) -> list[str]:
        """Tell of a step in an image's story."""
        what = f"image {told['image']}" if told["image"] else f"object {told['uid']}"
        words = (_clock(told["at"]), what, told["stage"], told["outcome"], told["peer"], told["detail"])
        return [" ".join(str(word) for word in words if word)]

    def alert(self, told: Mapping[str, Any]) -> list[str]:
        """Tell of an alert that was raised, or changed, or is over."""
        at, word = (told["cleared_at"], "cleared") if told["cleared_at"] else (told["raised_at"], "ALERT")
        return [f"{_clock(at)} {word} {told['ien']}: {told['text']}"]

    def log(self, told: Mapping[str, Any]) -> list[str]:
        """Tell of a line in the broker's log."""
        return [f"{_clock(told['at'])} {told['level']} {told['logger']}: {told['text']}"]

    def queues(self, told: list[Mapping[str, Any]]) -> list[str]:
        """Tell how long queues are, of those that are not as long as they were."""
        depths = {(it["queue"], it["name"] or str(it["location"]), it["status"]): int(it["entries"]) for it in told}
        before, self._depths = self._depths, depths
        changed = [place for place in {**before, **depths} if before.get(place, 0) != depths.get(place, 0)]
        return [f"queue {' '.join(place)}: {depths.get(place, 0)} (was {before.get(place, 0)})" for place in changed]


_LINES: dict[str, Callable[[EventLines, Any], list[str]]] = {
    "alert": EventLines.alert,
    "image": EventLines.image,
    "log": EventLines.log,
    "queues": EventLines.queues,
}


def _clock(iso: str) -> str:
    return f"{datetime.fromisoformat(iso):%H:%M:%S}"


def _at(value: Any, name: str) -> Any:
    return value.get(name, "some") if isinstance(value, Mapping) else "some"
