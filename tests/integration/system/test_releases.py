"""Full short-term locations give up what was not looked at for longest, and nothing without another good copy, whatever dies."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from fileman import Override, set_override
from fileman.files import (
    ArchiveInstance,
    ArchivePatient,
    ArchiveSeries,
    ArchiveStudy,
    BackgroundQueue,
    DerivedFile,
    DicomExport,
    DicomExportImage,
    Image,
    LongTermFault,
    NetworkLocation,
    OptionSchedule,
    Recall,
    ReleasedFile,
    SendQueue,
    TaskError,
)
from rules.evaluator.evaluator_log import set_flag
from taskman import Deleted
from taskman.system import candidates, folders, recalls, releases
from tests.integration.system.archive_site import (
    RELEASE,
    SIZE,
    archived,
    change,
    copy_of,
    fill,
    mark,
    places,
    released,
)
from tests.integration.system.conftest import OUTREACH, Site
from tests.integration.system.dying import ends_before
from tests.integration.system.killing import kill_while_releasing
from tests.support.query_plans import statements_of


@pytest.mark.parametrize(
    ("used", "high", "low", "images"),
    [
        (90_000, "90%", "80%", 0),  # not above it
        (90_001, "90%", "80%", 11),
        (92_500, "90%", "", 3),  # to the high one
        (95_000, "90 KB", "89.5 KB", 6),
        (95_000, "", "", 0),
        (1_000, "0%", "0%", 1),
    ],
)
def test_a_location_above_its_high_watermark_gives_up_as_many_images_as_bring_it_below_the_low_one(
    site: Site, monkeypatch: pytest.MonkeyPatch, used: int, high: str, low: str, images: int
) -> None:
    archived(site, *range(1, 13))
    mark(site, high, low)
    fill(monkeypatch, used)
    ran = site.run(RELEASE)
    assert released(site) == list(range(1, images + 1))
    if images:
        assert ran.said == f"RAID1: {images} images released, {images * SIZE} bytes"
    else:
        assert isinstance(ran.ending, Deleted), "a run that finds nothing leaves no record"


def test_an_image_is_released_with_its_companions_and_is_on_the_long_term_location_alone(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    (file,) = archived(site, 1, big_location=1, big_jukebox_location=2)
    for suffix in (".TXT", ".BIG"):
        file.with_suffix(suffix).write_bytes(suffix.encode())
        copy_of(site, file).with_suffix(suffix).write_bytes(suffix.encode())
    file.with_suffix(".ABS").write_bytes(b"abstract")
    mark(site)
    fill(monkeypatch, 91_000)
    assert site.run(RELEASE).said == f"RAID1: 1 images released, {SIZE + 8} bytes"
    assert sorted(it.name for it in file.parent.iterdir()) == [file.with_suffix(".ABS").name], "its abstract stays"
    assert site.all(select(Image.location, Image.big_location, Image.jukebox_location, Image.big_jukebox_location)) == [
        (None, None, 2, 2)
    ]
    assert site.events("RELEASE") == [(1, "released", "RAID1, it is on JUKEBOX1")]
    assert sorted(site.all(select(ReleasedFile.name, ReleasedFile.removed))) == [
        (f"SL000000000001{suffix}", True) for suffix in (".BIG", ".DCM", ".TXT")
    ]


def test_what_was_not_looked_at_for_longest_goes_first(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    archived(site, 1, saved_at="3261101", last_access="3261120")
    archived(site, 2, saved_at="3261110")
    archived(site, 3, saved_at="3261102", last_access="3261105")
    archived(site, 4, saved_at="3261112")
    mark(site)
    fill(monkeypatch, 90_001)
    monkeypatch.setattr(releases, "MOST", 1)
    order: list[int] = []
    for _ in range(4):
        site.run(RELEASE)
        order += [image for image in released(site) if image not in order]
    assert order == [3, 2, 4, 1]


def send(site: Site) -> None:
    facts = {"destination": OUTREACH, "file_type": "DICOM", "mechanism": 1, "origin": 660, "priority": 500, "queued": "3261121"}
    site.add(SendQueue, {"ien": 1, "image": 1, "status": "WAITING", **facts})


def export(site: Site) -> None:
    site.add(DicomExport, {"ien": 1, "application": "A", "group": 1, "origin": 660, "priority": 500, "requested": "3261121"})
    facts = {"status": "HOLD", "origin": 660, "priority": 500, "status_at": 0.0}
    site.add(DicomExportImage, {"export": 1, "sequence": 1, "image": 1, **facts})


def evaluate(site: Site) -> None:
    site.store.transact(lambda connection: set_flag(connection, running=True))
    to_be_judged(site)


def to_be_judged(site: Site) -> None:
    site.add(BackgroundQueue, {"ien": 1, "queue": "EVAL", "duz": 1, "requested": "3261121", "place": 1, "image": 1})


def await_picture(site: Site) -> None:
    schedule = {"ien": 1, "option": "MAGB MAKE DERIVED FILES", "frequency": "15S", "duz": 0}
    site.add(OptionSchedule, schedule)
    site.add(DerivedFile, {"image": 1, "file_type": "ABSTRACT", "expected_at": 0.0})


def keep_study(site: Site) -> None:
    site.add(Image, {"ien": 100, "name": "X", "object_type": 11, "patient": 100, "saved_at": "3", "saved_by": 0, "uid": "9.9"})
    change(site, Image, 1, parent=100)
    override(site, "STUDY", "9.9", "KEEP")


def keep_patient(site: Site) -> None:
    change(site, Image, 1, patient=77)
    override(site, "PATIENT", "77", "KEEP")


def never_archive(site: Site) -> None:
    change(site, Image, 1, patient=77)
    override(site, "PATIENT", "77", "NEVER-ARCHIVE")


def flag(site: Site, **flags: str) -> None:
    """Let the index know what image 1's header says."""
    site.add(ArchivePatient, {"ien": 1, "dfn": 100, "patient_id": "1"})
    site.add(ArchiveStudy, {"ien": 1, "patient": 1, "study_uid": "9.9"})
    site.add(ArchiveSeries, {"ien": 1, "study": 1, "series_uid": "9.9.1"})
    site.add(ArchiveInstance, {"image": 1, "series": 1, "sop_uid": "1.2.1", **flags})


def keep_by_header(site: Site) -> None:
    flag(site, keep_online="01")


def never_archive_by_header(site: Site) -> None:
    flag(site, do_not_archive="01")


def override(site: Site, scope: str, subject: str, rule: str) -> None:
    site.store.transact(lambda connection: set_override(connection, Override(scope, subject, rule, "", "IRIS", 0.0)))


NEEDS = [
    (send, "it is being sent"),
    (export, "it is being exported"),
    (evaluate, "rules are to be judged"),
    (await_picture, "files are made from it"),
    (keep_study, "the rule for its study says: keep it on line"),
    (keep_patient, "the rule for its patient says: keep it on line"),
    (never_archive, "the rule for its patient says: never archive it"),
    (keep_by_header, "its header says: keep it on line"),
    (never_archive_by_header, "its header says: never archive it"),
]


@pytest.mark.parametrize(("hinder", "why"), NEEDS)
def test_an_image_that_is_needed_where_it_is_stays_and_the_next_goes(
    site: Site, monkeypatch: pytest.MonkeyPatch, hinder: Callable[[Site], None], why: str
) -> None:
    first, _ = archived(site, 1, 2)
    hinder(site)
    mark(site)
    fill(monkeypatch, 90_001)
    assert site.run(RELEASE).said == f"RAID1: 1 images released, {SIZE} bytes, 1 kept: {why} (1)"
    assert 1 not in released(site)
    assert 2 in released(site)
    assert first.exists()


@pytest.mark.parametrize("flags", [{"keep_online": "01"}, {"do_not_archive": "01"}])
@pytest.mark.parametrize(("scope", "subject"), [("STUDY", "9.9"), ("PATIENT", "100")])
def test_what_a_person_said_counts_more_than_what_a_header_says(
    site: Site, monkeypatch: pytest.MonkeyPatch, flags: dict[str, str], scope: str, subject: str
) -> None:
    archived(site, 1)
    site.add(Image, {"ien": 100, "name": "X", "object_type": 11, "patient": 100, "saved_at": "3", "saved_by": 0, "uid": "9.9"})
    change(site, Image, 1, parent=100)
    flag(site, **flags)
    mark(site)
    fill(monkeypatch, 90_001)
    site.run(RELEASE)
    assert 1 not in released(site)
    override(site, scope, subject, "RELEASE")
    site.run(RELEASE)
    assert 1 in released(site)


@pytest.mark.parametrize("value", ["00", ""])
def test_a_flag_that_is_not_set_keeps_nothing(site: Site, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    archived(site, 1)
    flag(site, keep_online=value, do_not_archive=value)
    mark(site)
    fill(monkeypatch, 90_001)
    site.run(RELEASE)
    assert released(site) == [1]


def test_where_no_rules_are_judged_an_image_does_not_wait_for_them(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    archived(site, 1)
    to_be_judged(site)
    mark(site)
    fill(monkeypatch, 90_001)
    site.run(RELEASE)
    assert released(site) == [1]


def test_a_rule_for_a_study_counts_more_than_one_for_its_patient(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    archived(site, 1)
    keep_study(site)
    override(site, "STUDY", "9.9", "RELEASE")
    override(site, "PATIENT", "100", "KEEP")
    mark(site)
    fill(monkeypatch, 91_000)
    site.run(RELEASE)
    assert 1 in released(site)


def test_what_never_went_to_long_term_storage_is_not_released(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    file = site.image(1)
    mark(site)
    fill(monkeypatch, 99_000)
    assert site.run(RELEASE).said == "RAID1: 0 images released, 0 bytes"
    assert file.exists()


def corrupt_copy(site: Site, file: Path) -> None:
    copy_of(site, file).write_bytes(b"other bits".ljust(SIZE, b"."))


def shorten_copy(site: Site, file: Path) -> None:
    copy_of(site, file).write_bytes(copy_of(site, file).read_bytes()[:-1])


def lose_copy(site: Site, file: Path) -> None:
    (copy_of(site, file).parent / "other").write_bytes(b"")
    copy_of(site, file).unlink()


def lose_text(site: Site, file: Path) -> None:
    file.with_suffix(".TXT").write_bytes(b"text without a copy")


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (corrupt_copy, "on JUKEBOX1 is not what it is on RAID1: its digest differs"),
        (shorten_copy, "its digest differs"),
        (lose_copy, "there is no file"),
        (lose_text, "there is no file"),
    ],
)
def test_an_image_whose_long_term_copy_is_at_fault_stays_and_people_hear_of_it_once(
    site: Site, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Site, Path], None], why: str
) -> None:
    first, second = archived(site, 1, 2)
    content = first.read_bytes()
    spoil(site, first)
    mark(site)
    fill(monkeypatch, 90_001)
    said = site.run(RELEASE).said
    assert said == f"RAID1: 1 images released, {SIZE} bytes, 1 whose long-term copy is at fault"
    assert first.read_bytes() == content
    assert places(site) == {1: (1, 2), 2: (None, 2)}
    assert not second.exists()
    ((failed, outcome, detail), *_released) = site.events("RELEASE")
    assert (failed, outcome) == (1, "failed")
    assert why in detail
    (fault,) = site.all(select(LongTermFault.reason))
    (logged,) = site.all(select(TaskError.text))
    assert why in fault
    assert why in logged
    site.run(RELEASE)
    assert site.count(TaskError) == 1, "it is not read again and again"


@pytest.mark.parametrize(
    ("location", "values", "why"),
    [
        (2, {"online": False}, "JUKEBOX1 is off line"),
        (2, {"path": "gone"}, "the folder of JUKEBOX1 is not there"),
        (1, {"path": "gone"}, "the folder of RAID1 is not there"),
    ],
)
def test_nothing_is_released_while_a_location_is_away(
    site: Site, monkeypatch: pytest.MonkeyPatch, location: int, values: dict[str, object], why: str
) -> None:
    files = archived(site, 1, 2)
    mark(site)
    change(site, NetworkLocation, location, **values)
    fill(monkeypatch, 99_000)
    assert why in site.run(RELEASE).said
    assert all(file.exists() for file in files)
    assert released(site) == []
    assert site.count(LongTermFault) == 0


def test_the_last_file_of_a_location_leaves_a_mark_so_that_it_is_not_taken_for_unmounted(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    (file,) = archived(site, 1)
    root = site.data / "flat"
    root.mkdir()
    file.rename(root / file.name)
    change(site, NetworkLocation, 1, path="flat", hash=False)
    mark(site)
    fill(monkeypatch, 99_000)
    site.run(RELEASE)
    assert [it.name for it in root.iterdir()] == [folders.MARK]


def test_a_file_that_cannot_be_removed_now_is_removed_by_a_later_run(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    (file,) = archived(site, 1)
    mark(site)
    fill(monkeypatch, 91_000)

    def refuse(_path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        site.run(RELEASE)
        assert file.exists()
        assert released(site) == [1]
        assert site.run(RELEASE).said.startswith("it cannot be removed: Permission denied; RAID1: 0 images released")
    site.run(RELEASE)
    assert not file.exists()
    assert site.all(select(ReleasedFile.removed)) == [True]


def test_a_run_that_dies_at_any_step_loses_no_image_and_the_next_removes_what_it_left(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The steps: every removal, and every change in the database, each before and after."""
    mark(site)
    fill(monkeypatch, 91_000)
    died, ended = 0, False
    while not ended:
        died += 1
        (file,) = archived(site, died)
        for one in (file, copy_of(site, file)):
            one.with_suffix(".TXT").write_bytes(b"text")
        ended = ends_before(
            site,
            RELEASE,
            died,
            ("pathlib.Path.unlink", "os.fsync"),
            ("UPDATE image", "UPDATE released", "INSERT INTO released", "INSERT INTO image_event"),
        )
        if places(site)[died] == (1, 2):
            assert file.exists(), "the entry never names a file that is gone"
        assert copy_of(site, file).exists()
        site.run(RELEASE)
        assert places(site)[died] == (None, 2)
        assert not file.exists()
        assert not file.with_suffix(".TXT").exists()
        assert len(site.events("RELEASE")) == died, "each image is told of once"
    assert died > 10


def test_a_process_that_is_killed_while_it_releases_loses_nothing(site: Site) -> None:
    kill_while_releasing(site, 1, count=150, kills=1)


def test_what_somebody_waits_for_comes_back_while_others_are_released(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    first, *_others = archived(site, 1, 2, 3)
    first.unlink()
    change(site, Image, 1, location=None)
    site.add(Recall, {"image": 1, "location": 2, "asked_by": "VIEWER", "asked_at": 1.0})
    mark(site)
    fill(monkeypatch, 90_001)
    said = site.run(RELEASE).said
    assert said.endswith("1 images are back")
    assert first.exists()
    assert site.count(Recall) == 0


def test_what_could_not_come_back_for_want_of_room_comes_back_when_this_run_has_made_some(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *_others = archived(site, *range(1, 5))
    first.unlink()
    change(site, Image, 1, location=None)
    site.add(Recall, {"image": 1, "location": 2, "asked_by": "VIEWER", "asked_at": 1.0})
    mark(site)
    fill(monkeypatch, 99_000)
    monkeypatch.setattr(recalls, "FRESH", 0.0)
    fsync, calls = os.fsync, iter([OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))])

    def once_full(descriptor: int) -> None:
        if (error := next(calls, None)) is not None:
            raise error
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", once_full)
    said = site.run(RELEASE).said
    assert said.endswith("1 images are back")
    assert first.exists()


def test_a_look_for_images_to_release_uses_indexes(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    if not site.store.sqlite:
        pytest.skip("plans are read on SQLite")
    archived(site, 1, 2)
    mark(site)
    fill(monkeypatch, 99_000)
    with statements_of(site.store) as statements:
        assert site.run(RELEASE).said == f"RAID1: 2 images released, {2 * SIZE} bytes"
    plans = statements.plans(site.store)
    scans = {step for steps in plans.values() for step in steps if step.startswith("SCAN")}
    assert {it for it in scans if "CONSTANT" not in it} <= {"SCAN network_location", "SCAN imaging_site"}
    looks = {text: steps for text, steps in plans.items() if text.startswith("SELECT image.ien, image.file_ref")}
    assert len(looks) == 2
    assert not any("TEMP B-TREE" in step for steps in looks.values() for step in steps), "images come in the index's order"


def test_more_images_than_one_look_gives_are_released_in_one_run(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    images = range(1, candidates.BATCH + 4)
    archived(site, *images)
    mark(site)
    fill(monkeypatch, 99_000_000)
    site.run(RELEASE)
    assert released(site) == list(images)
