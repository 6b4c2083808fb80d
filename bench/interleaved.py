"""Peers measured in turn with the same images and senders: each run on a new server, the order rotated, medians in the end."""

from __future__ import annotations

import contextlib
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.figures import Figure
from bench.image_sets import ImageSet
from bench.peers import ENVIRONMENT, Peer, program
from bench.processes import peak_megabytes, tree_cpu_seconds
from bench.services import NO_DELAY

REPETITIONS = 5
#: Seconds for the images of a run to come through, and between looks whether they have.
PATIENCE, _LOOK = 180.0, 0.02
_MEMORY_FOLDER = Path("/dev/shm")

#: Prepares senders of a set to a port; gives what has them send it.
Prepare = Callable[[int, ImageSet, int], contextlib.AbstractContextManager[Callable[[], None]]]
#: Starts a peer in a folder of its own.
Start = Callable[[Path], contextlib.AbstractContextManager[Peer]]


class TooSlow(Exception):
    """The images did not come through in time."""


@dataclass(frozen=True, slots=True)
class Run:
    """What came of a run, or the medians of some: images a second, processor ms of the servers for one, and their peak memory.

    The memory is that of the processes which were started, without those that storescp has for associations.
    """

    images: float
    cpu_ms: float
    megabytes: float
    spread: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is wanted of ours: this many times what a peer does."""

    peer: str
    times: float = 0.0


@contextlib.contextmanager
def storescus(port: int, images: ImageSet, senders: int) -> Iterator[Callable[[], None]]:
    """Send with DCMTK's storescu."""
    yield lambda: send(port, images, senders)


def interleaved(
    directory: Path,
    starts: Mapping[str, Start],
    images: ImageSet,
    senders: int,
    repetitions: int = REPETITIONS,
    *,
    passing: bool = False,
    prepare: Prepare = storescus,
) -> dict[str, Run]:
    """Measure every peer so many times; gives the medians by name. What is `passing` is removed after each run.

    Before each run the disk has what was written before, so that it does not slow down what is measured next. For the same
    reason the rest stays: an ext4 without a journal looks for minutes at what was removed, whenever a file is made.
    """
    runs: dict[str, list[Run]] = {name: [] for name in starts}
    names = list(starts)
    for repetition in range(repetitions):
        first = repetition % len(names)
        for name in (*names[first:], *names[:first]):
            folder = directory / f"{name.replace(' ', '-')}-{repetition}"
            with starts[name](folder) as peer:
                os.sync()
                runs[name].append(one_run(peer, images, senders, prepare))
            if passing:
                shutil.rmtree(folder)
    return {name: _median(found) for name, found in runs.items()}


def one_run(peer: Peer, images: ImageSet, senders: int, prepare: Prepare = storescus) -> Run:
    """Send a set and wait until the peer has taken all of it. Raises TooSlow."""
    with prepare(peer.port, images, senders) as send_all:
        used, began = tree_cpu_seconds(peer.pids), time.perf_counter()
        send_all()
        while (taken := peer.taken()) < images.count:
            if time.perf_counter() - began > PATIENCE:
                raise TooSlow(f"Only {taken} of {images.count} images came through in {PATIENCE:g} s.")
            time.sleep(_LOOK)
        seconds = time.perf_counter() - began
    cpu = tree_cpu_seconds(peer.pids) - used
    peak = sum(map(peak_megabytes, peer.pids))
    return Run(images.count / seconds, 1000 * cpu / images.count, peak)


def send(port: int, images: ImageSet, senders: int) -> None:
    """Send a set with DCMTK's storescu, one association each; folders are shared out. Raises CalledProcessError."""
    command = [program("storescu"), "-aec", "MAGBROKER", "+sd", "127.0.0.1", str(port)]
    shares = [[str(folder) for folder in images.folders[sender::senders]] for sender in range(senders)]
    processes = [
        subprocess.Popen([*command, *share], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT)
        for share in shares
    ]
    for process in processes:
        if process.wait():
            raise subprocess.CalledProcessError(process.returncode, process.args)


def in_memory(directory: Path, megabytes: float) -> Path:
    """Choose a file system in memory when one has room for twice as much, else the directory."""
    if _MEMORY_FOLDER.is_dir() and shutil.disk_usage(_MEMORY_FOLDER).free > 2e6 * megabytes:
        return _MEMORY_FOLDER
    return directory


def described(images: ImageSet, senders: int, place: Path, how: str) -> Figure:
    """Say what is sent, and on what kind of file system it comes to lie."""
    kind = subprocess.run(["stat", "-f", "-c", "%T", str(place)], check=True, capture_output=True, text=True).stdout.strip()
    counted = f"{senders} senders" if senders > 1 else "1 sender"
    note = f"{images.image_bytes:,} bytes each, {counted}; {how}; on {kind}; {', '.join(map('='.join, NO_DELAY.items()))} for all"
    return Figure(f"{images.shape.name}, images a run", images.count, note, unit="")


def figures(subject: str, images: ImageSet, runs: Mapping[str, Run], wanted: Sequence[Wanted]) -> Iterator[Figure]:
    """Lay runs out; the first is ours, of which something is wanted."""
    for place, (name, run) in enumerate(runs.items()):
        ratios = [_ratio(run, runs, want, ours=place == 0) for want in wanted if want.peer != name]
        low, high = run.spread
        speed = f"{low:,.0f}-{high:,.0f}; {run.images * images.image_bytes / 1e6:,.0f} MB/s"
        cost = f"{run.cpu_ms:.2f} ms CPU an image, {run.megabytes:.0f} MB"
        yield Figure(f"{subject}: {name}", run.images, "; ".join((speed, cost, *ratios)))


def _ratio(run: Run, runs: Mapping[str, Run], want: Wanted, *, ours: bool) -> str:
    text = f"{run.images / runs[want.peer].images:.2f} x {want.peer}"
    return f"{text} (wanted {want.times:g})" if ours and want.times else text


def _median(runs: Sequence[Run]) -> Run:
    rates = [run.images for run in runs]
    return Run(
        statistics.median(rates),
        statistics.median(run.cpu_ms for run in runs),
        statistics.median(run.megabytes for run in runs),
        (min(rates), max(rates)),
    )
