"""Images per second through the evaluator's whole step: dequeue, facts, rules, queues, decisions; `synchronous=FULL`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection, insert, select

from bench.figures import Figure
from fileman import SiteKey, Store, apply_site, next_iens, read_site_file
from fileman.files import BackgroundQueue, Exam, Image, Report
from rules.evaluator import ENTRY_POINT, Evaluator
from rules.evaluator.versions import FILE, Loaded, load, store_version
from runtime import SystemClock
from taskman import TaskContext, api

IMAGES, IMAGES_OF_A_STUDY = 20_000, 20
#: Rules, of which two match every image: one sends two files to the demo's router, one exports to its reading room.
RULES, MATCHES, FILES = 100, 2, "two files, one object"
#: Images per second that are wanted at least.
WANTED = 1500
LOCATION, GATEWAY_USER = 660, 9002
MOMENT = "3260101.12"


def measure_evaluator_step(directory: Path, site: Path) -> Iterator[Figure]:
    """Measure an evaluator that works off a full queue, alone in its process."""
    directory.mkdir(parents=True)
    store = Store(f"sqlite:///{directory / 'magbroker.db'}")
    try:
        key, clock = SiteKey.load_or_create(directory / "site.key"), SystemClock()
        store.transact(lambda connection: apply_site(connection, read_site_file(site), key, clock.now()))
        task, rules = store.transact(prepare)
        evaluator = Evaluator(TaskContext(task, {}, GATEWAY_USER, store, clock), LOCATION, rules)
        done, began = 0, time.perf_counter()
        while count := evaluator.work_off():
            done += count
        rate = done / (time.perf_counter() - began)
        yield Figure("images through the evaluator's step", rate, f"{RULES} rules, {MATCHES} match; {FILES}; wanted: {WANTED:,}")
    finally:
        store.close()


def prepare(connection: Connection) -> tuple[int, Loaded]:
    """File images of an exam in many studies and queue them; give an evaluator's task and its rules."""
    exam = connection.execute(select(Exam).where(Exam.service == "RAD").order_by(Exam.ien).limit(1)).mappings().one()
    report = {"ien": 1, "service": "RAD", "exam": exam["ien"], "entered": MOMENT, "entered_by": GATEWAY_USER}
    copied = {name: exam[name] for name in ("accession", "patient", "exam_date")}
    connection.execute(insert(Report).values(**report, **copied))
    same = {"name": "BENCH", "patient": exam["patient"], "procedure": "CT", "saved_at": MOMENT, "saved_by": GATEWAY_USER}
    same |= {"report": 1, "parent_file": "74", "parent_ien": 1, "location": 1, "procedure_time": MOMENT}
    studies = IMAGES // IMAGES_OF_A_STUDY
    groups = [{**same, "ien": ien, "object_type": 11, "uid": f"1.2.{ien}"} for ien in range(1, studies + 1)]
    images = [
        {
            **same,
            "ien": studies + number,
            "object_type": 100,
            "parent": 1 + (number - 1) // IMAGES_OF_A_STUDY,
            "file_ref": f"DEMO{number:010d}.DCM",
            "uid": f"1.3.{number}",
        }
        for number in range(1, IMAGES + 1)
    ]
    connection.execute(insert(Image), groups)
    connection.execute(insert(Image), images)
    entry = {"queue": "EVAL", "duz": GATEWAY_USER, "requested": MOMENT, "place": 1, "status": "NOT_PROCESSED"}
    numbers = next_iens(connection, "background_queue", IMAGES)
    queued = [{**entry, "ien": ien, "image": image["ien"]} for ien, image in zip(numbers, images, strict=True)]
    connection.execute(insert(BackgroundQueue), queued)
    task = api.load(connection, ENTRY_POINT, {"location": LOCATION, "rules": []}, "bench", GATEWAY_USER)
    return task, load(connection, store_version(connection, rule_file(), FILE, "documented", "bench", 0.0))


def rule_file() -> str:
    """Write the rules: the two that match stand among others that differ in modality, and in more."""
    others = [f'dicom("RESEARCH") when MODALITY=M{number} SOURCE="6*" URGENCY!=STAT' for number in range(RULES - MATCHES)]
    matching = ['send("OUTREACH") when MODALITY=CT NOW={00:00 to 23:59}', 'dicom("READING ROOM") when SOURCE="*" MODALITY=CT']
    return "\n".join([*others[:50], *matching, *others[50:]]) + "\n"
