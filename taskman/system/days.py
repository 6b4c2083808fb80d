"""Times some days ago, in each of the ways that files keep times."""

from __future__ import annotations

from datetime import timedelta

from fileman import to_fileman
from runtime import Clock

DAY = 86_400.0


def seconds_ago(clock: Clock, days: float) -> float:
    """Give the moment so many days ago, in seconds since the epoch."""
    return clock.seconds() - days * DAY


def fileman_ago(clock: Clock, days: float) -> str:
    """Give the same as a FileMan date; texts of these compare as their times do."""
    return to_fileman(clock.now() - timedelta(days=days))
