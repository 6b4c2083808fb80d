"""Fuzzing by chance: a target, so many inputs, a seed."""

from __future__ import annotations

from tests.fuzz.mutate import inputs
from tests.fuzz.targets import TARGETS


def fuzz(name: str, count: int, seed: int) -> int:
    """Give a target so many inputs; gives how many there were. A finding is raised with the input that made it."""
    number = 0
    for number, data in enumerate(inputs(TARGETS[name].corpus(), count, seed), start=1):
        if (error := finding(name, data)) is not None:
            raise AssertionError(f"target {name}, seed {seed}, input {number}: {data!r}") from error
    return number


def finding(name: str, data: bytes) -> Exception | None:
    """Give what a target raises for an input: what was not foreseen, or a promise that it broke."""
    try:
        TARGETS[name].target(data)
    except Exception as error:  # whatever it is, it is what was looked for
        return error
    return None
