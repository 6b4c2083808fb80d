"""How long a test waits for a real broker of its own, and the test session for the first."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from bench.figures import Figure
from console.demo import DEMO_ACCESS, DEMO_VERIFY
from magbroker.testing import RealBroker, SiteTemplate

BROKERS = 50
CONTEXT = "MAG DICOM GATEWAY FULL"


def measure_kit(directory: Path, site: Path) -> Iterator[Figure]:
    """Measure brokers of the test kit, started and stopped one after the other."""
    directory.mkdir(parents=True)
    began = time.perf_counter()
    template = SiteTemplate(directory, site)
    yield Figure("a test session's site, loaded once", 1000 * (time.perf_counter() - began), "the demo site", unit="ms")
    brokers, sign_ons = [], []
    for number in range(BROKERS):
        folder = directory / str(number)
        folder.mkdir()
        began = time.perf_counter()
        with RealBroker(template, folder) as broker:
            ready = time.perf_counter()
            with broker.client(DEMO_ACCESS, DEMO_VERIFY, CONTEXT):
                signed_on = time.perf_counter()
            closing = time.perf_counter()
        brokers.append(ready - began + time.perf_counter() - closing)
        sign_ons.append(signed_on - ready)
    note = f"started and stopped; the slowest of {BROKERS} {1000 * max(brokers):.0f} ms"
    yield Figure("a real broker for one test", 1000 * statistics.median(brokers), note, unit="ms")
    yield Figure("sign-on and context in it", 1000 * statistics.median(sign_ons), "the password hash included", unit="ms")
