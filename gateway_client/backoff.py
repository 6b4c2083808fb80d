"""Pauses after failures: doubled from a first to a last one, spread so that many waiters do not come back as one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

Randomness = Callable[[], float]
"""Gives a number from 0 up to 1."""


@dataclass(slots=True)
class Backoff:
    """Counts failures in a row; `next` gives the seconds to wait after one more."""

    random: Randomness
    first: float = 0.5
    last: float = 60.0
    failures: int = field(default=0)

    def next(self) -> float:
        """Give the pause after one more failure: half of it fixed, half by chance."""
        pause = pause_after(self.failures, self.first, self.last, self.random)
        self.failures += 1
        return pause

    def reset(self) -> None:
        """Begin anew after a success."""
        self.failures = 0


def pause_after(failures: int, first: float, last: float, random: Randomness) -> float:
    """Give the pause after so many earlier failures."""
    pause = min(last, first * 2.0 ** min(failures, 30))
    return pause / 2 + pause / 2 * random()
