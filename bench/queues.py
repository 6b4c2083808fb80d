"""Files and DICOM objects handed out per second, with few and with very many entries in the queues, `synchronous=FULL`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

from sqlalchemy import Connection, insert

from bench.figures import Figure
from bench.load import run_load, signed_on
from bench.services import services
from console.demo import DEMO_ACCESS, DEMO_VERIFY
from fileman.engines import writing_engine
from fileman.files import DicomExport, DicomExportImage, File, Image, SendQueue
from xwb import ListParameter, Literal, encode_call

SECONDS = 4.0
CONNECTIONS = 16
CONTEXT = "MAG DICOM GATEWAY FULL"
#: Entries that wait in either queue: with the last it should go as fast as with the first.
SIZES = (20_000, 1_000_000)
#: Images that the entries are of, entries of one export, rows that are written at a time.
IMAGES, PER_EXPORT, CHUNK = 10_000, 100, 20_000
#: Destinations that entries wait for, and their priorities, one export after the other.
DESTINATIONS, PRIORITIES = 50, (500, 750, 250)
#: The demo site's router, and the institution that entries come from.
ROUTER, LOCATION = 3, 660
MOMENT = "3260101.12"

NEXT_FILE = encode_call(
    b"MAG DICOM ROUTE NEXT FILE",
    [Literal(b"%d" % LOCATION), Literal(b""), Literal(b""), Literal(b"1"), ListParameter(((b"1", b"1^%d" % ROUTER),))],
)
NEXT_ENTRY = encode_call(
    b"MAG DICOM GET NEXT QUEUE ENTRY", [ListParameter(((b"1", b"%d" % LOCATION),)), ListParameter(()), Literal(b"")]
)
#: Each is for the next entry of one destination, one destination after the other.
NEXT_OF_DESTINATIONS = [
    encode_call(
        b"MAGB EXPORT NEXT",
        [
            Literal(b"%d" % LOCATION),
            ListParameter(()),
            Literal(b"1"),
            Literal(b"0"),
            ListParameter(((b"1", b"BENCH %d^1^" % place),)),
        ],
    )
    for place in range(DESTINATIONS)
]


def measure_queues(directory: Path, site: Path, sizes: tuple[int, ...] = SIZES) -> Iterator[Figure]:
    """Measure NEXT FILE and GET NEXT QUEUE ENTRY on many connections, EXPORT NEXT on one, with queues of several sizes."""
    for size in sizes:
        folder = directory / str(size)
        with services(folder, site, gateway=False) as running:
            fill(folder / "magbroker.db", size)
            yield _measure_next(running.broker_port, size)
            yield _measure("NEXT FILE", running.broker_port, size, NEXT_FILE)
            yield _measure("GET NEXT QUEUE ENTRY", running.broker_port, size, NEXT_ENTRY)


def _measure_next(port: int, size: int) -> Figure:
    """Measure how long a gateway waits for the next entry of a destination: taken, written down for good, and told."""
    connection = signed_on(port, DEMO_ACCESS, DEMO_VERIFY, "MAGB GATEWAY")
    try:
        rate = run_load([connection], itertools.cycle(NEXT_OF_DESTINATIONS), SECONDS, lambda answer: b"\r\nBENCH " in answer)
    finally:
        connection.close()
    note = f"EXPORT NEXT, one connection, one of {DESTINATIONS} destinations; median, 99 % in {rate.p99_ms:.2f} ms"
    return Figure(f"queue of {size:,} entries: next entry", rate.median_ms, note, unit="ms", digits=2)


def _measure(subject: str, port: int, size: int, request: bytes) -> Figure:
    connections = [signed_on(port, DEMO_ACCESS, DEMO_VERIFY, CONTEXT) for _ in range(CONNECTIONS)]
    try:
        rate = run_load(connections, itertools.repeat(request), SECONDS, lambda answer: answer.startswith(b"\0\x001\r\n"))
    finally:
        for connection in connections:
            connection.close()
    note = f"{CONNECTIONS} connections; median {rate.median_ms:.2f} ms, 99 % in {rate.p99_ms:.2f} ms"
    return Figure(f"{subject}, {size:,} entries queued", rate.per_second, note)


def fill(database: Path, size: int) -> None:
    """Put so many entries into each queue of a broker's database, from outside of it."""
    engine = writing_engine(f"sqlite:///{database}")
    tables: tuple[tuple[type[File], Callable[[int], dict[str, object]], int], ...] = (
        (Image, _image, IMAGES),
        (SendQueue, _copy, size),
        (DicomExport, _export, -(-size // PER_EXPORT)),
        (DicomExportImage, _object, size),
    )
    try:
        for file, row, count in tables:
            for chunk in _chunks(count):
                with engine.begin() as connection:
                    _insert(connection, file, [row(number) for number in chunk])
    finally:
        engine.dispose()


def _chunks(count: int) -> Iterator[range]:
    return (range(first, min(first + CHUNK, count)) for first in range(0, count, CHUNK))


def _insert(connection: Connection, file: type[File], rows: list[dict[str, object]]) -> None:
    connection.execute(insert(file), rows)


def _image(number: int) -> dict[str, object]:
    return {
        "ien": number + 1,
        "name": "BENCH",
        "file_ref": f"DEMO{number + 1:010d}.DCM",
        "location": 1,
        "abstract_location": 1,
        "object_type": 100,
        "patient": 1001,
        "saved_at": MOMENT,
        "saved_by": 0,
        "uid": f"1.2.826.0.1.3680043.8.498.78.{number}",
    }


def _copy(number: int) -> dict[str, object]:
    return {
        "ien": number + 1,
        "image": number % IMAGES + 1,
        "destination": f"{ROUTER};MAG(2005.2,",
        "file_type": "FULL",
        "mechanism": 1,
        "origin": LOCATION,
        "status": "WAITING",
        "priority": 500,
        "queued": MOMENT,
        "status_at": 0.0,
    }


def _export(number: int) -> dict[str, object]:
    return {
        "ien": number + 1,
        "application": f"BENCH {number % DESTINATIONS}",
        "group": 1,
        "origin": LOCATION,
        "priority": PRIORITIES[number % len(PRIORITIES)],
        "requested": MOMENT,
        "study_uid": f"1.2.826.0.1.3680043.8.498.79.{number}",
        "last_sequence": PER_EXPORT,
        "image_count": PER_EXPORT,
    }


def _object(number: int) -> dict[str, object]:
    return {
        "export": number // PER_EXPORT + 1,
        "sequence": number % PER_EXPORT + 1,
        "image": number % IMAGES + 1,
        "status": "WAITING",
        "application": f"BENCH {number // PER_EXPORT % DESTINATIONS}",
        "origin": LOCATION,
        "priority": PRIORITIES[number // PER_EXPORT % len(PRIORITIES)],
        "status_at": 0.0,
    }
