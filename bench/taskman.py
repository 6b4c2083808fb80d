"""TaskMan: enqueuing, start latency, throughput, what an idle system costs, and evaluators on one worker and on two."""

from __future__ import annotations

import contextlib
import functools
import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, func, insert, select, text

from bench.figures import Figure
from bench.processes import cpu_seconds
from bench.services import services
from bench.task_worker import TaskFigures, measure
from fileman import SiteKey, Store, apply_site, next_iens, read_site_file
from fileman.files import BackgroundQueue, Image, ImagingSite
from rules import parse_rules, to_elements
from rules.evaluator import ENTRY_POINT
from runtime import SystemClock
from taskman import Engine, api
from taskman.tasks import tasks_at_work
from tests.support.postgres import PostgresCluster

#: The engine looks more often in its first minute.
SETTLE, IDLE_SECONDS = 65.0, 15.0
#: Evaluators with nothing to do, at locations that have no queue, and seconds until they look as seldom as they will.
RESTING, FIRST_RESTING, RESTING_SETTLE = 30, 9000, 10.0
IMAGES = 6000
#: Runs on one worker, each followed by one on two.
PAIRS = 5
RULES = "\n".join(f'dicom("READING ROOM") when MODALITY=M{number} SOURCE="66*"' for number in range(10))
_WAITING = select(func.count()).select_from(BackgroundQueue)
_ACTIVITY = text(
    "SELECT count(*) FILTER (WHERE wait_event_type = 'Lock'), count(*) FROM pg_stat_activity"
    " WHERE state = 'active' AND pid <> pg_backend_pid() AND datname = current_database()"
)


def measure_taskman(directory: Path, site: Path) -> Iterator[Figure]:
    """Measure on SQLite and on a PostgreSQL server with fsync."""
    directory.mkdir(parents=True)
    yield from _on_sqlite(directory / "sqlite", site)
    cluster = PostgresCluster(durable=True)
    cluster.start()
    try:
        yield from _on_postgresql(directory / "postgresql", cluster)
        yield from _evaluators(directory / "evaluators", cluster, site)
        resting = measure_resting(directory / "resting", cluster, site)
        note = f"of a core each second, mean of {RESTING}; {resting[0]:.2f} its worker's"
        yield Figure("an evaluator with an empty queue, PostgreSQL", sum(resting), note, "ms", digits=1)
    finally:
        cluster.stop()


@dataclass
class WorkerProcess:
    """A worker of the bench."""

    process: subprocess.Popen[str]

    def ask(self, line: str) -> str:
        """Say a line and give the next one that comes."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()

    def cpu(self) -> float:
        """Give the processor seconds that it has used."""
        return cpu_seconds(self.process.pid)


@contextlib.contextmanager
def worker(url: str, directory: Path, slots: int = 32) -> Iterator[WorkerProcess]:
    """Run a worker until the block ends."""
    directory.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "bench.task_worker", url, str(directory), str(slots)]
    with (directory / f"worker-{time.monotonic_ns()}.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        if process.stdout.readline().strip() != "runs":
            raise RuntimeError(f"the worker did not start; see {directory}")
        yield WorkerProcess(process)
    finally:
        process.stdin.close()
        process.wait(30)
        process.stdout.close()


def _figures(name: str, found: TaskFigures) -> Iterator[Figure]:
    yield Figure(f"enqueue a task, {name}", found.enqueue_ms, "median; wanted under 5", "ms", digits=1)
    yield Figure(f"start of a task, {name}", found.start_ms, f"median; the latest {found.latest_ms:.0f}; wanted under 200", "ms")
    wanted = 100 if name == "SQLite" else 180
    yield Figure(f"trivial tasks, {name}", found.per_second, f"one worker; wanted {wanted}")


def _on_sqlite(directory: Path, site: Path) -> Iterator[Figure]:
    directory.mkdir()
    with worker(f"sqlite:///{directory / 'magbroker.db'}", directory) as one:
        yield from _figures("SQLite", TaskFigures(**json.loads(one.ask("measure"))))
    with services(directory / "idle", site, gateway=False) as running:
        pid = json.loads((running.directory / "run.json").read_text(encoding="utf-8"))["pid"]
        idle = _idle(lambda: cpu_seconds(pid))
        yield Figure("an idle broker with TaskMan, SQLite", idle, "of a core; wanted under 3", "%", digits=1)


def _on_postgresql(directory: Path, cluster: PostgresCluster) -> Iterator[Figure]:
    _name, url = cluster.create_database()
    store = Store(url)
    loader = Engine(store, SystemClock(), directory, worker=False)
    with worker(url, directory) as one:
        loader.launch()
        yield from _figures("PostgreSQL", measure(store, loader))
        idle = _idle(lambda: one.cpu() + cluster.cpu_seconds())
        yield Figure("an idle worker with its PostgreSQL", idle, "of a core; wanted under 3", "%", digits=1)
    loader.shutdown()
    store.close()


def _idle(used: Callable[[], float]) -> float:
    """Give the share of a core, in percent, that is used while nothing happens."""
    threading.Event().wait(SETTLE)
    before = used()
    threading.Event().wait(IDLE_SECONDS)
    return (used() - before) / IDLE_SECONDS * 100


@dataclass(frozen=True, slots=True)
class Run:
    """One run of both locations' evaluators: images, processor milliseconds, backends at work, those that waited for locks."""

    per_second: float
    cpu_ms: float
    active: int
    waiting: int


def _evaluators(directory: Path, cluster: PostgresCluster, site: Path) -> Iterator[Figure]:
    """Evaluate the images of two locations on one worker and on two, in turn; a run is short, so the medians of several count."""
    pairs = [
        tuple(_evaluate(directory / f"{turn}-{workers}", cluster, site, workers) for workers in (1, 2)) for turn in range(PAIRS)
    ]
    rates = [statistics.median(pair[which].per_second for pair in pairs) for which in (0, 1)]
    costs = [statistics.median(pair[which].cpu_ms for pair in pairs) for which in (0, 1)]
    times = sorted(two.per_second / one.per_second for one, two in pairs)
    waits = sum(two.waiting for _, two in pairs) / max(1, sum(two.active for _, two in pairs))
    yield Figure("images evaluated by one worker", rates[0], f"2 locations, 10 rules; {costs[0]:.2f} ms of a core each")
    note = f"{rates[1] / rates[0]:.2f} times ({times[0]:.2f} to {times[-1]:.2f} in {PAIRS} pairs); wanted 1.3; "
    yield Figure("images evaluated by two workers", rates[1], f"{note}{costs[1] / costs[0] - 1:+.0%} processor time each")
    yield Figure("backends that wait for a lock", waits * 100, "of active ones, two workers; wanted at most 1", "%", digits=1)


def _evaluate(directory: Path, cluster: PostgresCluster, site: Path, workers: int) -> Run:
    store, url = _open_site(directory, cluster, site)
    locations = store.transact(_file_images)
    for location in locations:
        store.transact(functools.partial(_load_evaluator, location=location))
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(worker(url, directory, slots=2 // workers)) for _ in range(workers)]
        while _waiting(store) == IMAGES:
            threading.Event().wait(0.01)
        left, began, used = _waiting(store), time.perf_counter(), sum(one.cpu() for one in running)
        waits = active = 0
        while _waiting(store) > 0:
            locked, seen = store.read(lambda connection: connection.execute(_ACTIVITY).one())
            waits, active = waits + locked, active + seen
            threading.Event().wait(0.02)
        elapsed = time.perf_counter() - began
        used = sum(one.cpu() for one in running) - used
        store.transact(lambda connection: api.stop_all(connection, ENTRY_POINT))
    store.close()
    return Run(left / elapsed, used / left * 1000, active, waits)


def _open_site(directory: Path, cluster: PostgresCluster, site: Path) -> tuple[Store, str]:
    """Load a site into a database of its own; give its store and URL."""
    _name, url = cluster.create_database()
    store = Store(url)
    directory.mkdir(parents=True)
    key = SiteKey.load_or_create(directory / "site.key")
    store.transact(lambda connection: apply_site(connection, read_site_file(site), key, SystemClock().now()))
    return store, url


def measure_resting(directory: Path, cluster: PostgresCluster, site: Path) -> tuple[float, float]:
    """Give what an evaluator costs whose queue is empty: milliseconds of a core each second, its worker's and PostgreSQL's."""
    store, url = _open_site(directory, cluster, site)
    with worker(url, directory) as one:

        def used() -> tuple[float, float]:
            return one.cpu(), cluster.cpu_seconds()

        without = _used_in(used, SETTLE)
        for location in range(RESTING):
            store.transact(functools.partial(_load_evaluator, location=FIRST_RESTING + location))
        while len(store.read(tasks_at_work)) < RESTING:
            threading.Event().wait(0.1)
        resting = _used_in(used, RESTING_SETTLE)
        store.transact(lambda connection: api.stop_all(connection, ENTRY_POINT))
    store.close()
    worker_ms, postgresql_ms = (max(0.0, late - early) / RESTING * 1000 for early, late in zip(without, resting, strict=True))
    return worker_ms, postgresql_ms


def _used_in(used: Callable[[], tuple[float, ...]], settle: float) -> tuple[float, ...]:
    """Give processor seconds that are used each second, after a while."""
    threading.Event().wait(settle)
    before = used()
    threading.Event().wait(IDLE_SECONDS)
    return tuple((late - early) / IDLE_SECONDS for early, late in zip(before, used(), strict=True))


def _waiting(store: Store) -> int:
    return store.read(lambda connection: connection.execute(_WAITING).scalar_one())


def _load_evaluator(connection: Connection, location: int) -> int:
    elements = [(str(number), text) for number, text in enumerate(to_elements(parse_rules(RULES)), start=1)]
    return api.load(connection, ENTRY_POINT, {"location": location, "rules": elements}, "the bench", 1, time.time())


def _file_images(connection: Connection) -> list[int]:
    """File images, half of them at each of two locations, each of a study of its own, and queue them."""
    sites = connection.execute(select(ImagingSite.ien, ImagingSite.institution).order_by(ImagingSite.ien).limit(2)).all()
    common = {"name": "", "object_type": 100, "patient": 1, "procedure": "CT", "saved_at": "3261121", "saved_by": 1}
    images = [
        {**common, "ien": number + 1, "uid": f"1.2.{number}", "file_ref": f"A{number}.DCM", "location": 1}
        for number in range(IMAGES)
    ]
    connection.execute(insert(Image), images)
    entry = {"queue": "EVAL", "duz": 1, "requested": "3261121", "status": "NOT_PROCESSED"}
    iens = next_iens(connection, "background_queue", IMAGES)
    entries = [
        {**entry, "ien": ien, "image": image["ien"], "place": sites[index % 2].ien}
        for index, (ien, image) in enumerate(zip(iens, images, strict=True))
    ]
    connection.execute(insert(BackgroundQueue), entries)
    return [row.institution for row in sites]
