"""Images per second of a study that a C-MOVE asks for, beside the same images from the export queue, in one run."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import harmonic_mean, mean

from pydicom import dcmread

from bench.figures import Figure
from bench.filled import written
from bench.image_sets import CT, ImageSet, Shape, make_set
from bench.interleaved import send
from bench.peers import ENVIRONMENT
from bench.processes import tree_cpu_seconds
from bench.routing import sending_to, sink
from bench.sending import TooSlow, opened, queue_images, seconds_to_send
from bench.services import services
from magbroker.gateway import Peer, Requester

#: What the demo site calls the destination, as a C-MOVE names it.
AE_TITLE = "READROOM"
#: Images that are moved, and how often: before and after the queue sends them, so that neither finds colder files.
COUNTS: Mapping[Shape, int] = {CT: 1000}
MOVES = 2
#: What C-MOVE is to reach of the queue's speed.
WANTED = 1.0
_PATIENCE, _LOOK = 180.0, 0.05
_ARCHIVED = "SELECT count(*) FROM archive_instance"
_IMAGES = "SELECT image FROM archive_instance ORDER BY image"


def measure_moving(directory: Path, site: Path, counts: Mapping[Shape, int] = COUNTS) -> Iterator[Figure]:
    """Measure from the request to its final answer, and the queue as `measure_sending` does, all to DCMTK's storescp."""
    for shape, count in counts.items():
        folder = directory / shape.name
        with sink(folder / "sink", ENVIRONMENT) as peer:
            routed = sending_to(peer.port, site, folder)
            moved, sent = _measured(folder / "magbroker", routed, make_set(folder / "sets", shape, [count]))
        cpu = "{0:.2f} ms CPU an image in the gateway"
        note = f"{count:,} images, {MOVES} requests; {cpu.format(moved.gateway_ms)}"
        yield Figure(f"{shape.name}, moved by C-MOVE", moved.per_second, note)
        subject = f"{shape.name}, sent from the export queue in the same run"
        yield Figure(subject, sent.per_second, f"{count:,} images; {cpu.format(sent.gateway_ms)}")
        ratio = moved.per_second / sent.per_second
        yield Figure(f"{shape.name}, C-MOVE against the queue", ratio, f"wanted {WANTED:g}", unit="x", digits=2)


@dataclass(frozen=True, slots=True)
class Went:
    """Images a second, and processor milliseconds for one in the gateway."""

    per_second: float
    gateway_ms: float


def _measured(directory: Path, site: Path, images: ImageSet) -> tuple[Went, Went]:
    """Give how images go by C-MOVE and from the queue."""
    study = str(dcmread(next(images.folders[0].iterdir()), stop_before_pixels=True).StudyInstanceUID)
    with services(directory, site) as running, contextlib.closing(opened(directory)) as database:
        _broker, gateway = running.pids
        send(running.dicom_port, images, 1)
        _await_archived(database, images.count)
        asked = Requester(Peer("127.0.0.1", running.dicom_port, "MAGBROKER", "BENCH"))
        numbers = [number for (number,) in database.execute(_IMAGES)]

        def move() -> float:
            began = time.perf_counter()
            done = asked.move(AE_TITLE, f"StudyInstanceUID={study}")
            assert done.progress.completed == images.count, done
            return time.perf_counter() - began

        def queue() -> float:
            return seconds_to_send(directory, database, images.count)

        os.sync()
        moved = [_went(gateway, move, images.count)]
        with written(directory / "magbroker.db") as connection:
            queue_images(connection, numbers)
        sent = _went(gateway, queue, images.count)
        moved += [_went(gateway, move, images.count) for _ in range(MOVES - 1)]
    return Went(harmonic_mean([it.per_second for it in moved]), mean([it.gateway_ms for it in moved])), sent


def _went(gateway: int, work: Callable[[], float], count: int) -> Went:
    """Do something that says how many seconds so many images took."""
    before = tree_cpu_seconds([gateway])
    seconds = work()
    return Went(count / seconds, 1000 * (tree_cpu_seconds([gateway]) - before) / count)


def _await_archived(database: sqlite3.Connection, count: int) -> None:
    until = time.perf_counter() + _PATIENCE
    while database.execute(_ARCHIVED).fetchone()[0] < count:
        if time.perf_counter() > until:
            raise TooSlow(f"The images were not archived in {_PATIENCE:g} s.")
        time.sleep(_LOOK)
