"""Images per second from C-STORE in, through one rule, to C-STORE out, beside Orthanc's autorouting, for several backlogs."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bench.figures import Figure
from bench.image_sets import CT, SMALL, Shape, make_set
from bench.interleaved import REPETITIONS, Run, Start, Wanted, described, figures, in_memory, interleaved
from bench.peers import ENVIRONMENT, Peer, orthanc, own, storescp
from bench.receiving import OURS

ORTHANC = "Orthanc"
WANTED = (Wanted(ORTHANC, 2.0),)
RULE = 'dicom("READING ROOM") when MODALITY=CT\n'
#: The port of the demo site's destinations.
_DESTINATION = "port = 11113"


@dataclass(frozen=True, slots=True)
class Backlogs:
    """How much is measured: images that both route, by shape, and backlogs of small images that grow from there.

    A larger backlog is routed once only, and by Orthanc up to `orthanc_limit`: its time grows with the square.
    """

    both: Mapping[Shape, int]
    growing: tuple[int, ...]
    orthanc_limit: int
    repetitions: int = REPETITIONS


SIZES = Backlogs({CT: 300, SMALL: 300}, (300, 1200, 5000), orthanc_limit=1200)


def measure_routing(directory: Path, site: Path, sizes: Backlogs = SIZES) -> Iterator[Figure]:
    """Measure until a sink, DCMTK's storescp, has all: both in turn, then growing backlogs."""
    starts: dict[str, Start] = {
        OURS: lambda folder: _own(folder, site),
        ORTHANC: _orthanc,
    }
    routed: dict[Shape, dict[str, Run]] = {}
    for shape, count in sizes.both.items():
        images = make_set(directory / shape.name / "sets", shape, [count])
        yield described(images, 1, directory, "both fsync, one rule, the sink in memory")
        routed[shape] = interleaved(directory / shape.name, starts, images, 1, sizes.repetitions)
        yield from figures(f"{shape.name}, in until out, {count:,}", images, routed[shape], WANTED)
    yield from _growing(directory, starts, sizes, routed[SMALL][OURS])


def _growing(directory: Path, starts: Mapping[str, Start], sizes: Backlogs, before: Run) -> Iterator[Figure]:
    """Route backlogs of small images; each holds the one before it."""
    steps = [more - less for less, more in zip((0, *sizes.growing), sizes.growing, strict=False)]
    images = make_set(directory / "growing" / "sets", SMALL, steps)
    for place, count in enumerate(sizes.growing[1:], start=2):
        backlog = replace(images, folders=images.folders[:place], count=count)
        chosen = {name: start for name, start in starts.items() if name == OURS or count <= sizes.orthanc_limit}
        runs = interleaved(directory / f"growing-{count}", chosen, backlog, 1, 1)
        wanted = WANTED if ORTHANC in runs else ()
        yield from figures(f"small, in until out, {count:,}", backlog, runs, wanted)
        times = before.images / runs[OURS].images
        note = f"against one of {sizes.growing[place - 2]:,}; linear is 1"
        yield Figure(f"time for an image of {count:,}", times, note, unit="x", digits=2)
        before = runs[OURS]


@contextlib.contextmanager
def _own(directory: Path, site: Path) -> Iterator[Peer]:
    """Run our broker and gateway with a rule, and a sink; taken is what the sink has."""
    with sink(directory) as peer:
        rules = directory / "bench.rule"
        rules.write_text(RULE, encoding="utf-8")
        with own(directory / "magbroker", sending_to(peer.port, site, directory), rules) as router:
            yield replace(router, taken=peer.taken)


@contextlib.contextmanager
def _orthanc(directory: Path) -> Iterator[Peer]:
    """Run Orthanc with a script that does what the rule does, and a sink."""
    with sink(directory) as peer, orthanc(directory / "orthanc", sink=peer.port) as router:
        yield replace(router, taken=peer.taken)


def sending_to(port: int, site: Path, directory: Path) -> Path:
    """Write a site file like the demo site's, whose destinations listen on a port."""
    routed = directory / "site.toml"
    routed.write_text(site.read_text(encoding="utf-8").replace(_DESTINATION, f"port = {port}"), encoding="utf-8")
    return routed


@contextlib.contextmanager
def sink(directory: Path, environment: Mapping[str, str] = ENVIRONMENT) -> Iterator[Peer]:
    """Run storescp, which keeps up with any router as it writes into memory."""
    directory.mkdir(parents=True)
    memory = tempfile.TemporaryDirectory(dir=in_memory(directory, 1000))
    with memory as folder, storescp(Path(folder), ("+B",), environment) as peer:
        yield peer
