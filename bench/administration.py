"""What an administrator waits for: lists and the status of a site with a million images, and what the live feed costs."""

from __future__ import annotations

import itertools
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sqlalchemy import create_engine, func, select

from bench.figures import Figure
from bench.filled import EXAMS, FAR, FIRST, PEOPLE, PER_EXAM, accession, fill_exams, fill_images, fill_people, fill_queues
from bench.load import Rate, run_load, signed_on
from bench.services import services
from console.demo import DEMO_ACCESS, DEMO_VERIFY
from console.errors import WrongUsage
from console.tasks.socket_desk import SocketDesk
from fileman.files import Image
from rpcs.actions import ACTIONS
from rpcs.queues import QUEUES
from xwb import encode_call

ROUNDS = 20
#: Milliseconds that are wanted at most, and the part of the calls that the feed may cost.
LIST_WANTED, STATUS_WANTED, FEED_WANTED = 200.0, 300.0, 0.05
#: Listeners to the feed, connections of the load, pairs of windows that are compared, and how many seconds each lasts.
LISTENERS, CONNECTIONS, PAIRS, SECONDS = 10, 8, 12, 3.0
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
HERE, HERE_ANSWER = encode_call(b"XWB IM HERE"), b"\0\x001\x04"


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
    """Compare calls a second with listeners and without, window by window, while a gateway reports 500 images a second."""
    ratios, rates = [], []
    for number in range(PAIRS):
        with_first = number % 2 == 0
        pair = {listeners: _calls(port, directory, listeners) for listeners in ((LISTENERS, 0) if with_first else (0, LISTENERS))}
        ratios.append(pair[LISTENERS].per_second / pair[0].per_second)
        rates.append(pair[0].per_second)
    cost = 1 - statistics.median(ratios)
    note = (
        f"of {statistics.median(rates):,.0f} calls a second, {LISTENERS} listeners, 500 images a second; median of {PAIRS} pairs "
        f"({1 - max(ratios):.1%} to {1 - min(ratios):.1%}); wanted: below {FEED_WANTED:.0%}"
    )
    return Figure("what the live feed costs", 100 * cost, note, unit="%", digits=1)


def _calls(port: int, directory: Path, listeners: int) -> Rate:
    with _busy(port, directory, listeners), ExitStack() as stack:
        sessions = [
            stack.enter_context(signed_on(port, DEMO_ACCESS, DEMO_VERIFY, "MAG DICOM GATEWAY FULL")) for _ in range(CONNECTIONS)
        ]
        return run_load(sessions, itertools.repeat(HERE), SECONDS, HERE_ANSWER.__eq__)


@contextmanager
def _busy(port: int, directory: Path, listeners: int) -> Iterator[None]:
    command = [sys.executable, "-m", "bench.feed_load", str(port), str(directory), str(listeners)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ) as process:
        try:
            if process.stdout is None or process.stdout.readline() != b"ready\n":
                raise RuntimeError("the busy site did not begin")
            yield
        finally:
            process.terminate()
