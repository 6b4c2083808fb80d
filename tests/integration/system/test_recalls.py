"""Images that somebody waits for come back from long-term storage as they were, in order, whatever dies on the way."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from fileman.files import Image, ImagingSite, NetworkLocation, Recall, ReleasedFile
from taskman import Deleted
from taskman.system import recalls
from tests.integration.system.archive_site import RECALL, RELEASE, archived, change, copy_of, fill, mark, places, released
from tests.integration.system.conftest import DAY, Site
from tests.integration.system.dying import ends_before
from tests.integration.system.killing import kill_while_recalling
from tests.support.query_plans import statements_of


def away(site: Site, monkeypatch: pytest.MonkeyPatch, *images: int, **columns: Any) -> list[Path]:
    """File images and release them."""
    files = archived(site, *images, **columns)
    for file in files:
        for one in (file, copy_of(site, file)):
            one.with_suffix(".TXT").write_bytes(b"text")
    mark(site)
    with monkeypatch.context() as patch:
        fill(patch, 99_000_000)
        site.run(RELEASE)
    mark(site, "", "")
    assert set(images) <= set(released(site))
    assert not any(file.exists() for file in files)
    return files


def ask(site: Site, *images: int, at: float = 1.0, location: int = 2) -> None:
    site.add(Recall, *({"image": it, "location": location, "asked_by": "VIEWER", "asked_at": at} for it in images))


def waiting(site: Site) -> list[tuple[int, str, str]]:
    return list(site.all(select(Recall.image, Recall.state, Recall.reason).order_by(Recall.image)))


def test_an_image_comes_back_whole_to_where_it_was(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    (file,) = away(site, monkeypatch, 1)
    content = copy_of(site, file).read_bytes()
    ask(site, 1)
    assert site.run(RECALL).said == "1 images are back"
    assert file.read_bytes() == content
    assert file.with_suffix(".TXT").read_bytes() == b"text"
    assert places(site) == {1: (1, 2)}
    assert site.one(select(Image.last_access)) == "3261121.12", "it is not the next to be released"
    assert waiting(site) == []
    assert site.count(ReleasedFile) == 0
    assert site.events("RECALL") == [(1, "recalled", "JUKEBOX1 to RAID1, for VIEWER")]
    assert isinstance(site.run(RECALL).ending, Deleted), "a run that finds nothing leaves no record"


def test_images_come_back_in_the_order_in_which_they_were_asked_for(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    away(site, monkeypatch, 1, 2, 3)
    ask(site, 3, at=1.0)
    ask(site, 1, 2, at=2.0)
    site.run(RECALL)
    assert [image for image, *_ in site.events("RECALL")] == [3, 1, 2]


def test_an_image_comes_back_to_where_its_place_writes_when_its_own_location_is_away(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    (file,) = away(site, monkeypatch, 1)
    facts = {"name": "RAID2", "path": "image2", "kind": "MAG", "hash": True, "site": 1, "online": True, "router": False}
    site.add(NetworkLocation, {"ien": 4, "physical": "\\\\RAID\\TWO\\", **facts})
    (site.data / "image2").mkdir()
    change(site, NetworkLocation, 1, online=False)
    change(site, ImagingSite, 1, pacs_write_location=4)
    ask(site, 1)
    site.run(RECALL)
    assert places(site) == {1: (4, 2)}
    assert (site.data / "image2" / file.relative_to(site.data / "image1")).exists()


def test_an_image_whose_short_term_location_is_off_line_leaves_no_file_there_when_it_came_back_elsewhere(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    (file,) = archived(site, 1)
    facts = {"name": "RAID2", "path": "image2", "kind": "MAG", "hash": True, "site": 1, "online": True, "router": False}
    site.add(NetworkLocation, {"ien": 4, "physical": "\\\\RAID\\TWO\\", **facts})
    (site.data / "image2").mkdir()
    change(site, NetworkLocation, 1, online=False)
    change(site, ImagingSite, 1, pacs_write_location=4)
    ask(site, 1)
    site.run(RECALL)
    assert places(site) == {1: (4, 2)}
    assert file.exists()
    change(site, NetworkLocation, 1, online=True)
    site.run(RELEASE)
    assert not file.exists()
    assert (site.data / "image2" / file.relative_to(site.data / "image1")).exists()


def corrupt(site: Site, file: Path) -> None:
    copy_of(site, file).write_bytes(b"other bits")


def lose(site: Site, file: Path) -> None:
    copy_of(site, file).unlink()


def occupy(site: Site, file: Path) -> None:
    file.write_bytes(b"another patient's")


def delete(site: Site, file: Path) -> None:
    site.store.transact(lambda connection: connection.execute(Image.__table__.delete().where(Image.ien == 1)))


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (corrupt, "is not what was released: its digest differs"),
        (lose, "there is no file"),
        (occupy, "another file is at"),
        (delete, "there is no image 1"),
    ],
)
def test_an_image_that_cannot_come_back_says_why_and_the_next_comes(
    site: Site, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Site, Path], None], why: str
) -> None:
    file, other = away(site, monkeypatch, 1, 2)
    spoil(site, file)
    before = file.read_bytes() if file.exists() else None
    ask(site, 1, 2)
    assert site.run(RECALL).said == "1 images are back, 1 images cannot come back"
    ((image, state, reason),) = waiting(site)
    assert (image, state) == (1, "FAILED")
    assert why in reason
    assert (file.read_bytes() if file.exists() else None) == before, "nothing is written over"
    assert places(site).get(1, (None, 2)) == (None, 2)
    assert other.exists()
    ((failed, outcome, detail), *_back) = site.events("RECALL")
    assert (failed, outcome, detail) == (1, "failed", reason)


def test_a_failure_is_forgotten_after_a_week(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    (file,) = away(site, monkeypatch, 1)
    lose(site, file)
    ask(site, 1)
    site.run(RECALL)
    site.clock.advance(recalls.FAILED_DAYS * DAY + 1)
    site.run(RECALL)
    assert waiting(site) == []


@pytest.mark.parametrize(
    ("location", "values", "why"),
    [
        (2, {"path": "gone"}, "1 images wait, the folder of JUKEBOX1 is not there"),
        (1, {"online": False}, "1 images wait, no short-term location takes what JUKEBOX1 has"),
    ],
)
def test_what_waits_for_a_location_comes_back_with_it(
    site: Site, monkeypatch: pytest.MonkeyPatch, location: int, values: dict[str, object], why: str
) -> None:
    (file,) = away(site, monkeypatch, 1)
    ask(site, 1)
    before = {"path": "jukebox1"} if "path" in values else {"online": True}
    change(site, NetworkLocation, location, **values)
    assert site.run(RECALL).said == why
    assert waiting(site) == [(1, "WAITING", "")]
    change(site, NetworkLocation, location, **before)
    site.run(RECALL)
    assert file.exists()


def test_what_waits_for_a_medium_that_is_off_line_is_not_looked_at(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    away(site, monkeypatch, 1)
    ask(site, 1)
    change(site, NetworkLocation, 2, online=False)
    assert isinstance(site.run(RECALL).ending, Deleted)
    assert waiting(site) == [(1, "WAITING", "")]


def test_a_full_disk_leaves_the_rest_waiting_and_nothing_half_written(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    (file,) = away(site, monkeypatch, 1)
    ask(site, 1)

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        assert site.run(RECALL).said == "1 images wait, RAID1: No space left on device"
    assert list((site.data / "image1").rglob("*.part")) == []
    assert places(site) == {1: (None, 2)}
    site.run(RECALL)
    assert file.exists()


def test_an_image_that_is_back_already_is_waited_for_no_more(site: Site) -> None:
    archived(site, 1)
    ask(site, 1)
    site.run(RECALL)
    assert waiting(site) == []
    assert site.events("RECALL") == []


def test_a_file_that_a_release_left_is_taken_as_it_is_when_it_cannot_be_removed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    (file,) = archived(site, 1)
    mark(site)

    def refuse(_path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        fill(patch, 99_000)
        patch.setattr(Path, "unlink", refuse)
        site.run(RELEASE)
        ask(site, 1)
        site.run(RECALL)
    assert places(site) == {1: (1, 2)}
    site.run(RECALL)
    assert file.exists(), "no later run takes it for a file that was left"
    assert site.count(ReleasedFile) == 0


def test_a_run_that_dies_at_any_step_is_made_good_by_the_next(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The steps: every fsync and rename of a file, and every change in the database."""
    died, ended = 0, False
    while not ended:
        died += 1
        (file,) = away(site, monkeypatch, died)
        ask(site, died)
        ended = ends_before(
            site,
            RECALL,
            died,
            ("os.fsync", "pathlib.Path.rename"),
            ("UPDATE image", "DELETE FROM recall", "DELETE FROM released", "INSERT INTO image_event"),
        )
        if places(site)[died] == (1, 2):
            assert file.exists(), "the entry never names a file that is not there"
        site.run(RECALL)
        assert places(site)[died] == (1, 2)
        assert file.read_bytes() == copy_of(site, file).read_bytes()
        assert file.with_suffix(".TXT").read_bytes() == b"text"
        assert waiting(site) == []
        assert len(site.events("RECALL")) == died, "each image is told of once"
    assert died > 10
    assert list((site.data / "image1").rglob("*.part")) == []


def test_a_process_that_is_killed_while_images_come_back_loses_none(site: Site) -> None:
    kill_while_recalling(site, 1, count=150, kills=1)


def test_a_look_that_is_taken_every_few_seconds_uses_indexes(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    if not site.store.sqlite:
        pytest.skip("plans are read on SQLite")
    away(site, monkeypatch, 1, 2)
    ask(site, 1, 2)
    site.store.transact(lambda connection: connection.execute(update(Image).where(Image.ien == 2).values(file_ref="")))
    with statements_of(site.store) as statements:
        assert site.run(RECALL).said == "1 images are back, 1 images cannot come back"
    plans = statements.plans(site.store)
    scans = {step for steps in plans.values() for step in steps if step.startswith("SCAN")}
    assert {it for it in scans if "CONSTANT" not in it} <= {"SCAN network_location", "SCAN imaging_site"}
