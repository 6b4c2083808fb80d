"""What is asked to be committed waits for the journal to know what had been received by then, and for nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from gateway_client.commitment.arrivals import Arrivals, mark_of
from gateway_client.commitment.commitments import Commitment, Progress


@dataclass
class Counts:
    """What the gateway has heard of, and what of it is journaled."""

    arrived: int = 0
    journaled: int = 0


def asked(received: str, number: int = 1) -> Commitment:
    return Commitment(number, "PEER", "1.2", "GW", Progress.CHECKING, 0.0, 0, 0.0, "", received)


def test_what_was_received_before_has_to_be_journaled_and_what_comes_later_has_not() -> None:
    counts = Counts(3, 2)
    arrivals = Arrivals(counts)
    one = asked(mark_of(arrivals.run))
    assert not arrivals.journaled(one)
    counts.arrived, counts.journaled = 1000, 3
    assert arrivals.journaled(one)


@pytest.mark.parametrize("received", ["", "another-run 5 5"])
def test_what_an_earlier_run_received_was_recovered(received: str) -> None:
    assert Arrivals(Counts(3, 0)).journaled(asked(received))


def test_what_other_processes_received_has_to_be_heard_of_first() -> None:
    counts, heard = Counts(), [0, 0]

    def has_heard(reported: Sequence[int]) -> bool:
        return all(there >= count for there, count in zip(heard, reported, strict=True))

    arrivals = Arrivals(counts, has_heard)
    one, none = asked(mark_of(arrivals.run, [2, 1])), asked(mark_of(arrivals.run, [0, 0]), 2)
    assert (arrivals.journaled(one), arrivals.journaled(none)) == (False, True)
    heard[:], counts.arrived, counts.journaled = [5, 0], 5, 5
    assert not arrivals.journaled(one), "the other process's object is not heard of"
    heard[:], counts.arrived = [5, 1], 6
    assert not arrivals.journaled(one), "it is not journaled"
    counts.arrived, counts.journaled = 9, 6
    assert arrivals.journaled(one)
