"""What watching costs: one look at everything that there are alerts of, with little and with ten times as much in the queues."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, insert

from bench.figures import Figure
from console.alerts.watch import Watch
from fileman import Store
from fileman.files import (
    BackgroundQueue,
    DicomExport,
    DicomExportImage,
    ImagingSite,
    Institution,
    TaskManager,
)
from runtime import AlertSettings, SystemClock

#: Entries of the export queue, and as many of the EVAL queue; destinations, and images of an export.
ENTRIES = (20_000, 200_000)
DESTINATIONS, IMAGES = 20, 1000
ROUNDS = 50


def measure_alerting(directory: Path) -> Iterator[Figure]:
    """Measure looks, each with all its conditions, which otherwise take turns."""
    for count in ENTRIES:
        folder = directory / str(count)
        folder.mkdir(parents=True)
        store = Store(f"sqlite:///{folder / 'alerts.db'}")
        store.transact(partial(_fill, count=count))
        watch = Watch(store, SystemClock(), AlertSettings(), folder, [("data directory", folder)])
        took = [_look(watch) for _round in range(ROUNDS)]
        store.close()
        note = f"median of {ROUNDS}, {DESTINATIONS} destinations, {count:,} entries in each queue; every 5 s"
        yield Figure("a look for alerts", 1000 * statistics.median(took), note, unit="ms", digits=1)


def _look(watch: Watch) -> float:
    watch.looking.again()
    began = time.perf_counter()
    watch.look()
    return time.perf_counter() - began


def _fill(connection: Connection, count: int) -> None:
    now = time.time()
    connection.execute(insert(Institution).values(ien=660, name="SALT LAKE CITY", station="660"))
    connection.execute(insert(ImagingSite).values(ien=1, institution=660, namespace="SL"))
    beat = {"executor": "E", "host": "H", "pid": 1, "started_at": now, "heartbeat_at": now + 3600}
    connection.execute(insert(TaskManager).values(**beat))
    for export in range(1, count // IMAGES + 1):
        common = {"origin": 660, "priority": 500, "application": f"DESTINATION {export % DESTINATIONS}"}
        connection.execute(insert(DicomExport).values(ien=export, group=1, requested="3261124", **common))
        status = "SUCCESS" if export > DESTINATIONS else "WAITING"
        images = [{"export": export, "sequence": n, "image": n, "status": status} for n in range(1, IMAGES + 1)]
        connection.execute(insert(DicomExportImage), [{**it, "status_at": now, **common} for it in images])
        first = export * IMAGES
        entries = [{"ien": first + n, "image": n, "queue": "EVAL", "duz": 1, "requested": "3261124.12"} for n in range(IMAGES)]
        state = "PROCESSED" if export > 1 else "NOT_PROCESSED"
        connection.execute(insert(BackgroundQueue), [{**it, "place": 1, "status": state} for it in entries])
