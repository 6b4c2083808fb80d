"""Fuzzing by chance: a target, so many inputs, a seed."""

from __future__ import annotations

from tests.fuzz.mutate import inputs
from tests.fuzz.targets import TARGETS


def fuzz(name: str, count: int, seed: int) -> int:
    """Give a target so many inputs; gives how many there were. A finding is raised with the input that made it."""
    fuzzed = TARGETS[name]
    number = 0
    for number, data in enumerate(inputs(fuzzed.corpus(), count, seed), start=1):
        try:
            fuzzed.target(data)
        except Exception as error:
            raise AssertionError(f"target {name}, seed {seed}, input {number}: {data!r}") from error
    return number
