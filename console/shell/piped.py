"""Reading what is piped in: a line at a time, each written after its prompt, so that what is written reads as a session."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from dataclasses import dataclass

from console.shell.answers import InputEnded
from console.shell.dialog import Names, no_names
from console.shell.scroll import Scroll

#: Seconds between two looks at what scrolls by, bytes that are read at once, and bytes of a line.
LOOK_SECONDS, LOT, LINE_LIMIT = 0.2, 65536, 4 * 1024**2


@dataclass(slots=True)
class PipedReader:
    """Reads lines of a file descriptor; what scrolls by is written while the next line is waited for."""

    descriptor: int
    scroll: Scroll
    write: Callable[[str], object]
    interactive: bool = False
    _held: bytes = b""
    _ended: bool = False

    def read(self, prompt: str, *, names: Names = no_names, kept: str = "") -> str:
        """Give the next line, which is written after its prompt."""
        line = self._line(prompt)
        self.write(f"{line}\n")
        return line

    def secret(self, prompt: str) -> str:
        """Give the next line, of which nothing is written."""
        line = self._line(prompt)
        self.write("\n")
        return line

    def remember(self, answer: str) -> None:
        """Keep nothing: a script has no Up key."""

    def _line(self, prompt: str) -> str:
        self.write(prompt)
        while b"\n" not in self._held and not self._ended:
            ready, _, _ = select.select([self.descriptor], [], [], LOOK_SECONDS)
            if lines := self.scroll.take(time.monotonic()):
                self.write("\n".join(["", *lines, prompt]))
            if ready:
                data = os.read(self.descriptor, LOT)
                self._ended = not data or len(self._held) > LINE_LIMIT
                self._held += data
        line, newline, self._held = self._held.partition(b"\n")
        if not line and not newline:
            raise InputEnded
        return line.decode("utf-8", "replace").rstrip("\r")
