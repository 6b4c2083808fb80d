"""The time, as an argument: what runs by a clock is handed one, so that tests hand in their own."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time in the three ways that are needed."""

    def now(self) -> datetime:
        """Give the wall time of this site, without a zone, as VistA sees it."""

    def seconds(self) -> float:
        """Give the seconds since the epoch."""

    def monotonic(self) -> float:
        """Give seconds that never go back, for measuring."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Give the local wall time."""
        return datetime.now()  # noqa: DTZ005  VistA's times carry no zone

    def seconds(self) -> float:
        """Give the seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Give seconds that never go back."""
        return time.monotonic()


@dataclass(slots=True)
class FixedClock:
    """A clock that stands still until it is moved."""

    moment: datetime

    def now(self) -> datetime:
        """Give the moment."""
        return self.moment

    def seconds(self) -> float:
        """Give the moment as seconds since the epoch."""
        return self.moment.timestamp()

    def monotonic(self) -> float:
        """Give the moment as seconds."""
        return self.moment.timestamp()

    def advance(self, seconds: float) -> None:
        """Move the clock on."""
        self.moment += timedelta(seconds=seconds)
