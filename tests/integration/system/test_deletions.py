"""Files of images that were taken back go from their network location, and no other file goes, whatever dies."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from fileman import hashed_directories
from fileman.files import BackgroundQueue, Image, ImageAudit, NetworkLocation, QueuePointer
from taskman import Deleted, TaskContext, find_option
from taskman.system import deletions, folders
from tests.integration.system.conftest import UNREADABLE, Site
from tests.support.query_plans import statements_of

OPTION = "MAGB DELETE FILES"
HASHED = "\\\\RAID\\ONE\\SL00\\00\\00\\00\\00\\"


@pytest.fixture
def archive(site: Site) -> Site:
    """Give the small site, its archive at a share of its own, with a file that none of these tests may touch."""
    change(site, 1, physical="\\\\RAID\\ONE\\")
    change(site, 3, physical="\\\\ROUTER\\OUT\\")
    site.image(99)
    return site


def change(site: Site, ien: int, **values: object) -> None:
    site.store.transact(
        lambda connection: connection.execute(update(NetworkLocation).where(NetworkLocation.ien == ien).values(values))
    )


def taken_back(site: Site, ien: int) -> Path:
    """File an image and take it back, as ROLLBACK does: its entry is in the audit file, its file in its place."""
    path = site.image(ien)
    facts = {"ien": ien, "name": "X", "file_ref": path.name, "object_type": 100, "patient": 100, "uid": f"1.2.{ien}"}
    facts |= {"saved_at": "3261121", "saved_by": 0, "deleted_by": 1, "deleted_at": "3261121"}
    site.add(ImageAudit, facts)
    site.store.transact(lambda connection: connection.execute(delete(Image).where(Image.ien == ien)))
    return path


def queue(site: Site, *paths: str) -> None:
    last = site.count(BackgroundQueue)
    facts = {"queue": "DELETE", "duz": 1, "requested": "3261121", "place": 1, "image": 0}
    site.add(BackgroundQueue, *({"ien": last + n, "file_path": path, **facts} for n, path in enumerate(paths, 1)))


def waiting(site: Site) -> list[tuple[Any, ...]]:
    columns = (BackgroundQueue.ien, BackgroundQueue.status, BackgroundQueue.reason)
    return [tuple(row) for row in site.all(select(*columns).order_by(BackgroundQueue.ien))]


def test_the_files_of_an_image_that_was_taken_back_are_deleted_and_told_of_in_its_story(archive: Site) -> None:
    file, other = taken_back(archive, 1), archive.image(2)
    text = file.with_suffix(".TXT")
    text.write_bytes(b"text")
    archive.add(QueuePointer, {"ien": 1, "queue": "DELETE", "place": 1, "total": 3})
    queue(archive, *(f"{HASHED}SL000000000001.{ending}" for ending in ("DCM", "TXT", "ABS")))
    assert archive.run(OPTION).said == "place 1: 2 deleted, 1 was not there any more"
    assert [file.exists(), text.exists(), other.exists()] == [False, False, True]
    assert waiting(archive) == []
    assert archive.all(select(QueuePointer.last_pointer, QueuePointer.last_processed)) == [(3, "3261121.12")]
    outcomes = [(1, "deleted"), (1, "deleted"), (1, "was not there any more")]
    assert [event[:2] for event in archive.events("DELETE")] == outcomes
    assert archive.events("DELETE")[0][2] == f"{HASHED}SL000000000001.DCM"
    assert isinstance(archive.run(OPTION).ending, Deleted)


@pytest.mark.parametrize("ending", ["DCM", "TXT", "ABS", "BIG", "TGA"])
def test_a_file_whose_name_another_image_has_stays(archive: Site, ending: str) -> None:
    file = archive.image(1).with_suffix(f".{ending}")
    file.write_bytes(b"of image 1")
    queue(archive, f"{HASHED}SL000000000001.{ending}")
    assert archive.run(OPTION).said == "place 1: 1 kept"
    assert file.read_bytes() == b"of image 1"
    assert waiting(archive) == []
    ((image, outcome, detail),) = archive.events("DELETE")
    assert (image, outcome) == (None, "kept")
    assert detail.endswith(f".{ending}: image 1 has files of that name")


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("\\\\RAID\\ONE\\SL000000000001.DCM", "no network locations have this path"),
        (f"{HASHED}..\\SL000000000001.DCM", "no network locations have this path"),
        ("\\\\ELSEWHERE\\SL00\\00\\00\\00\\00\\SL000000000001.DCM", "no network locations have this path"),
        ("\\\\ROUTER\\OUT\\SL000000000001.DCM", "no network locations have this path"),
        ("", "no network locations have this path"),
    ],
    ids=["without its directories", "with dots", "of no location", "of a router", "of nothing"],
)
def test_a_path_that_leads_into_no_location_is_set_aside(archive: Site, path: str, why: str) -> None:
    file, good = taken_back(archive, 1), taken_back(archive, 2)
    queue(archive, path, f"{HASHED}SL000000000002.DCM")
    archive.add(QueuePointer, {"ien": 1, "queue": "DELETE", "place": 1, "total": 2})
    assert archive.run(OPTION).said == "place 1: 1 deleted, 1 failed"
    assert [file.exists(), good.exists()] == [True, False]
    assert waiting(archive) == [(1, "FAILED", why)]
    assert archive.one(select(QueuePointer.total)) == 0, "as many as wait"


def test_no_link_leads_out_of_the_location(archive: Site, tmp_path: Path) -> None:
    name = "SL010000000001.DCM"
    outside = tmp_path / "precious" / "00" / "00" / "00" / "00" / name
    outside.parent.mkdir(parents=True)
    outside.write_bytes(b"precious")
    (archive.data / "image1" / "SL01").symlink_to(tmp_path / "precious")
    queue(archive, f"\\\\RAID\\ONE\\SL01\\00\\00\\00\\00\\{name}")
    assert archive.run(OPTION).said == "place 1: 1 failed"
    assert outside.read_bytes() == b"precious"
    ((_, status, reason),) = waiting(archive)
    assert (status, "by a link" in reason) == ("FAILED", True)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"online": False}, "RAID1 is off line"),
        ({"path": "elsewhere"}, "the folder of RAID1 is not there"),
        ({"path": UNREADABLE}, "the folder of RAID1 is not there"),
        ({"path": "empty"}, "the folder of RAID1 is empty"),
    ],
    ids=["off line", "gone", "unreadable", "empty"],
)
def test_files_of_a_location_that_is_away_wait(archive: Site, values: dict[str, object], why: str) -> None:
    file = taken_back(archive, 1)
    (archive.data / "empty").mkdir()
    queue(archive, f"{HASHED}SL000000000001.DCM")
    change(archive, 1, **values)
    assert archive.run(OPTION).said == f"place 1: files wait: {why}"
    assert waiting(archive) == [(1, "NOT_PROCESSED", "")]
    change(archive, 1, online=True, path="image1")
    assert archive.run(OPTION).said == "place 1: 1 deleted"
    assert not file.exists()


def test_what_waits_keeps_nothing_of_another_location_waiting(archive: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = {"name": "RAID2", "path": "image2", "kind": "MAG", "hash": True, "site": 1, "online": False, "router": False}
    archive.add(NetworkLocation, {"ien": 4, "physical": "\\\\RAID\\TWO\\", **facts})
    monkeypatch.setattr(deletions, "MOST", 1)
    file = taken_back(archive, 1)
    names = [f"SL{number:012d}.DCM" for number in range(1001, 1201)]
    away = ("\\".join(["\\\\RAID\\TWO", *hashed_directories(name), name]) for name in names)
    queue(archive, *away, f"{HASHED}SL000000000001.DCM")
    looked_at: list[str] = []
    real = deletions._delete

    def look(task: TaskContext, row: Any, *rest: Any) -> deletions.Outcome | None:
        looked_at.append(row.file_path)
        return real(task, row, *rest)

    monkeypatch.setattr(deletions, "_delete", look)
    assert archive.run(OPTION).said == "place 1: 1 deleted, files wait: RAID2 is off line"
    assert not file.exists()
    assert len(looked_at) == deletions.BATCH + 1, "a batch of the location that is away, and no more"
    assert len(waiting(archive)) == 200


@pytest.mark.parametrize(
    ("number", "left"), [(errno.ESTALE, "NOT_PROCESSED"), (errno.EROFS, "NOT_PROCESSED"), (errno.EPERM, "FAILED")]
)
def test_only_what_is_wrong_with_a_file_sets_its_entry_aside(
    archive: Site, monkeypatch: pytest.MonkeyPatch, number: int, left: str
) -> None:
    taken_back(archive, 1)
    queue(archive, f"{HASHED}SL000000000001.DCM")

    def refuse(_path: Path) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "unlink", refuse)
    archive.run(OPTION)
    assert [status for _entry, status, _why in waiting(archive)] == [left]


def test_a_flat_location_that_loses_its_last_file_is_not_taken_for_one_that_is_away(archive: Site) -> None:
    change(archive, 1, hash=False, path="flat")
    folder = archive.data / "flat"
    folder.mkdir()
    (folder / "SL000000000001.DCM").write_bytes(b"data set")
    paths = [f"\\\\RAID\\ONE\\SL000000000001.{ending}" for ending in ("DCM", "TXT", "ABS")]
    queue(archive, paths[0])
    assert archive.run(OPTION).said == "place 1: 1 deleted"
    assert [path.name for path in folder.iterdir()] == [folders.MARK]
    queue(archive, *paths[1:])
    assert archive.run(OPTION).said == "place 1: 2 was not there any more"
    assert waiting(archive) == []


def test_a_run_that_dies_before_it_could_write_anything_down_is_made_up_for(
    archive: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = taken_back(archive, 1)
    queue(archive, f"{HASHED}SL000000000001.DCM")

    def die(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(deletions, "change", die)
    with pytest.raises(KeyboardInterrupt):
        archive.run(OPTION)
    assert not file.exists()
    assert waiting(archive) == [(1, "NOT_PROCESSED", "")]
    monkeypatch.undo()
    assert archive.run(OPTION).said == "place 1: 1 was not there any more"
    assert waiting(archive) == []


def test_a_run_is_bounded_and_stops_when_it_is_asked(archive: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deletions, "MOST", 200)
    names = [f"SL{number:012d}.DCM" for number in range(1001, 1302)]
    queue(archive, *("\\".join(["\\\\RAID\\ONE", *hashed_directories(name), name]) for name in names))
    context = archive.begin(OPTION)
    context.signals.stopping.set()
    find_option(OPTION).body(context)
    assert archive.count(BackgroundQueue) == 301
    archive.run(OPTION)
    assert archive.count(BackgroundQueue) == 101
    archive.run(OPTION)
    assert archive.count(BackgroundQueue) == 0


def test_a_run_whose_task_was_taken_over_writes_nothing(archive: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    queue(archive, f"{HASHED}SL000000000001.DCM")

    def lost(*_arguments: object) -> None:
        raise RuntimeError("lost")

    monkeypatch.setattr(TaskContext, "fence", lost)
    with pytest.raises(RuntimeError, match="lost"):
        archive.run(OPTION)
    assert waiting(archive) == [(1, "NOT_PROCESSED", "")]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_query_reads_all_images(archive: Site) -> None:
    taken_back(archive, 1)
    queue(archive, f"{HASHED}SL000000000001.DCM")
    with statements_of(archive.store) as statements:
        archive.run(OPTION)
    plans = {text: steps for text, steps in statements.plans(archive.store).items() if "FROM image" in text or "queue" in text}
    assert len(plans) > 3
    for text, steps in plans.items():
        assert not any(step.startswith("SCAN") for step in steps if "imaging_site" not in text), (text, steps)
