"""Images filed per second over loopback, with few and with very many on file, `synchronous=FULL`."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.figures import Figure
from bench.filled import EXAMS, PER_EXAM, TODAY, accession, fill_exams, fill_images, patient_id, study_uid
from bench.load import Rate, run_load, signed_on
from bench.processes import cpu_seconds
from bench.services import services
from console.demo import DEMO_ACCESS, DEMO_VERIFY
from xwb import ListParameter, encode_call

SECONDS = 4.0
CONNECTIONS = 8
CONTEXT = "MAG DICOM GATEWAY FULL"
#: Images on file: with the last it should go nearly as fast as with the first.
SIZES = (1_000, 100_000, EXAMS * PER_EXAM)
#: Images that a call carries, and how many a second are wanted then.
WANTED = {20: 1000, 1: 400}
#: What the recorded VistA filed in a second on one connection, without waiting for its disk.
RECORDED = 165


@dataclass(frozen=True, slots=True)
class Filed:
    """What came of a run: calls, and processor milliseconds of the broker for each image."""

    calls: Rate
    batch: int
    cpu_ms: float

    @property
    def per_second(self) -> float:
        """Images per second."""
        return self.calls.per_second * self.batch


def measure_filing(directory: Path, site: Path, sizes: tuple[int, ...] = SIZES) -> Iterator[Figure]:
    """Measure STORE1 and STORE2, many images in a call and one, in one database that is filled further and further."""
    numbers = itertools.count(1)
    first: dict[int, Filed] = {}
    with services(directory, site, gateway=False) as running:
        pid = json.loads((directory / "run.json").read_text(encoding="utf-8"))["pid"]
        database, exams = directory / "magbroker.db", 0
        fill_exams(database)
        alone = _file(running.broker_port, pid, 1, 1, numbers)
        note = f"1 connection; the recorded VistA {RECORDED}; {_times(alone)}"
        yield Figure("images filed, 1 a call, empty", alone.per_second, note)
        for size in sizes:
            fill_images(database, exams, size // PER_EXAM)
            exams = size // PER_EXAM
            for batch, wanted in WANTED.items():
                filed = _file(running.broker_port, pid, CONNECTIONS, batch, numbers)
                before = first.setdefault(batch, filed)
                ratio = before.per_second / filed.per_second
                note = f"{CONNECTIONS} connections; wanted {wanted}; {ratio:.2f} times the first's time; {_times(filed)}"
                yield Figure(f"images filed, {batch} a call, {size:,} on file", filed.per_second, note)


def _times(filed: Filed) -> str:
    return f"median {filed.calls.median_ms:.0f} ms, 99 % in {filed.calls.p99_ms:.0f} ms, {filed.cpu_ms:.2f} ms of a core an image"


def _file(port: int, pid: int, count: int, batch: int, numbers: Iterator[int]) -> Filed:
    """File images for some seconds. The first call of each exam makes its report and group."""
    connections = [signed_on(port, DEMO_ACCESS, DEMO_VERIFY, CONTEXT) for _ in range(count)]
    used = cpu_seconds(pid)
    try:
        rate = run_load(connections, _filings(batch, numbers), SECONDS, lambda answer: answer.count(b"STORE|0|") == batch)
    finally:
        for connection in connections:
            connection.close()
    return Filed(rate, batch, 1000 * (cpu_seconds(pid) - used) / (rate.answered * batch))


def _filings(batch: int, numbers: Iterator[int]) -> Iterator[bytes]:
    """Give requests that file so many images of an exam of today."""
    for call in itertools.count():
        exam = EXAMS + call % TODAY
        items = [item for number in itertools.islice(numbers, batch) for item in _items(exam, number)]
        lines = [str(len(items) + 1), *items]
        elements = tuple((str(number).encode(), line.encode()) for number, line in enumerate(lines, start=1))
        yield encode_call(b"MAG DICOM IMAGE PROCESSING", [ListParameter(elements)])


def _items(exam: int, number: int) -> tuple[str, str]:
    case, study = accession(exam), study_uid(exam)
    return (
        f"STORE1||660|BENCH{exam}|RAD|BENCH|C:\\X{number}.DCM|{patient_id(exam)}|BENCH^PATIENT|{case}|{case}|20260201|093000|0"
        f"|CR||<DICOM>|1|{number}|660|0|Bench|",
        f"STORE2|{study}|{study}.1|{study}.1.{number + PER_EXAM}|1.2.840.10008.5.1.4.1.1.1|0|1|BENCH|X1|3260201.0931|V||",
    )
