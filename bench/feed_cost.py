"""What it costs the broker that people watch: calls a second with them and without, in turn, on a busy site."""

from __future__ import annotations

import itertools
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.figures import Figure
from bench.load import Rate, run_load, signed_on
from console.demo import DEMO_ACCESS, DEMO_VERIFY
from xwb import encode_call

#: The part of the calls that watching may cost.
WANTED = 0.05
#: Connections of the load, pairs of windows that are compared, and how many seconds each lasts.
CONNECTIONS, PAIRS, SECONDS = 8, 12, 3.0
HERE, HERE_ANSWER = encode_call(b"XWB IM HERE"), b"\0\x001\x04"


def cost_of(what: str, port: int, directory: Path, who: str, *watching: str) -> Figure:
    """Compare calls a second with those who watch and without, window by window, while a gateway reports 500 images a second."""
    ratios, rates = [], []
    for number in range(PAIRS):
        with_first = number % 2 == 0
        pair = {them: _calls(port, directory, them) for them in ((watching, ("0",)) if with_first else (("0",), watching))}
        ratios.append(pair[watching].per_second / pair["0",].per_second)
        rates.append(pair["0",].per_second)
    cost = 1 - statistics.median(ratios)
    note = (
        f"of {statistics.median(rates):,.0f} calls a second, {who}, 500 images a second; median of {PAIRS} pairs "
        f"({1 - max(ratios):.1%} to {1 - min(ratios):.1%}); wanted: below {WANTED:.0%}"
    )
    return Figure(what, 100 * cost, note, unit="%", digits=1)


def _calls(port: int, directory: Path, watching: tuple[str, ...]) -> Rate:
    with busy(port, directory, *watching), ExitStack() as stack:
        sessions = [
            stack.enter_context(signed_on(port, DEMO_ACCESS, DEMO_VERIFY, "MAG DICOM GATEWAY FULL")) for _ in range(CONNECTIONS)
        ]
        return run_load(sessions, itertools.repeat(HERE), SECONDS, HERE_ANSWER.__eq__)


@contextmanager
def busy(port: int, directory: Path, *watching: str) -> Iterator[None]:
    """Have a gateway report 500 images a second, and so many listeners and viewers watch."""
    command = [sys.executable, "-m", "bench.feed_load", str(port), str(directory), *watching]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ) as process:
        try:
            if process.stdout is None or process.stdout.readline() != b"ready\n":
                raise RuntimeError("the busy site did not begin")
            yield
        finally:
            process.terminate()
