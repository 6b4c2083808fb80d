"""Waiting for what another thread or process does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


def until(condition: Callable[[], bool], what: str = "it", seconds: float = 60.0) -> None:
    """Wait for something to come true; fail with its name when it does not in time."""
    pause, deadline = threading.Event(), time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"after {seconds:g} s it had not happened: {what}"
        pause.wait(0.02)
