"""Waiting for something to read, however many files a process has open."""

from __future__ import annotations

import select
from typing import Protocol


class HasDescriptor(Protocol):
    """A pipe or a socket."""

    def fileno(self) -> int:
        """Give its descriptor."""


def wait_readable(source: HasDescriptor, seconds: float) -> bool:
    """Tell whether there is something to read, or an end, within so many seconds; select() knows only the first 1,024 files."""
    poll = select.poll()
    poll.register(source, select.POLLIN)
    return bool(poll.poll(max(0.0, seconds) * 1000))
