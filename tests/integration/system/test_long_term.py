"""Images are copied to the jukebox of their place, whole and once, whatever dies; what cannot be copied is set aside."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from fileman.files import BackgroundQueue, Image, ImagingSite, NetworkLocation, QueuePointer, Task
from runtime import SystemClock
from taskman import Deleted, Engine, Pace
from taskman.context import Signals
from taskman.schedule import queue_option
from taskman.system import long_term
from tests.integration.system.conftest import UNREADABLE, Site
from tests.integration.system.dying import ends_before
from tests.support.query_plans import statements_of
from tests.support.waiting import until

OPTION = "MAGB COPY LONG-TERM"
#: What runs until it is killed.
WORKER = """
import sys, threading
from pathlib import Path
from fileman import Store
from runtime import SystemClock
from taskman import Engine, Pace
import console.routines
Engine(Store(sys.argv[1]), SystemClock(), Path(sys.argv[2]), pace=Pace(heartbeat=0.2, lease=1.0, dead_after=1.0)).launch()
threading.Event().wait()
"""


def queue(site: Site, *images: int, place: int = 1) -> None:
    facts = {"queue": "JUKEBOX", "duz": 1, "requested": "3261121", "place": place}
    site.add(BackgroundQueue, *({"ien": 10 * image, "image": image, **facts} for image in images))


def copy_of(site: Site, file: Path) -> Path:
    return site.data / "jukebox1" / file.relative_to(site.data / "image1")


def change(site: Site, file: Any, ien: int, **values: object) -> None:
    site.store.transact(lambda connection: connection.execute(update(file).where(file.ien == ien).values(values)))


def waiting(site: Site) -> list[tuple[int, str, str]]:
    columns = (BackgroundQueue.image, BackgroundQueue.status, BackgroundQueue.reason)
    return [tuple(row) for row in site.all(select(*columns).order_by(BackgroundQueue.ien))]


def places(site: Site) -> list[Any]:
    return list(site.all(select(Image.jukebox_location, Image.big_jukebox_location).order_by(Image.ien)))


def temporaries(site: Site) -> list[Path]:
    return list((site.data / "jukebox1").rglob("*.part"))


def test_an_image_is_copied_with_its_companions_and_leaves_the_queue(site: Site) -> None:
    file, plain = site.image(1, content=os.urandom(3_000_000), big_location=1), site.image(2)
    file.with_suffix(".TXT").write_bytes(b"text")
    file.with_suffix(".BIG").write_bytes(b"big")
    file.with_suffix(".ABS").write_bytes(b"abstract")
    queue(site, 1, 2)
    assert site.run(OPTION).said == "place 1: 2 images copied, 0 set aside"
    for suffix in (".DCM", ".TXT", ".BIG"):
        assert copy_of(site, file).with_suffix(suffix).read_bytes() == file.with_suffix(suffix).read_bytes()
    assert not copy_of(site, file).with_suffix(".ABS").exists()
    assert copy_of(site, plain).read_bytes() == plain.read_bytes()
    assert places(site) == [(2, 2), (2, None)]
    assert waiting(site) == []
    assert site.events("JUKEBOX") == [(1, "copied", "JUKEBOX1"), (2, "copied", "JUKEBOX1")]
    assert temporaries(site) == []
    assert isinstance(site.run(OPTION).ending, Deleted)


def refuse(site: Site, file: Path) -> None:
    file.unlink()


def put_another(site: Site, file: Path) -> None:
    copy_of(site, file).parent.mkdir(parents=True)
    copy_of(site, file).write_bytes(b"another patient's")


def put_folder(site: Site, file: Path) -> None:
    copy_of(site, file).mkdir(parents=True)


def lead_out(site: Site, file: Path) -> None:
    change(site, Image, 1, file_ref="../../precious.DCM")


def name_nothing(site: Site, file: Path) -> None:
    change(site, Image, 1, file_ref="")


def lose_location(site: Site, file: Path) -> None:
    change(site, Image, 1, location=99)


def forget_image(site: Site, file: Path) -> None:
    site.store.transact(lambda connection: connection.execute(Image.__table__.delete().where(Image.ien == 1)))


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (refuse, "there is no file"),
        (put_another, "another file is at"),
        (put_folder, "cannot be read"),
        (lead_out, "leads out of network location RAID1"),
        (name_nothing, "the image has no file"),
        (lose_location, "the image names no network location"),
        (forget_image, "there is no image 1"),
    ],
)
def test_an_image_that_cannot_be_copied_is_set_aside_and_the_next_is_copied(
    site: Site, spoil: Callable[[Site, Path], None], why: str
) -> None:
    file, other = site.image(1), site.image(2)
    queue(site, 1, 2)
    site.add(QueuePointer, {"ien": 1, "queue": "JUKEBOX", "place": 1, "total": 2})
    spoil(site, file)
    assert site.run(OPTION).said == "place 1: 1 images copied, 1 set aside"
    assert site.one(select(QueuePointer.total)) == 0, "as many as wait"
    ((image, status, reason),) = waiting(site)
    assert (image, status) == (1, "FAILED")
    assert why in reason
    ((failed, outcome, detail), *_copied) = site.events("JUKEBOX")
    assert (failed, outcome, detail) == (1, "failed", reason)
    assert copy_of(site, other).exists()
    if spoil is put_another:
        assert copy_of(site, file).read_bytes() == b"another patient's", "what is archived is never written over"


@pytest.mark.parametrize(
    ("file", "ien", "values", "why"),
    [
        (ImagingSite, 1, {"jukebox_location": None}, "the others wait for a long-term location that is on line"),
        (NetworkLocation, 2, {"online": False}, "the others wait for a long-term location that is on line"),
        (NetworkLocation, 2, {"kind": "MAG"}, "the others wait for a long-term location that is on line"),
        (NetworkLocation, 2, {"path": "/no/such/share"}, "the others wait: the folder of JUKEBOX1 is not there"),
        (NetworkLocation, 1, {"path": "gone"}, "the others wait: the folder of RAID1 is not there"),
        (NetworkLocation, 1, {"path": "empty"}, "the others wait: the folder of RAID1 is empty"),
        (NetworkLocation, 1, {"path": UNREADABLE}, "the others wait: the folder of RAID1 is not there"),
    ],
)
def test_what_is_no_images_fault_sets_no_image_aside(
    site: Site, file: Any, ien: int, values: dict[str, object], why: str
) -> None:
    site.image(1)
    (site.data / "empty").mkdir()
    queue(site, 1)
    change(site, file, ien, **values)
    ran = site.run(OPTION)
    assert ran.said == f"place 1: 0 images copied, 0 set aside, {why}"
    assert waiting(site) == [(1, "NOT_PROCESSED", "")]


@pytest.mark.parametrize("most", [1, long_term.MOST])
def test_a_location_that_is_not_there_keeps_no_image_of_another_waiting(
    site: Site, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = {"name": "RAID2", "path": "gone", "kind": "MAG", "hash": True, "site": 1, "online": True, "router": False}
    site.add(NetworkLocation, {"ien": 4, "physical": "\\\\RAID\\TWO\\", **facts})
    monkeypatch.setattr(long_term, "MOST", most)
    images = range(1, long_term.BATCH + 3)
    for image in images:
        site.image(image, location=4)
    there = site.image(len(images) + 1)
    queue(site, *images, len(images) + 1)
    waits = "the others wait: the folder of RAID2 is not there"
    assert site.run(OPTION).said == f"place 1: 1 images copied, 0 set aside, {waits}"
    assert copy_of(site, there).exists()
    assert [image for image, *_ in waiting(site)] == list(images)


def test_an_object_beside_a_tga_file_is_copied_too(site: Site) -> None:
    object_file = site.image(1, file_ref="SL000000000001.TGA", object_type=3)
    object_file.with_suffix(".TGA").write_bytes(b"picture")
    queue(site, 1)
    site.run(OPTION)
    assert [copy_of(site, object_file).with_suffix(it).exists() for it in (".TGA", ".DCM")] == [True, True]


def test_a_full_disk_leaves_the_rest_waiting_and_nothing_half_written(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.image(1)
    queue(site, 1)

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    assert site.run(OPTION).said == "place 1: 0 images copied, 0 set aside, the others wait: JUKEBOX1: No space left on device"
    monkeypatch.undo()
    assert waiting(site) == [(1, "NOT_PROCESSED", "")]
    assert temporaries(site) == []
    assert site.run(OPTION).said == "place 1: 1 images copied, 0 set aside"


def test_a_copy_that_is_not_what_was_read_is_not_taken(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    file = site.image(1)
    queue(site, 1)
    sync = os.fsync

    def spoil(descriptor: int) -> None:
        sync(descriptor)
        for part in temporaries(site):
            part.write_bytes(b"other bits")

    monkeypatch.setattr("os.fsync", spoil)
    site.run(OPTION)
    ((_image, status, reason),) = waiting(site)
    assert (status, "differs from its source" in reason) == ("FAILED", True)
    assert not copy_of(site, file).exists()
    assert places(site) == [(None, None)]


def test_a_stop_is_heeded_before_the_next_image(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for image in (1, 2, 3):
        site.image(image)
    queue(site, 1, 2, 3)
    signals = Signals()
    site.signals.append(signals)
    sync = os.fsync

    def stop(descriptor: int) -> None:
        signals.stopping.set()
        sync(descriptor)

    monkeypatch.setattr("os.fsync", stop)
    site.run(OPTION)
    assert [image for image, *_ in waiting(site)] == [2, 3]
    assert places(site) == [(2, None), (None, None), (None, None)]


def test_a_run_that_dies_at_any_step_is_made_good_by_the_next(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The steps: every fsync and rename of a file, and every change in the database."""
    died, ended = 0, False
    while not ended:
        died += 1
        file = site.image(died, content=f"image {died}".encode())
        file.with_suffix(".TXT").write_bytes(b"text")
        queue(site, died)
        ended = ends_before(
            site,
            OPTION,
            died,
            ("os.fsync", "pathlib.Path.rename"),
            ("UPDATE image", "DELETE FROM background", "INSERT INTO image_event"),
        )
        site.run(OPTION)
        assert waiting(site) == []
        assert copy_of(site, file).read_bytes() == file.read_bytes()
        assert copy_of(site, file).with_suffix(".TXT").read_bytes() == b"text"
        assert len(site.events("JUKEBOX")) == died, "each image is told of once"
    assert died > 12
    assert temporaries(site) == []


def test_a_process_that_is_killed_in_the_middle_loses_nothing_and_copies_no_image_twice(site: Site) -> None:
    count = 150
    content = os.urandom(200_000)
    for image in range(1, count + 1):
        site.image(image, content=content + str(image).encode())
    queue(site, *range(1, count + 1))
    number = site.store.transact(lambda connection: queue_option(connection, OPTION, time.time(), 0))
    worker = subprocess.Popen([sys.executable, "-c", WORKER, site.store.url, str(site.data)])
    try:
        until(lambda: len(site.events("JUKEBOX")) >= 10)
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait(10)
    before = len(site.events("JUKEBOX"))
    assert before < count, "it was killed in the middle"
    engine = Engine(site.store, SystemClock(), site.data, pace=Pace(heartbeat=0.2, lease=1.0, dead_after=1.0))
    engine.launch()
    try:
        until(lambda: site.one(select(Task.status).where(Task.number == number)) == "6", seconds=60)
    finally:
        engine.shutdown()
    copied = [image for image, *_ in site.events("JUKEBOX")]
    assert sorted(copied) == list(range(1, count + 1))
    assert waiting(site) == []
    for image in copied:
        name = f"SL{image:012d}.DCM"
        (copy,) = (site.data / "jukebox1").rglob(name)
        assert copy.read_bytes() == content + str(image).encode()
    assert temporaries(site) == []


def test_a_look_that_is_taken_every_minute_uses_indexes(site: Site) -> None:
    if not site.store.sqlite:
        pytest.skip("plans are read on SQLite")
    site.image(1)
    queue(site, 1, 2)
    with statements_of(site.store) as statements:
        assert site.run(OPTION).said == "place 1: 1 images copied, 1 set aside"
    plans = statements.plans(site.store)
    scans = {text: steps for text, steps in plans.items() if any(step.startswith("SCAN") for step in steps)}
    assert {step for steps in scans.values() for step in steps if step.startswith("SCAN")} == {
        "SCAN network_location",
        "SCAN imaging_site",
    }, "the site's own tables, which have a row per place and share"


def test_more_images_than_one_look_gives_are_copied_in_one_run(site: Site) -> None:
    images = range(1, long_term.BATCH + 3)
    for image in images:
        site.image(image)
    queue(site, *images)
    assert site.run(OPTION).said == f"place 1: {len(images)} images copied, 0 set aside"
