"""Waiting for what another thread or process does."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(condition: Callable[[], bool], what: str = "it", seconds: float = 60.0) -> None:
    """Wait for something to come true; fail with its name when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"after {seconds:g} s it had not happened: {what}"
        time.sleep(0.02)
