"""WATCH EVENTS and WATCH QUEUES: one live feed, of which what is watched scrolls by."""

from __future__ import annotations

from dataclasses import dataclass, field

from console.shell.event_lines import EventLines
from console.shell.event_stream import Event
from console.shell.feed import Feed
from console.shell.scroll import Scroll
from console.shell.seats import Seat


@dataclass(slots=True)
class Watching:
    """Listens while something is watched."""

    seat: Seat
    scroll: Scroll
    _lines: EventLines = field(default_factory=EventLines)
    _feed: Feed | None = None

    def watch(self, name: str) -> None:
        """Let one of WATCHES scroll by. Raises ConsoleError where there is no feed."""
        if self._feed is None or not self._feed.listens:
            self._lines = EventLines()
            self._feed = Feed(self.seat.feed(), self._told, self.scroll.add)
            self._feed.start()
        for line in self._lines.depths() if name == "QUEUES" else ():
            self.scroll.add(line)
        self._lines.watched |= {name}

    def stop(self) -> bool:
        """Watch nothing any more; False when nothing was watched."""
        feed, self._feed = self._feed, None
        if feed is None:
            return False
        feed.stop()
        return True

    def _told(self, event: Event) -> None:
        for line in self._lines.of(event):
            self.scroll.add(line)
