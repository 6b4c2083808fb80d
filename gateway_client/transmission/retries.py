"""When an entry that a destination did not take is tried again, and when no more."""

from __future__ import annotations

from gateway_client.backoff import Randomness, pause_after
from runtime import DestinationSettings

#: The longest pause that doubling leads to, in seconds.
LONGEST = 86400.0


def pause_before_retry(settings: DestinationSettings, failed: int, random: Randomness) -> float | None:
    """Give the seconds to wait after so many failed tries, the first one included; None when it is not tried again.

    They are the same each time, or doubled and spread by chance where the destination's `backoff` says so.
    """
    if failed > settings.retries:
        return None
    pause = settings.retry_minutes * 60
    return pause_after(failed - 1, pause, max(pause, LONGEST), random) if settings.backoff else pause
