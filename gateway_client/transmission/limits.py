"""How many associations may be open at a time: some for each destination, and few beyond the first ones of all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Every destination may always hold one association; up to `per_destination`, and `further` beyond the first of each."""

    per_destination: int = 2
    further: int = 3

    def allow(self, here: int, elsewhere: Iterable[int]) -> bool:
        """Tell whether a destination that has some associations may have one more; others have some, too."""
        if not here:
            return True
        return here < self.per_destination and here - 1 + sum(max(0, count - 1) for count in elsewhere) < self.further
