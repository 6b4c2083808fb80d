"""Images per second of a study that a C-MOVE asks for, beside the same images from the export queue, in one run."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

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
            moved, sent, cpu = _measured(folder / "magbroker", routed, make_set(folder / "sets", shape, [count]))
        note = f"{count:,} images, of {MOVES} requests; {cpu:.2f} ms CPU an image in the gateway"
        yield Figure(f"{shape.name}, moved by C-MOVE", moved, note)
        yield Figure(f"{shape.name}, sent from the export queue in the same run", sent, f"{count:,} images")
        yield Figure(f"{shape.name}, C-MOVE against the queue", moved / sent, f"wanted {WANTED:g}", unit="x", digits=2)


def _measured(directory: Path, site: Path, images: ImageSet) -> tuple[float, float, float]:
    """Give images a second by C-MOVE and from the queue, and processor milliseconds of a moved one."""
    study = str(dcmread(next(images.folders[0].iterdir()), stop_before_pixels=True).StudyInstanceUID)
    with services(directory, site) as running, contextlib.closing(opened(directory)) as database:
        _broker, gateway = running.pids
        send(running.dicom_port, images, 1)
        _await_archived(database, images.count)
        asked = Requester(Peer("127.0.0.1", running.dicom_port, "MAGBROKER", "BENCH"))
        numbers = [number for (number,) in database.execute(_IMAGES)]
        os.sync()
        used, moving = 0.0, 0.0
        for turn in range(MOVES):
            if turn == MOVES // 2:
                with written(directory / "magbroker.db") as connection:
                    queue_images(connection, numbers)
                sending = seconds_to_send(directory, database, images.count)
            before, began = tree_cpu_seconds([gateway]), time.perf_counter()
            done = asked.move(AE_TITLE, f"StudyInstanceUID={study}")
            moving += time.perf_counter() - began
            used += tree_cpu_seconds([gateway]) - before
            assert done.progress.completed == images.count, done
    times = MOVES * images.count
    return times / moving, images.count / sending, 1000 * used / times


def _await_archived(database: sqlite3.Connection, count: int) -> None:
    until = time.perf_counter() + _PATIENCE
    while database.execute(_ARCHIVED).fetchone()[0] < count:
        if time.perf_counter() > until:
            raise TooSlow(f"The images were not archived in {_PATIENCE:g} s.")
        time.sleep(_LOOK)
