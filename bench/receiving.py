"""Images received per second beside DCMTK, Orthanc and pynetdicom: written only, and until they are safe and filed."""

from __future__ import annotations

import functools
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.associations import measure_associations
from bench.figures import Figure
from bench.image_sets import CT, SMALL, Shape, make_set
from bench.interleaved import REPETITIONS, Start, Wanted, described, figures, in_memory, interleaved
from bench.peers import TUNED, orthanc, own, own_part, pynetdicom, storescp, versions
from bench.prepared_sender import prepared

SENDERS = 4
#: Images that each sender has.
COUNTS: Mapping[Shape, int] = {CT: 200, SMALL: 500}
#: Those that are filed are fewer: each takes its place in the database too.
FILED_COUNTS: Mapping[Shape, int] = {CT: 75, SMALL: 200}
OURS, DCMTK, ORTHANC, ORTHANC_TUNED, PYNETDICOM = "magbroker", "DCMTK", "Orthanc", "Orthanc tuned", "pynetdicom"
ONE, TWO = "1 process", "2 processes"
#: Ours against theirs.
WRITTEN: Mapping[Shape, tuple[Wanted, ...]] = {
    CT: (Wanted(ORTHANC, 1.8), Wanted(DCMTK, 0.55)),
    SMALL: (Wanted(ORTHANC, 3.0), Wanted(DCMTK, 0.75)),
}
FILED = (Wanted(ORTHANC, 1.2), Wanted(ORTHANC_TUNED))


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured: images of each sender by shape, and how often."""

    written: Mapping[Shape, int]
    filed: Mapping[Shape, int]
    repetitions: int = REPETITIONS


def measure_receiving(directory: Path, sizes: Sizes = Sizes(COUNTS, FILED_COUNTS)) -> Iterator[Figure]:
    """Measure what is written only in memory, then what 1,000 open associations weigh."""
    starts: dict[str, Start] = {
        OURS: functools.partial(own_part, "written"),
        DCMTK: storescp,
        ORTHANC: orthanc,
        PYNETDICOM: pynetdicom,
    }
    yield Figure("peers", len(starts), versions(), unit="")
    for shape, count in sizes.written.items():
        images = make_set(directory / "sets", shape, [count] * SENDERS)
        with tempfile.TemporaryDirectory(dir=in_memory(directory, images.megabytes)) as sink:
            yield described(images, SENDERS, Path(sink), "written, header read (pynetdicom, DCMTK: written only)")
            runs = interleaved(Path(sink), starts, images, SENDERS, sizes.repetitions, passing=True)
        yield from figures(f"{shape.name}, written", images, runs, WRITTEN[shape])
        shutil.rmtree(directory / "sets")
    yield from _processes(directory, sizes)
    yield from measure_associations(directory / "associations")


def _processes(directory: Path, sizes: Sizes) -> Iterator[Figure]:
    """Measure two receiving processes beside one, with senders that leave them the processors."""
    starts: dict[str, Start] = {
        TWO: functools.partial(own_part, "written", processes=2),
        ONE: functools.partial(own_part, "written"),
    }
    images = make_set(directory / "sets", SMALL, [4 * sizes.written[SMALL]] * SENDERS)
    with tempfile.TemporaryDirectory(dir=in_memory(directory, images.megabytes)) as sink:
        runs = interleaved(Path(sink), starts, images, SENDERS, sizes.repetitions, passing=True, prepare=prepared)
    yield from figures("small, written, requests prepared", images, runs, (Wanted(ONE, 1.3),))
    shutil.rmtree(directory / "sets")


def measure_archiving(directory: Path, site: Path, sizes: Sizes = Sizes(COUNTS, FILED_COUNTS)) -> Iterator[Figure]:
    """Measure until everything is forced to disk and filed in the database by our broker, and in Orthanc's."""
    starts: dict[str, Start] = {
        OURS: functools.partial(own, site=site),
        ORTHANC: orthanc,
        ORTHANC_TUNED: functools.partial(orthanc, settings=TUNED),
    }
    for shape, count in sizes.filed.items():
        images = make_set(directory / shape.name / "sets", shape, [count] * SENDERS)
        yield described(images, SENDERS, directory, f"fsynced and filed; {ORTHANC_TUNED} does not fsync")
        runs = interleaved(directory / shape.name, starts, images, SENDERS, sizes.repetitions)
        yield from figures(f"{shape.name}, filed", images, runs, FILED)
