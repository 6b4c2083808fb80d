"""What an administrator waits for: lists and the status of a site with a million images, and what the live feed costs."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import create_engine, func, select

from bench.console import measure_console
from bench.feed_cost import cost_of
from bench.figures import Figure
from bench.filled import EXAMS, FAR, FIRST, PEOPLE, PER_EXAM, accession, fill_exams, fill_images, fill_people, fill_queues
from bench.services import services
from console.errors import WrongUsage
from console.tasks.socket_desk import SocketDesk
from fileman.files import Image
from rpcs.actions import ACTIONS
from rpcs.queues import QUEUES

ROUNDS = 20
#: Milliseconds that are wanted at most.
LIST_WANTED, STATUS_WANTED = 200.0, 300.0
#: Listeners to the feed.
LISTENERS = 10
#: Lists that are asked for a part of what there is.
NARROWED: tuple[tuple[str, dict[str, str]], ...] = (
    *(("MAGB QUEUE LIST", {"QUEUE": queue}) for queue in QUEUES),
    ("MAGB QUEUE LIST", {"QUEUE": "EXPORT", "STATUS": "FAIL", "ORDER": "AGE"}),
    ("MAGB QUEUE LIST", {"QUEUE": "SEND", "STATUS": "FAILED", "ORDER": "AGE"}),
    ("MAGB QUEUE LIST", {"QUEUE": "SEND", "STATUS": "SENT"}),
    ("MAGB IMAGE LIST", {"PATIENT": str(FIRST)}),
    ("MAGB IMAGE LIST", {"ACCESSION": accession(EXAMS - 1)}),
    ("MAGB PATIENT LIST", {"NAME": "Z"}),
)


def measure_administration(directory: Path, site: Path) -> Iterator[Figure]:
    """Measure on one site, which is filled first."""
    database = directory / "magbroker.db"
    with services(directory, site, gateway=False):
        fill_exams(database)
        fill_images(database, 0, EXAMS)
        fill_queues(database, _first_group(database))
        fill_people(database)
    with services(directory, site, gateway=False) as running:
        yield from _lists(SocketDesk(directory))
        yield _candidates(SocketDesk(directory))
        yield _status(directory)
        yield _feed(running.broker_port, directory)
        yield from measure_console(running, directory)


def _first_group(database: Path) -> int:
    engine = create_engine(f"sqlite:///{database}")
    with engine.connect() as connection:
        found = connection.execute(select(func.min(Image.ien)).where(Image.members == PER_EXAM)).scalar_one()
    engine.dispose()
    return int(found)


def _asked(desk: SocketDesk, name: str, asked: dict[str, str]) -> float:
    """Ask so many times, and give the median in milliseconds."""
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        desk.ask(name, asked)
        times.append(time.perf_counter() - began)
    return 1000 * statistics.median(times)


def _candidates(desk: SocketDesk) -> Figure:
    """Ask whose a study may be."""
    note = f"name, number and accession with a fault each; wanted: below {LIST_WANTED:g}"
    took = _asked(desk, "MAGB CORRECT CANDIDATES", {"STUDY": str(FAR)})
    return Figure(f"correct candidates, {PEOPLE:,} patients", took, note, unit="ms")


def _lists(desk: SocketDesk) -> Iterator[Figure]:
    """Ask every list for its first page, as the owner, and those of the queues and of images by what they are narrowed to."""
    took = {}
    for action in ACTIONS.values():
        if action.writes or any(it.required for it in action.takes.values()):
            continue
        try:
            took[action.name] = _asked(desk, action.name, {})
        except WrongUsage:  # it has to be told something
            continue
    for name, asked in NARROWED:
        took[f"{name} {' '.join(asked.values())}"] = _asked(desk, name, asked)
    slowest = sorted(took, key=lambda name: -took[name])[:5]
    note = f"the slowest of {len(took)}; wanted: below {LIST_WANTED:g}; {', '.join(f'{it} {took[it]:.0f}' for it in slowest[1:])}"
    yield Figure(f"list {slowest[0]}, {EXAMS * PER_EXAM:,} images", took[slowest[0]], note, unit="ms")


def _status(directory: Path) -> Figure:
    command = [sys.executable, "-m", "console.cli.main", "status", "--data", str(directory)]
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(1000 * (time.perf_counter() - began))
    note = f"the command, its start included; median of {ROUNDS}; wanted: below {STATUS_WANTED:g}"
    return Figure(f"magbroker status, {EXAMS * PER_EXAM:,} images", statistics.median(times), note, unit="ms")


def _feed(port: int, directory: Path) -> Figure:
    return cost_of("what the live feed costs", port, directory, f"{LISTENERS} listeners", str(LISTENERS))
