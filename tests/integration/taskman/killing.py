"""Workers that are killed at random moments while an evaluator and a stepped task run, and what has to be so afterwards."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, insert, select

from fileman import Store, next_iens
from fileman.files import BackgroundQueue, ImageEvent, RunningTask, SendQueue
from rules.evaluator import ENTRY_POINT
from rules.evaluator.versions import FILE, publish, store_version
from taskman import api, record
from tests.integration.rules.recorded_site import IMAGES_OF_A_STUDY, complaints_about_versions, file_studies, fill_recorded_images
from tests.support.task_worker import STAGE, STEPPED
from tests.support.waiting import until

LOCATION = 660
#: Images that are evaluated; more where there are many kills, each of which is to come amid the work.
IMAGES, IMAGES_OF_A_KILL = 3000, 1500
#: Steps of the stepped task; more where workers end in good order, which takes longer than being killed.
STEPS, STEPS_OF_A_KILL, MANY_STEPS, STEP_PAUSE = 400, 200, 1000, 0.01
#: Sends every image, too, whatever its version.
RULE_FILE = '# version {version}\nsend("ROUTE-DEST-A") when MODALITY=CR\n'
#: Sends every image to a router that takes four file types: ABSTRACT, FULL, BIG, TEXT.
RULES = [("2", "1^ACTION^SEND"), ("3", "1^ACTION^1^ROUTE-DEST-A")]
FILE_TYPES = 4
FIRST = 10_000


def prepare(store: Store, directory: Path, count: int, steps: int, pause: float) -> tuple[int, int]:
    """File images of many studies, queue them for the evaluator, and load both tasks; give their numbers."""

    def fill(connection: Connection) -> tuple[int, int]:
        fill_recorded_images(connection)
        images = file_studies(connection, FIRST, count // IMAGES_OF_A_STUDY)
        iens = next_iens(connection, "background_queue", count)
        entry = {"queue": "EVAL", "duz": 9002, "requested": "3261121", "place": 1, "status": "NOT_PROCESSED"}
        entries = [{**entry, "ien": ien, "image": image} for ien, image in zip(iens, images, strict=True)]
        connection.execute(insert(BackgroundQueue), entries)
        now = time.time()
        evaluator = api.load(connection, ENTRY_POINT, {"location": LOCATION, "rules": RULES}, "a test", 9002, now)
        stepped = api.load(
            connection, STEPPED, {"directory": str(directory), "steps": steps, "pause": pause}, "a test", 9002, now
        )
        return evaluator, stepped

    return store.transact(fill)


@dataclass
class Workers:
    """Worker processes: one on SQLite, where one process has the database; two on PostgreSQL."""

    store: Store
    directory: Path
    running: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self) -> None:
        """Start as many as there have to be."""
        while len(self.running) < (1 if self.store.sqlite else 2):
            command = [sys.executable, "-m", "tests.support.task_worker", self.store.url, str(self.directory)]
            log = (self.directory / f"worker-{len(list(self.directory.glob('worker-*')))}").open("wb")
            with log:
                process = subprocess.Popen(command, stdout=log, stderr=log)
            self.running[process.pid] = process

    def of(self, number: int) -> int | None:
        """Give the process that runs a task, unless it is dead already."""
        job = self.store.read(lambda connection: api.job(connection, number))
        return int(job) if job and int(job) in self.running else None

    def has(self, number: int) -> bool:
        """Tell whether a task runs here, or has nothing left to do."""
        return self.of(number) is not None or _code(self.store, number) == record.FINISHED

    def end(self, pid: int, how: signal.Signals) -> None:
        """End one, with a warning (SIGTERM) or without (SIGKILL), and start another in its place."""
        process = self.running.pop(pid)
        process.send_signal(how)
        status = process.wait(30)
        expected = (-how,) if how == signal.SIGKILL else (0, -how)  # the signal's own number: it had not begun to listen
        assert status in expected, f"a worker ended with {status}"
        self.start()

    def stop(self) -> None:
        """End those that run."""
        for process in self.running.values():
            process.kill()
            process.wait(30)
        self.running.clear()


def publish_rules(store: Store, text: str) -> str:
    """Publish a rule file for the evaluator; give its version."""

    def change(connection: Connection) -> str:
        version = store_version(connection, text, FILE, "documented", "a test", time.time())
        publish(connection, LOCATION, version, "a test", time.time())
        return version

    return store.transact(change)


def kill_workers(
    store: Store, directory: Path, seed: int, kills: int, how: signal.Signals = signal.SIGKILL, *, publishing: bool = False
) -> list[str]:
    """End workers at random moments, in turn those of the evaluator and of the stepped task; say what is wrong afterwards.

    With `publishing` other rules are published just before each of them ends.
    """
    chance = random.Random(seed)
    images = max(IMAGES, kills * IMAGES_OF_A_KILL)
    steps = max(STEPS, kills * STEPS_OF_A_KILL) if how == signal.SIGKILL else MANY_STEPS
    evaluator, stepped = prepare(store, directory, images, steps, 0.0 if how == signal.SIGKILL else STEP_PAUSE)
    workers, version = Workers(store, directory), 0
    workers.start()
    moment, in_the_middle = threading.Event(), Counter[int]()
    try:
        for turn in range(kills):
            victim = (evaluator, stepped)[turn % 2]
            until(lambda number=victim: workers.has(number), f"task {victim} runs")
            moment.wait(chance.uniform(0.0, 0.3))
            in_the_middle[victim] += _waiting(store) > 0 if victim == evaluator else _code(store, stepped) == record.RUNNING
            if publishing:  # at a moment of its own, so that workers die before, while and after it is taken up
                version = turn + 1
                publish_rules(store, RULE_FILE.format(version=version))
                moment.wait(chance.uniform(0.0, 0.05))
            workers.end(workers.of(victim) or chance.choice(list(workers.running)), how)
        until(lambda: _waiting(store) == 0, "every image is evaluated")
        until(lambda: _code(store, stepped) == record.FINISHED, "every step is done")
        store.transact(lambda connection: api.askstop(connection, evaluator, time.time()))
        until(lambda: _code(store, evaluator) == record.STOPPED, "the evaluator stops when asked")
    finally:
        workers.stop()
    at_work = (in_the_middle[evaluator], in_the_middle[stepped])
    enough = kills // 2 if how == signal.SIGKILL else 1
    tested = [] if min(at_work) >= enough else [f"only {at_work} of {kills} were ended at work: too little was tested"]
    return tested + complaints(store, directory, images, steps, kills) + complaints_about_versions(store, evaluator)


def _code(store: Store, number: int) -> str:
    return store.read(lambda connection: api.stat(connection, number)).code


def _waiting(store: Store) -> int:
    wanted = select(func.count()).select_from(BackgroundQueue)
    return store.read(lambda connection: connection.execute(wanted).scalar_one())


def complaints(store: Store, directory: Path, filed: int, steps: int, kills: int) -> list[str]:
    """Say which of the things that have to be so, whenever workers are ended, are not."""

    def count(*columns: Any, stage: str = "") -> Counter[Any]:
        wanted = select(*columns).where(ImageEvent.stage == stage) if stage else select(*columns)
        return Counter(store.read(lambda connection: [tuple(row) for row in connection.execute(wanted)]))

    images = range(FIRST, FIRST + filed)
    queued = count(SendQueue.image, SendQueue.destination, SendQueue.file_type)
    judged = count(ImageEvent.image, stage="EVALUATE")
    marks = count(ImageEvent.uid, stage=STAGE)
    outside = Counter((directory / "outside").read_text().splitlines())
    beside = directory / "beside"
    promises = {
        "each image is evaluated once": judged == Counter((image,) for image in images),
        "each image has an entry for each file type": Counter(image for image, _, _ in queued)
        == dict.fromkeys(images, FILE_TYPES),
        "no entry is there twice": max(queued.values()) == 1,
        "each step is done": len(marks) == steps,
        "no step is done twice": max(marks.values()) == 1,
        "each step outside of the database is done": len(outside) == steps // 10,
        "no more than the work in hand is repeated outside": sum(outside.values()) <= steps // 10 + kills,
        "no evaluator runs beside another": not beside.exists(),
        "no subject is left taken": not count(RunningTask.subject),
    }
    return [promise for promise, kept in promises.items() if not kept]
