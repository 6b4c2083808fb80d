"""A million inputs for every parser, each time others."""

from __future__ import annotations

import multiprocessing
import os
import secrets
from concurrent.futures import ProcessPoolExecutor, as_completed

import pytest

from tests.fuzz.run import fuzz
from tests.fuzz.targets import TARGETS

INPUTS = 1_000_000
#: So many inputs are made from one seed, so that processes share the work evenly and a finding is found again soon.
SHARE = 50_000


def test_every_parser_bears_a_million_inputs(capsys: pytest.CaptureFixture[str]) -> None:
    seed = secrets.randbits(32)
    with capsys.disabled():
        print(f"\n{INPUTS:,} inputs for each of {', '.join(TARGETS)}; seeds from {seed} on", flush=True)
    shares = [(target, seed + number) for number in range(INPUTS // SHARE) for target in TARGETS]
    spawning = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=spawning) as processes:
        running = [processes.submit(fuzz, target, SHARE, begin) for target, begin in shares]
        assert sum(share.result() for share in as_completed(running)) == INPUTS * len(TARGETS)
