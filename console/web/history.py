"""How the last minutes went: rates, latencies and queue depths, sampled every other second for the charts of the overview."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rpcs.actions.queues import Depth
from runtime.metrics import calls_so_far

#: Samples that are kept: half an hour of them.
SAMPLES = 900
#: The event of each image that is counted as one of "images": its file is in place.
IMAGE_STAGE = "PROCESSED"


@dataclass(slots=True)
class History:
    """Samples of what the charts show: `at` in seconds since the epoch, rates a second, latency in milliseconds, entries."""

    _samples: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=SAMPLES))
    _counts: Counter[str] = field(default_factory=Counter)
    _before: tuple[float, int, float, int] | None = None

    @property
    def counts(self) -> Mapping[str, int]:
        """The events that passed since this process started, by stage."""
        return self._counts

    @property
    def samples(self) -> Collection[dict[str, Any]]:
        """The samples, the oldest first."""
        return self._samples

    def count(self, stages: Iterable[str]) -> None:
        """Count events as they pass."""
        self._counts.update(stages)

    def sample(self, now: float, depths: Iterable[Depth]) -> dict[str, Any]:
        """Take a sample at a moment, and give it."""
        calls, seconds = calls_so_far()
        images = self._counts[IMAGE_STAGE]
        was_at, was_calls, was_seconds, was_images = self._before or (now, calls, seconds, images)
        self._before = (now, calls, seconds, images)
        passed = max(now - was_at, 0.001)
        new = calls - was_calls
        queues: Counter[str] = Counter()
        for depth in depths:
            queues[depth.queue] += depth.entries
        taken = {
            "at": round(now, 1),
            "images": round((images - was_images) / passed, 2),
            "rpcs": round(new / passed, 1),
            "latency": round(1000 * (seconds - was_seconds) / new, 3) if new else None,
            "eval": queues["EVAL"],
            "send": queues["SEND"],
            "export": queues["EXPORT"],
        }
        self._samples.append(taken)
        return taken
