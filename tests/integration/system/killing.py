"""Workers of a system task, killed while they release images or bring them back: what is lost, what is done twice."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import delete, select

from fileman.files import Recall, Task
from runtime import SystemClock
from taskman import Engine, Pace
from taskman.schedule import queue_option
from tests.integration.system.archive_site import RECALL, RELEASE, archived, copy_of, mark, places, released
from tests.integration.system.conftest import Site
from tests.integration.system.test_long_term import WORKER
from tests.support.waiting import until

PACE = Pace(heartbeat=0.2, lease=1.0, dead_after=1.0)
#: The stage of the events that tell of an image, by the option.
STAGES = {RELEASE: "RELEASE", RECALL: "RECALL"}


def kill_workers(site: Site, option: str, files: Sequence[Path], seed: int, kills: int) -> None:
    """Queue a run, kill the worker that has it so many times in the middle, let another finish it.

    At each moment every image has its file where its entry says.
    """
    chance, stage, count = random.Random(seed), STAGES[option], len(files)
    number = site.store.transact(lambda connection: queue_option(connection, option, time.time(), 0))
    for left in range(kills, 0, -1):
        done = len(site.events(stage))
        moment = done + 1 + int(chance.random() * 0.8 * (count - done) / left)
        worker = subprocess.Popen([sys.executable, "-c", WORKER, site.store.url, str(site.data)])
        try:
            until(lambda at=moment: len(site.events(stage)) >= at, f"{stage} of {moment} images")
        finally:
            worker.send_signal(signal.SIGKILL)
            worker.wait(10)
        assert len(site.events(stage)) < count, "it was killed in the middle"
        for image, (short_term, _long_term) in places(site).items():
            assert short_term is None or files[image - 1].read_bytes() == copy_of(site, files[image - 1]).read_bytes()
    engine = Engine(site.store, SystemClock(), site.data, pace=PACE)
    engine.launch()
    try:
        until(lambda: site.one(select(Task.status).where(Task.number == number)) == "6", "the end of the run")
    finally:
        engine.shutdown()
    told = Counter(image for image, *_ in site.events(stage))
    assert told == Counter(range(1, count + 1)), "each image is told of once"


def kill_while_releasing(site: Site, seed: int, count: int, kills: int) -> None:
    """Kill workers that release; each image is on the long-term location alone at the end, as it was."""
    files = archived(site, *range(1, count + 1))
    mark(site, "0%", "0%")
    kill_workers(site, RELEASE, files, seed, kills)
    assert released(site) == list(range(1, count + 1))
    assert not any(file.exists() for file in files)
    for number, file in enumerate(files, 1):
        assert copy_of(site, file).read_bytes().startswith(f"image {number} ".encode())


def kill_while_recalling(site: Site, seed: int, count: int, kills: int) -> None:
    """Kill workers that bring back what was released; each image is on both locations at the end, and waited for no more."""
    files = archived(site, *range(1, count + 1))
    mark(site, "0%", "0%")
    site.run(RELEASE)
    assert released(site) == list(range(1, count + 1))
    mark(site, "", "")
    site.store.transact(lambda connection: connection.execute(delete(Task)))  # workers would take the run above for a dead one's
    site.add(Recall, *({"image": it, "location": 2, "asked_by": "VIEWER", "asked_at": 1.0} for it in range(1, count + 1)))
    kill_workers(site, RECALL, files, seed, kills)
    assert released(site) == []
    for file in files:
        assert file.read_bytes() == copy_of(site, file).read_bytes()
    assert site.count(Recall) == 0
    assert list((site.data / "image1").rglob(".*.part")) == []
