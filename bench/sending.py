"""Images per second from the export queue to DCMTK's storescp: the queue durable, every image's success told to the broker."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom import dcmread
from sqlalchemy import Connection, delete, insert

from bench.figures import Figure
from bench.filled import written
from bench.image_sets import CT, SMALL, ImageSet, Shape, make_set
from bench.peers import ENVIRONMENT
from bench.processes import tree_cpu_seconds
from bench.queues import LOCATION, MOMENT
from bench.routing import sending_to, sink
from bench.services import services
from fileman import hashed_directories, to_fileman
from fileman.files import DicomExport, DicomExportImage, HeldDestination, Image
from runtime import SystemClock

DESTINATION = "READING ROOM"
#: Images of a study: each goes over an association of its own.
PER_STUDY = 250
#: Images that are sent, and how many a second are wanted.
COUNTS: Mapping[Shape, int] = {CT: 1000, SMALL: 3000}
WANTED: Mapping[Shape, int] = {CT: 500, SMALL: 1500}
#: Seconds for all of them, and between looks at the queue.
PATIENCE, _LOOK = 180.0, 0.02
_FIRST = "SELECT min(status_at) FROM dicom_export_image WHERE status='XMIT'"
_DONE = "SELECT count(*), max(status_at) FROM dicom_export_image WHERE status='SUCCESS'"


class TooSlow(Exception):
    """The images were not sent in time."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of a run: images a second, and processor milliseconds for one of gateway and broker."""

    per_second: float
    gateway_ms: float
    broker_ms: float


def measure_sending(directory: Path, site: Path, counts: Mapping[Shape, int] = COUNTS) -> Iterator[Figure]:
    """Measure from the moment when the first entry is taken to that when the last is known to have arrived."""
    rows = [(shape.name, shape, ENVIRONMENT, "; storescp with TCP_NODELAY=1") for shape in counts]
    rows.append((f"{SMALL.name} to a storescp as it comes", SMALL, os.environ, ""))
    for name, shape, environment, how in rows:
        folder, count = directory / name.replace(" ", "-"), counts[shape]
        with sink(folder / "sink", environment) as peer:
            routed = sending_to(peer.port, site, folder)
            sent = _sent(folder / "magbroker", routed, make_set(folder / "sets", shape, [count]))
            arrived = peer.taken()
        assert arrived == count, f"{arrived} of {count} arrived"
        note = (
            f"{count:,} images, {min(count, PER_STUDY)} a study, fsynced; wanted {WANTED[shape]:,};"
            f" {sent.gateway_ms:.2f} ms CPU an image in the gateway, {sent.broker_ms:.2f} in the broker{how}"
        )
        yield Figure(f"{name}, sent from the export queue", sent.per_second, note)


def _sent(directory: Path, site: Path, images: ImageSet) -> Sent:
    with services(directory, site, gateway=False):
        _fill(directory, images)
    with services(directory, site) as running, contextlib.closing(opened(directory)) as database:
        broker, gateway = ([pid] for pid in running.pids)
        os.sync()
        used = tree_cpu_seconds(gateway), tree_cpu_seconds(broker)
        seconds = seconds_to_send(directory, database, images.count)
        cpu = tree_cpu_seconds(gateway) - used[0], tree_cpu_seconds(broker) - used[1]
    return Sent(images.count / seconds, *(1000 * used / images.count for used in cpu))


def seconds_to_send(directory: Path, database: sqlite3.Connection, count: int) -> float:
    """Let a queue go that is held, and wait until all of it is known to have arrived; few may have gone between two looks."""
    released = time.time()
    with written(directory / "magbroker.db") as connection:
        connection.execute(delete(HeldDestination))
    began = _first(database, count)
    return _last(database, count) - (began or released)


def opened(directory: Path) -> sqlite3.Connection:
    """Open a broker's database to look into it."""
    return sqlite3.connect(f"file:{directory / 'magbroker.db'}?mode=ro", uri=True)


def _first(database: sqlite3.Connection, count: int) -> float | None:
    until = time.perf_counter() + PATIENCE
    while (at := database.execute(_FIRST).fetchone()[0]) is None:
        if database.execute(_DONE).fetchone()[0] >= count:
            return None
        _wait(until)
    return float(at)


def _last(database: sqlite3.Connection, count: int) -> float:
    until = time.perf_counter() + PATIENCE
    while (row := database.execute(_DONE).fetchone())[0] < count:
        _wait(until)
    return float(row[1])


def _wait(until: float) -> None:
    if time.perf_counter() > until:
        raise TooSlow(f"The images were not sent in {PATIENCE:g} s.")
    time.sleep(_LOOK)


def _fill(directory: Path, images: ImageSet) -> None:
    """Put images on file and into the queue of a destination that is held."""
    paths = [path for folder in images.folders for path in sorted(folder.iterdir())]
    with written(directory / "magbroker.db") as connection:
        connection.execute(insert(Image), [_image(directory, ien, path) for ien, path in enumerate(paths, start=1)])
        queue_images(connection, range(1, len(paths) + 1))


def queue_images(connection: Connection, images: Sequence[int]) -> None:
    """Put images into the queue of a destination, which is held."""
    connection.execute(insert(HeldDestination), {"application": DESTINATION, "held_at": 0.0, "held_by": "BENCH"})
    connection.execute(insert(DicomExport), [_export(number) for number in range(-(-len(images) // PER_STUDY))])
    connection.execute(insert(DicomExportImage), [_entry(number, image) for number, image in enumerate(images)])


def _image(directory: Path, ien: int, path: Path) -> dict[str, object]:
    name = f"DEMO{ien:010d}.DCM"
    place = directory.joinpath("image1", *hashed_directories(name), name)
    place.parent.mkdir(parents=True, exist_ok=True)
    path.rename(place)
    return {
        "ien": ien,
        "name": "BENCH",
        "file_ref": name,
        "location": 1,
        "object_type": 100,
        "patient": 1001,
        "saved_at": MOMENT,
        "saved_by": 0,
        "uid": str(dcmread(place, specific_tags=["SOPInstanceUID"], stop_before_pixels=True).SOPInstanceUID),
    }


def _export(number: int) -> dict[str, object]:
    return {
        "ien": number + 1,
        "application": DESTINATION,
        "group": 1_000_000 + number,
        "origin": LOCATION,
        "priority": 500,
        "requested": to_fileman(SystemClock().now()),  # older ones are given up
        "last_sequence": PER_STUDY,
        "image_count": PER_STUDY,
    }


def _entry(number: int, image: int) -> dict[str, object]:
    return {
        "export": number // PER_STUDY + 1,
        "sequence": number % PER_STUDY + 1,
        "image": image,
        "status": "WAITING",
        "origin": LOCATION,
        "application": DESTINATION,
        "priority": 500,
        "status_at": 0.0,
    }
