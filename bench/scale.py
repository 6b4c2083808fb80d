"""What an image costs at each stage, measured with several processes on one PostgreSQL (docs/scaling.md).

Usage: python -m bench.scale [--images N] [--json FILE]. It takes some minutes; `make bench` leaves it out.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.processes import cpu_seconds
from bench.taskman import measure_resting
from console.processes import Child
from tests.support.dicom import ResendingModality, Storescp, make_slices
from tests.support.farm import Farm, farm, start_evaluator
from tests.support.postgres import PostgresCluster
from tests.support.services import DEMO_SITE

#: Brokers, workers and gateways of each run.
SHAPES = ((1, 1, 1), (1, 1, 2), (2, 1, 2), (2, 2, 2))
PATIENCE_SECONDS = 600.0
_FILED = "SELECT count(*) FROM image_event WHERE stage = 'PROCESSED'"
_SENT = "SELECT count(*) FROM dicom_export_image WHERE status = 'SUCCESS'"
_BYTES = "SELECT pg_database_size(current_database())"
_COMMITS = "SELECT xact_commit, (SELECT wal_bytes FROM pg_stat_wal) FROM pg_stat_database WHERE datname = current_database()"


@dataclass(frozen=True, slots=True)
class Cost:
    """One run: its shape, images per second until filed and until sent, and what one image costs.

    Processor time is in milliseconds of one core, database size and write-ahead log in bytes.
    """

    brokers: int
    workers: int
    gateways: int
    filed_per_second: float
    sent_per_second: float
    gateway_ms: float
    broker_ms: float
    worker_ms: float
    postgresql_ms: float
    transactions: float
    database_bytes: float
    log_bytes: float


def measure_shape(directory: Path, shape: tuple[int, int, int], images: int) -> Cost:
    """Send images through as many processes as a shape names; each is filed, judged by one rule, and sent on."""
    slices = list(make_slices(directory / "slices", images).values())
    cluster = PostgresCluster(durable=True)
    cluster.start()
    try:
        _name, url = cluster.create_database()
        with Storescp(directory / "received") as destination, farm(directory, url, destination.port, shape) as it:
            client = it.client(0)
            _await(lambda: start_evaluator(client).startswith("0,"))
            client.bye()
            before, begun = _Used.of(it, cluster), time.perf_counter()
            senders = [
                ResendingModality(gateway.port, slices[part :: shape[2]], 200, 0.0) for part, gateway in enumerate(it.gateways)
            ]
            for sender in senders:
                sender.start()
            _await(lambda: _number(it, _FILED) >= images)
            filed = time.perf_counter() - begun
            _await(lambda: _number(it, _SENT) >= images)
            sent = time.perf_counter() - begun
            after = _Used.of(it, cluster)
    finally:
        cluster.stop()
    used = [(late - early) / images for early, late in zip(before.values(), after.values(), strict=True)]
    return Cost(*shape, images / filed, images / sent, *(milliseconds * 1000 for milliseconds in used[:4]), *used[4:])


@dataclass(frozen=True, slots=True)
class Resting:
    """What an evaluator costs that has nothing to do, in milliseconds of a core each second."""

    worker_ms: float
    postgresql_ms: float


def measure_rest(directory: Path, site: Path) -> Resting:
    """Let evaluators of many locations rest."""
    cluster = PostgresCluster(durable=True)
    cluster.start()
    try:
        return Resting(*measure_resting(directory, cluster, site))
    finally:
        cluster.stop()


@dataclass(frozen=True, slots=True)
class _Used:
    """What was used up to a moment."""

    gateways: float
    brokers: float
    workers: float
    postgresql: float
    transactions: float
    database: float
    log: float

    @classmethod
    def of(cls, it: Farm, cluster: PostgresCluster) -> _Used:
        ((transactions, log),) = it.rows(_COMMITS)
        return cls(
            _cpu(it.gateways),
            _cpu(it.brokers),
            _cpu(it.workers),
            cluster.cpu_seconds(),
            float(transactions),
            float(_number(it, _BYTES)),
            float(log),
        )

    def values(self) -> tuple[float, ...]:
        return (
            self.gateways,
            self.brokers,
            self.workers,
            self.postgresql,
            self.transactions,
            self.database,
            self.log,
        )


def _cpu(children: Iterable[Child]) -> float:
    return sum(cpu_seconds(child.process.pid) for child in children if child.process is not None)


def _number(it: Farm, statement: str) -> int:
    ((number,),) = it.rows(statement)
    return int(number)


def _await(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"it took longer than {PATIENCE_SECONDS:.0f} s")
        threading.Event().wait(0.1)


def show(costs: list[Cost]) -> Table:
    """Lay the runs out, a column each."""
    table = Table(box=None, padding=(0, 2), header_style="bold")
    table.add_column("brokers / workers / gateways")
    for cost in costs:
        table.add_column(f"{cost.brokers} / {cost.workers} / {cost.gateways}", justify="right")
    for name, unit in _LINES.items():
        table.add_row(f"{name.replace('_', ' ')}{unit}", *(f"{getattr(cost, name):,.1f}" for cost in costs))
    return table


def tell(resting: Resting) -> str:
    """Say what a resting evaluator costs."""
    return (
        f"  an evaluator with an empty queue, each second: {resting.worker_ms:.2f} ms of a worker's core, "
        f"{resting.postgresql_ms:.2f} ms of PostgreSQL's"
    )


_LINES = {
    "filed_per_second": "",
    "sent_per_second": "",
    "gateway_ms": " of a core",
    "broker_ms": " of a core",
    "worker_ms": " of a core",
    "postgresql_ms": " of a core",
    "transactions": "",
    "database_bytes": "",
    "log_bytes": "",
}


def main() -> None:
    """Measure every shape and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=600, help="images of each run")
    parser.add_argument("--json", type=Path, help="write the figures to a file, for bench.scale_model")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        resting = measure_rest(Path(folder) / "resting", DEMO_SITE)
    costs = []
    for shape in track(SHAPES, "measuring", console=Console(stderr=True)):
        with tempfile.TemporaryDirectory() as folder:
            costs.append(measure_shape(Path(folder), shape, chosen.images))
    console = Console(width=130)
    console.print(show(costs), highlight=False)
    console.print(tell(resting), highlight=False)
    if chosen.json:
        measured = {"runs": [asdict(cost) for cost in costs], "resting": asdict(resting)}
        chosen.json.write_text(json.dumps(measured, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
