"""Changed messages and files meet every parser: its own errors only, no more held than the bound, the same in any cut."""

from __future__ import annotations

import pytest

from tests.fuzz.run import fuzz
from tests.fuzz.targets import TARGETS

INPUTS = 20_000
SEED = 20261121


@pytest.mark.parametrize("target", TARGETS)
def test_a_parser_bears_what_comes(target: str) -> None:
    assert fuzz(target, INPUTS, SEED) == INPUTS
