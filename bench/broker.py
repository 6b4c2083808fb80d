"""Remote procedures per second, over loopback, with `synchronous=FULL`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

from bench.figures import Figure
from bench.load import run_load, signed_on
from bench.services import services
from console.demo import DEMO_ACCESS, DEMO_VERIFY
from xwb import ListParameter, encode_call

SECONDS = 4.0
CONNECTIONS = (1, 32)
CONTEXT = "MAG DICOM GATEWAY FULL"
ROOT = "1.2.826.0.1.3680043.8.498.77"


def measure_broker(directory: Path, site: Path) -> Iterator[Figure]:
    """Measure filing by STORE1 and STORE2, on one and on many connections."""
    with services(directory, site, gateway=False) as running:
        for count in CONNECTIONS:
            yield _measure("STORE1 + STORE2, one image a call", running.broker_port, count, _filings(count), b"STORE|0|")


def _measure(subject: str, port: int, count: int, requests: Iterator[bytes], expected: bytes) -> Figure:
    connections = [signed_on(port, DEMO_ACCESS, DEMO_VERIFY, CONTEXT) for _ in range(count)]
    try:
        rate = run_load(connections, requests, SECONDS, lambda answer: expected in answer)
    finally:
        for connection in connections:
            connection.close()
    note = f"{count} connections" if count > 1 else "1 connection"
    return Figure(subject, rate.per_second, f"{note}; median {rate.median_ms:.2f} ms, 99 % in {rate.p99_ms:.2f} ms")


def _filings(run: int) -> Iterator[bytes]:
    """Give requests that file an image each, all of one study."""
    study = f"{ROOT}.{run}"
    for number in itertools.count(1):
        first = (
            f"STORE1||660|BENCH{run}|RAD|BENCH|C:\\X{number}.DCM|666001100|DEMO^PATIENT^ONE|021026-201|021026-201|20260210|093000|0"
            f"|CR||<DICOM>|1|{number}|660|0|Bench|"
        )
        second = f"STORE2|{study}|{study}.1|{study}.1.{number}|1.2.840.10008.5.1.4.1.1.1|0|1|BENCH|X1|3260210.0931|V||"
        lines = ((b"1", b"3"), (b"2", first.encode()), (b"3", second.encode()))
        yield encode_call(b"MAG DICOM IMAGE PROCESSING", [ListParameter(lines)])
