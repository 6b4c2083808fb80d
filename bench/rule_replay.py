"""Replay: seconds to run 100 rules over 100,000 stored images, and the memory that takes beside a tenth of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import update

from bench.figures import Figure
from bench.filled import PER_EXAM, fill_exams, fill_images, written
from bench.processes import peak_megabytes
from fileman import SiteKey, Store, apply_site, read_site_file
from fileman.files import Image
from rules.evaluator.image_facts import elements_of
from rules.evaluator.site_view import read_site_view
from rules.trials import Side, replay, rules_of_text, stored_images, window_of
from rules.trials.places import named_places
from rules.trials.stored import Reader
from runtime import SystemClock

STUDIES, RULES, LOCATION = 1000, 100, 660
#: Seconds that the replay may take.
WANTED = 60
MODALITIES = ("CR", "CT", "MR", "US", "XA")
#: A tenth of the images, and all.
PARTS = (STUDIES // 10, STUDIES)


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay took: seconds, a processor's seconds, peak memory; and how often an image would go somewhere."""

    seconds: float
    processor: float
    megabytes: float
    sent: int


def rule_text() -> str:
    """Write rules of which two or three match an image, and one balances."""
    rules = [f'send("PLACE {n}") when MODALITY={MODALITIES[n % 5]} SOURCE="S*" PATIENT="*{n}*"' for n in range(RULES - 6)]
    rules += [f'dicom("ARCHIVE") when MODALITY={name} priority HIGH' for name in MODALITIES]
    return "\n".join([*rules, 'balance("A"=50%, "B"=50%) when MODALITY in (CT, MR)'])


def measure_replay(directory: Path, site: Path) -> Iterator[Figure]:
    """Measure replays of some and of all images, each in a process of its own."""
    directory.mkdir(parents=True)
    database = directory / "replay.db"
    store = Store(f"sqlite:///{database}")
    key = SiteKey.load_or_create(directory / "site.key")
    store.transact(lambda connection: apply_site(connection, read_site_file(site), key, SystemClock().now()))
    store.close()
    fill_exams(database)
    fill_images(database, 0, STUDIES)
    with written(database) as connection:
        for at, name in enumerate(MODALITIES):
            connection.execute(update(Image).where(Image.patient % len(MODALITIES) == at).values(procedure=name))
    few, every = (_in_a_process(database, studies) for studies in PARTS)
    images = f"{STUDIES * PER_EXAM:,} images"
    note = f"{RULES} rules; {every.processor:.1f} s of a processor; {every.sent:,} times an image would go somewhere"
    yield Figure(f"replay of {images}", every.seconds, f"{note}; wanted: under {WANTED} s", unit="s", digits=1)
    yield Figure(f"images replayed by {RULES} rules", STUDIES * PER_EXAM / every.seconds, "facts read, judged and counted")
    note = f"{few.megabytes:.0f} MB for a tenth of the images"
    yield Figure(f"peak memory of a replay of {images}", every.megabytes, note, unit="MB")


def _in_a_process(database: Path, studies: int) -> Replayed:
    done = subprocess.run(
        [sys.executable, "-m", "bench.rule_replay", str(database), str(studies)], check=True, capture_output=True, text=True
    )
    return Replayed(*json.loads(done.stdout))


def main() -> None:
    """Replay the first images of a database; print what it took."""
    store, studies = Store(f"sqlite:///{sys.argv[1]}"), int(sys.argv[2])
    rules = rules_of_text(rule_text(), "documented")
    window = window_of("3200101", "", LOCATION)
    view = store.read(lambda connection: read_site_view(connection, 0, LOCATION))
    reader = Reader(view.names, LOCATION, elements_of(rules.rules))
    began, processor_began = time.perf_counter(), time.process_time()
    images = (image for image, _count in zip(stored_images(store, window, reader), range(studies * PER_EXAM), strict=False))
    report = replay(images, window, Side(rules.compiled, named_places(rules.rules)))
    seconds, processor = time.perf_counter() - began, time.process_time() - processor_began
    store.close()
    sys.stdout.write(json.dumps([seconds, processor, peak_megabytes(os.getpid()), sum(line.images for line in report.lines)]))


if __name__ == "__main__":
    main()
