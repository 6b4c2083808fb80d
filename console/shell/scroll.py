"""Lines that come by themselves while somebody types: at most so many a second, of the rest only how many they were."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

#: Lines that are shown in a second, besides one that tells of the rest.
LINES, SECOND = 10, 1.0


@dataclass(slots=True)
class Scroll:
    """Takes lines from any thread, and gives them to the one that shows them."""

    _waiting: list[str] = field(default_factory=list)
    _more: int = 0
    _begun: float = float("-inf")
    _shown: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, line: str) -> None:
        """Let a line be shown, unless too many wait already."""
        with self._lock:
            if len(self._waiting) < LINES:
                self._waiting.append(line)
            else:
                self._more += 1

    def take(self, now: float) -> list[str]:
        """Give what is to be shown now, by a clock that only goes on, in seconds."""
        with self._lock:
            if now - self._begun >= SECOND:
                self._begun, self._shown = now, 0
            room = LINES - self._shown
            lines, self._waiting = self._waiting[:room], self._waiting[room:]
            self._shown += len(lines)
            if self._more and lines and not self._waiting:
                lines.append(f"... and {self._more} more")
                self._more = 0
            return lines
