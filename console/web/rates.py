"""How many image events pass a second, by stage: counted as they pass."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

#: Seconds over which a mean is taken.
SECONDS = 60.0


@dataclass(slots=True)
class Rates:
    """Counts of the last minute, look by look."""

    _looks: deque[tuple[float, Counter[str]]] = field(default_factory=deque)
    _sums: Counter[str] = field(default_factory=Counter)
    _begun: float | None = None

    def count(self, now: float, stages: Iterable[str]) -> None:
        """Count what passed up to now, in seconds of a clock that only goes on."""
        if self._begun is None:
            self._begun = now
        counted = Counter(stages)
        self._looks.append((now, counted))
        self._sums.update(counted)
        while self._looks and now - self._looks[0][0] > SECONDS:
            self._sums.subtract(self._looks.popleft()[1])

    def per_second(self, now: float) -> dict[str, float]:
        """Give the mean of the last minute, or since the beginning where that is less, of each stage that was seen in it."""
        seconds = min(SECONDS, max(1.0, now - (now if self._begun is None else self._begun)))
        return {stage: round(count / seconds, 2) for stage, count in sorted(self._sums.items()) if count > 0}
