"""What had been received when storage commitment was asked for: it has to be in the journal before anything is checked."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Protocol

from gateway_client.commitment.commitments import Commitment


class Counts(Protocol):
    """What counts the objects that were received; `gateway_client.acquisition.storing` does."""

    @property
    def arrived(self) -> int:
        """How many the gateway has heard of."""

    @property
    def journaled(self) -> int:
        """How many of these stand in the journal, the first ones."""


def mark_of(run: str, reported: Sequence[int] = ()) -> str:
    """Say what has been received by now: in a run of the gateway, so many objects by each of its receiving processes."""
    return " ".join([run, *map(str, reported)])


class Arrivals:
    """Tells whether what a transaction is about is in the journal, if it was received before; for the worker's thread.

    `heard` tells whether the gateway has heard of so many objects of each receiving process. What was received in an earlier run
    was recovered when this one began.
    """

    def __init__(self, counts: Counts, heard: Callable[[Sequence[int]], bool] = lambda _reported: True) -> None:
        self.run = secrets.token_hex(4)
        self.heard = heard
        #: Says how many objects each receiving process has reported.
        self.reported: Callable[[], Sequence[int]] = tuple
        self._counts = counts
        #: How many objects had arrived when all of a transaction's were heard of.
        self._arrived: dict[int, int] = {}

    def mark(self) -> str:
        """Say what has been received by now; for any thread."""
        return mark_of(self.run, self.reported())

    def journaled(self, commitment: Commitment) -> bool:
        """Tell it."""
        run, *reported = commitment.received.split() or [""]
        if run != self.run:
            self._arrived.pop(commitment.id, None)
            return True
        if commitment.id not in self._arrived:
            if not self.heard([*map(int, reported)]):
                return False
            self._arrived[commitment.id] = self._counts.arrived
        if self._counts.journaled < self._arrived[commitment.id]:
            return False
        del self._arrived[commitment.id]
        return True
