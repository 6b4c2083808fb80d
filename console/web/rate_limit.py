"""How often somebody may do something, an address or a session: a bucket each, refilled as time goes by."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

#: Those who are remembered; who was quiet for the longest time is forgotten first.
MOST_REMEMBERED = 10_000


@dataclass(slots=True)
class RateLimit:
    """Allows `at_once` of something to each, and `per_second` more; `seconds` is a clock that only goes on."""

    at_once: int
    per_second: float
    seconds: Callable[[], float]
    _buckets: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)

    def allows(self, who: str) -> bool:
        """Tell whether somebody may do it once more, and count that."""
        now = self.seconds()
        left, since = self._buckets.pop(who, (float(self.at_once), now))
        left = min(float(self.at_once), left + (now - since) * self.per_second)
        allowed = left >= 1.0
        self._buckets[who] = (left - 1.0 if allowed else left, now)
        while len(self._buckets) > MOST_REMEMBERED:
            self._buckets.popitem(last=False)
        return allowed
