"""Abstracts, .TGA and .BIG files are made from filed objects, once, and nothing is given out before it is there."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Picture
from pydicom import Dataset, dcmwrite
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEGBaseline8Bit
from sqlalchemy import delete, select, update

from fileman import (
    DERIVED_FILES_OPTION,
    THERE,
    Settled,
    derived_file_types,
    expect_derived_files,
    forget_derived_files,
    settle_derived_files,
)
from fileman.files import DerivedFile, Image, NetworkLocation, OptionSchedule, SendQueue
from rules.evaluator.queueing import Copies, Origin, queue_copies
from taskman import Deleted
from taskman.pictures import Kind, Painted, Painter, PictureFile, drawing, frame
from taskman.system import derived_files
from tests.integration.system.conftest import DAY, UNREADABLE, Site
from tests.integration.system.test_long_term import copy_of, queue
from tests.support.pictures import INVERTED, SHOWN, coloured, frames, near, picture, quadrants
from tests.support.query_plans import statements_of

LONG_TERM, REQUEUE = "MAGB COPY LONG-TERM", "MAGB REQUEUE STUCK ENTRIES"


def size(file: Path) -> tuple[int, int]:
    with Picture.open(file) as shown:
        return shown.size


@pytest.fixture
def scheduled(site: Site) -> Site:
    """Give the site with the making of derived files scheduled."""
    site.add(OptionSchedule, {"ien": 1, "option": DERIVED_FILES_OPTION, "frequency": "15S"})
    return site


def file_image(site: Site, ien: int, dataset: Dataset | bytes | None, **columns: Any) -> Path:
    """File an image with its object, as a gateway does; gives the object's path."""
    path = site.image(ien, content=None, abstract_location=1, **columns).with_suffix(".DCM")
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(dataset, bytes):
        path.write_bytes(dataset)
    elif dataset is not None:
        dataset.save_as(path)
    file_ref, big = columns.get("file_ref", path.name), columns.get("big_extension", "")
    types = derived_file_types(file_ref, big)
    site.store.transact(lambda connection: expect_derived_files(connection, {ien: types}, site.clock.seconds()))
    return path


def states(site: Site) -> list[Any]:
    columns = (DerivedFile.image, DerivedFile.file_type, DerivedFile.state)
    return list(site.all(select(*columns).order_by(DerivedFile.image, DerivedFile.file_type)))


def send(site: Site, image: int, *file_types: str) -> None:
    origin = Origin(660, "3261121.12", site.clock.seconds())
    site.store.transact(lambda connection: queue_copies(connection, image, Copies(3, 500, file_types), origin))


def held(site: Site) -> dict[str, bool]:
    return dict(site.all(select(SendQueue.file_type, SendQueue.held)))


def test_an_abstract_shows_the_picture(scheduled: Site) -> None:
    path = file_image(scheduled, 1, picture())
    run = scheduled.run(DERIVED_FILES_OPTION)
    assert run.said == "images: 1 with all files, 0 with placeholders, 0 without its files"
    assert near(quadrants(path.with_suffix(".ABS")), SHOWN)
    assert states(scheduled) == [(1, "ABSTRACT", "THERE")]
    assert scheduled.events("DERIVE") == [(1, "there", "ABSTRACT")]
    assert list(path.parent.glob("*.part")) == [], "nothing is left of the making"
    assert isinstance(scheduled.run(DERIVED_FILES_OPTION).ending, Deleted), "nothing is left to do"


@pytest.mark.parametrize(
    ("dataset", "shown"),
    [
        (picture(), SHOWN),
        (picture(PhotometricInterpretation="MONOCHROME1"), INVERTED),
        (picture(RescaleSlope=2, RescaleIntercept=-100, WindowCenter=200.5, WindowWidth=601), SHOWN),
        (picture(WindowCenter=100000), SHOWN),  # a window beside all that is there: the range of the samples
        (picture(WindowCenter="", WindowWidth=""), SHOWN),
        (picture(WindowWidth=0), SHOWN),
        (picture(WindowCenter=50.5, WindowWidth=101), [0, 255, 255, 255]),
        (picture(WindowCenter=[150.5, 9], WindowWidth=[301, 2]), SHOWN),  # the first of two
        (frames(5), SHOWN),  # the frame in the middle
        (coloured(), SHOWN),
    ],
)
def test_pixels_are_rescaled_windowed_and_turned_the_right_way(dataset: Dataset, shown: list[int], tmp_path: Path) -> None:
    dataset.save_as(tmp_path / "x.dcm")
    pixels = frame.read_picture(tmp_path / "x.dcm")
    assert near(quadrants(pixels if pixels.ndim == 2 else pixels[:, :, 1]), shown)


@pytest.mark.parametrize(
    ("compressed", "plain"),
    [
        ("MR_small_RLE.dcm", "MR_small.dcm"),
        ("MR_small_jp2klossless.dcm", "MR_small.dcm"),
        ("MR_small_jpeg_ls_lossless.dcm", "MR_small.dcm"),
        ("MR_small_bigendian.dcm", "MR_small.dcm"),
        ("SC_rgb_jpeg_dcmtk.dcm", "SC_rgb_dcmtk_+eb+cr.dcm"),
    ],
)
def test_compressed_pixels_show_the_same_picture(compressed: str, plain: str) -> None:
    shown, expected = (frame.read_picture(Path(str(get_testdata_file(name)))) for name in (compressed, plain))
    assert shown.shape == expected.shape
    assert np.abs(shown.astype(int) - expected).mean() < 3
    assert expected.std() > 5, "there is something to be seen"


def deflated(pixels: bytes) -> bytes:
    whole = io.BytesIO()
    dataset = picture(PixelData=pixels)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dcmwrite(whole, dataset, implicit_vr=False, little_endian=True)
    return whole.getvalue()


def test_a_deflated_object_shows_its_picture(tmp_path: Path) -> None:
    (tmp_path / "x.dcm").write_bytes(deflated(picture().PixelData))
    assert near(quadrants(frame.read_picture(tmp_path / "x.dcm")), SHOWN)


def test_a_deflated_object_is_not_inflated_without_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame, "MOST_INFLATED", 1 << 20)
    (tmp_path / "x.dcm").write_bytes(deflated(picture().PixelData + bytes(200 << 20)))
    tracemalloc.start()
    try:
        with pytest.raises(frame.NoPicture, match="inflates to more than 1048576 bytes"):
            frame.read_picture(tmp_path / "x.dcm")
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
    finally:
        tracemalloc.stop()


def test_the_largest_frame_is_decoded_in_the_painters_memory(painter: Painter, tmp_path: Path) -> None:
    side = 8192
    dataset = picture(Rows=side, Columns=side, PixelData=np.arange(side * side, dtype=np.uint32).astype(np.int16).tobytes())
    assert side * side == frame.MOST_SAMPLES
    dataset.save_as(tmp_path / "x.dcm")
    assert painter.paint(tmp_path / "x.dcm", [PictureFile(Kind.ABSTRACT, tmp_path / "x.ABS")]) == Painted()


def undecodable() -> Dataset:
    dataset = picture()
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.PixelData = encapsulate([b"\xff\xd8 no JPEG \xff\xd9"])
    dataset["PixelData"].VR = "OB"
    return dataset


def without_pixels() -> Dataset:
    dataset = picture()
    del dataset.PixelData, dataset.Rows
    return dataset


def too_large() -> Dataset:
    return picture(Rows=20_000, Columns=20_000)


@pytest.mark.parametrize("spoiled", [undecodable(), without_pixels(), too_large(), b"no DICOM file"])
def test_an_object_without_a_picture_gets_a_placeholder_and_one_log_line(
    scheduled: Site, spoiled: Dataset | bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = scheduled.data / "image1" / "x"
    if isinstance(spoiled, bytes):
        path = file_image(scheduled, 1, spoiled)
    else:
        path = file_image(scheduled, 1, None)
        spoiled.save_as(path, enforce_file_format=False)
    scheduled.run(DERIVED_FILES_OPTION)
    assert isinstance(scheduled.run(DERIVED_FILES_OPTION).ending, Deleted), "it is never tried again"
    assert size(path.with_suffix(".ABS")) == (drawing.PLACEHOLDER_SIDE, drawing.PLACEHOLDER_SIDE)
    assert np.asarray(Picture.open(path.with_suffix(".ABS"))).std() > 10, "there is something to be seen"
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert record.getMessage().startswith("image 1 is with placeholders: ")
    assert states(scheduled) == [(1, "ABSTRACT", "PLACEHOLDER")]


def test_a_type_3_image_has_a_tga_and_a_big_file(scheduled: Site) -> None:
    dataset = picture(Rows=2 * drawing.REDUCED_SIDE, Columns=2 * drawing.REDUCED_SIDE)
    values = np.kron(np.array([[0, 100], [200, 300]]), np.ones((drawing.REDUCED_SIDE, drawing.REDUCED_SIDE))).astype(np.int16)
    dataset.PixelData = values.tobytes()
    name = "SL000000000001.TGA"
    path = file_image(scheduled, 1, dataset, file_ref=name, object_type=3, big_location=1, big_extension="BIG")
    scheduled.run(DERIVED_FILES_OPTION)
    sizes = {suffix: size(path.with_suffix(suffix))[0] for suffix in (".ABS", ".TGA", ".BIG")}
    assert sizes == {".ABS": drawing.ABSTRACT_SIDE, ".TGA": drawing.REDUCED_SIDE, ".BIG": 2 * drawing.REDUCED_SIDE}
    assert all(near(quadrants(path.with_suffix(suffix)), SHOWN) for suffix in sizes)
    assert states(scheduled) == [(1, "ABSTRACT", "THERE"), (1, "BIG", "THERE"), (1, "FULL", "THERE")]


def test_a_file_that_is_there_is_never_made_again(scheduled: Site) -> None:
    path = file_image(scheduled, 1, picture())
    path.with_suffix(".ABS").write_bytes(b"the gateway's own")
    scheduled.run(DERIVED_FILES_OPTION)
    assert path.with_suffix(".ABS").read_bytes() == b"the gateway's own"
    assert states(scheduled) == [(1, "ABSTRACT", "THERE")]


class Died(BaseException):
    """The process dies here."""


def test_a_task_that_dies_between_two_files_leaves_whole_ones_and_the_next_makes_the_others(
    scheduled: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "SL000000000001.TGA"
    path = file_image(scheduled, 1, picture(), file_ref=name, object_type=3, big_location=1, big_extension="BIG")
    send(scheduled, 1, "ABSTRACT", "FULL", "BIG")

    def paint_one(_self: Painter, source: Path, files: list[PictureFile]) -> Painted:
        drawing.paint(source, files[:1])
        raise Died

    for left in (2, 1):
        with monkeypatch.context() as patch:
            patch.setattr(Painter, "paint", paint_one)
            with pytest.raises(Died):
                scheduled.run(DERIVED_FILES_OPTION)
        there = [suffix for suffix in (".ABS", ".TGA", ".BIG") if path.with_suffix(suffix).exists()]
        assert len(there) == 3 - left
        assert all(held(scheduled).values()), "nothing is given out of what is not written down"
    before = {path.with_suffix(suffix): path.with_suffix(suffix).stat().st_ino for suffix in there}
    scheduled.run(DERIVED_FILES_OPTION)
    assert {file: file.stat().st_ino for file in before} == before, "what is there is not made again"
    assert all(near(quadrants(path.with_suffix(suffix)), SHOWN) for suffix in (".ABS", ".TGA", ".BIG"))
    assert not any(held(scheduled).values())
    assert len(scheduled.events("DERIVE")) == 3


def test_images_are_settled_together_but_for_those_that_are_gone(scheduled: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(derived_files, "SETTLED_AT_ONCE", 2)
    for ien in (1, 2, 3, 4):
        file_image(scheduled, ien, picture())
    scheduled.run(DERIVED_FILES_OPTION)
    assert states(scheduled) == [(ien, "ABSTRACT", "THERE") for ien in (1, 2, 3, 4)]
    assert len(scheduled.events("DERIVE")) == 4
    file_image(scheduled, 5, None)
    there = {"ABSTRACT": Settled(THERE)}
    settled = scheduled.store.transact(lambda connection: settle_derived_files(connection, {5: there, 6: there}))
    assert settled == {5}


def test_a_run_that_dies_before_it_settles_leaves_pictures_that_the_next_one_finds(
    scheduled: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = [file_image(scheduled, ien, picture()) for ien in (1, 2)]
    with monkeypatch.context() as failing:

        def die(*_arguments: object) -> None:
            raise MemoryError

        failing.setattr(derived_files, "_settle", die)
        with pytest.raises(MemoryError):
            scheduled.run(DERIVED_FILES_OPTION)
    made = [path.with_suffix(".ABS").stat().st_ino for path in objects]
    assert [state for _image, _type, state in states(scheduled)] == ["WAITING"] * 2
    scheduled.run(DERIVED_FILES_OPTION)
    assert [state for _image, _type, state in states(scheduled)] == ["THERE"] * 2
    assert [path.with_suffix(".ABS").stat().st_ino for path in objects] == made


def test_entries_wait_in_the_send_queue_until_their_files_are_there(scheduled: Site) -> None:
    file_image(scheduled, 1, picture())
    send(scheduled, 1, "ABSTRACT", "FULL", "TEXT")
    assert held(scheduled) == {"ABSTRACT": True, "FULL": False, "TEXT": False}
    scheduled.run(DERIVED_FILES_OPTION)
    assert held(scheduled) == {"ABSTRACT": False, "FULL": False, "TEXT": False}
    file_image(scheduled, 2, picture())
    scheduled.run(DERIVED_FILES_OPTION)
    send(scheduled, 2, "ABSTRACT")
    assert not any(held(scheduled).values()), "what is there is not waited for"


def test_where_nobody_makes_them_nothing_is_awaited(site: Site) -> None:
    site.add(OptionSchedule, {"ien": 1, "option": DERIVED_FILES_OPTION, "frequency": "15S", "paused": True})
    file_image(site, 1, picture())
    send(site, 1, "ABSTRACT")
    assert states(site) == []
    assert held(site) == {"ABSTRACT": False}


@pytest.mark.parametrize("how", ["paused", "not scheduled"])
def test_when_nobody_makes_them_any_more_nothing_waits_for_them(scheduled: Site, how: str) -> None:
    path = file_image(scheduled, 1, picture(), file_ref="SL000000000001.TGA", object_type=3)
    path.with_suffix(".TGA").write_bytes(b"the gateway's own")
    send(scheduled, 1, "ABSTRACT")
    queue(scheduled, 1)
    scheduled.run(REQUEUE)
    scheduled.run(LONG_TERM)
    assert (held(scheduled), copy_of(scheduled, path).exists()) == ({"ABSTRACT": True}, False)
    statement: Any = update(OptionSchedule).values(paused=True) if how == "paused" else delete(OptionSchedule)
    scheduled.store.transact(lambda connection: connection.execute(statement))
    assert (scheduled.run(REQUEUE).said or "").endswith("; 1 wait no longer for files that nobody makes")
    assert isinstance(scheduled.run(REQUEUE).ending, Deleted)
    scheduled.run(LONG_TERM)
    assert (held(scheduled), copy_of(scheduled, path).exists()) == ({"ABSTRACT": False}, True)
    send(scheduled, 1, "FULL")
    assert not any(held(scheduled).values()), "nor does what is queued now"


def test_an_image_without_its_object_will_have_no_files_and_is_not_waited_for(
    scheduled: Site, caplog: pytest.LogCaptureFixture
) -> None:
    file_image(scheduled, 1, None)
    file_image(scheduled, 2, picture())
    send(scheduled, 1, "ABSTRACT")
    assert scheduled.run(DERIVED_FILES_OPTION).said == "images: 1 with all files, 0 with placeholders, 1 without its files"
    assert states(scheduled) == [(1, "ABSTRACT", "NEVER"), (2, "ABSTRACT", "THERE")]
    assert held(scheduled) == {"ABSTRACT": False}
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["image 1 is without its files"]


def test_a_location_that_is_not_there_is_waited_for_some_days(scheduled: Site) -> None:
    file_image(scheduled, 1, picture())
    site, gone = scheduled, update(NetworkLocation).where(NetworkLocation.ien == 1).values(path="/no/such/share")
    site.store.transact(lambda connection: connection.execute(gone))
    ran = site.run(DERIVED_FILES_OPTION)
    counts = "0 with all files, 0 with placeholders, 0 without its files"
    assert (ran.ending, ran.said) == (None, f"images: {counts}; others wait: the folder of RAID1 is not there")
    assert states(site) == [(1, "ABSTRACT", "WAITING")]
    site.store.transact(lambda it: it.execute(update(DerivedFile).values(expected_at=site.clock.seconds() - 8 * DAY)))
    site.run(DERIVED_FILES_OPTION)
    assert states(site) == [(1, "ABSTRACT", "NEVER")]


SECOND = {"ien": 4, "name": "RAID2", "kind": "MAG", "site": 1, "online": True, "hash": True, "router": False}


@pytest.mark.parametrize("path", ["/no/such/share", UNREADABLE], ids=["gone", "unreadable"])
def test_a_location_that_is_not_there_keeps_no_image_of_another_waiting(
    scheduled: Site, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    scheduled.add(NetworkLocation, {**SECOND, "path": path, "physical": "\\\\RAID\\TWO\\"})
    for ien in (1, 2, 3):
        file_image(scheduled, ien, picture(), location=4)
    file_image(scheduled, 4, picture())
    monkeypatch.setattr(derived_files, "MOST", 1)
    assert scheduled.run(DERIVED_FILES_OPTION).said == (
        "images: 1 with all files, 0 with placeholders, 0 without its files; others wait: the folder of RAID2 is not there"
    )
    assert [state for _image, _type, state in states(scheduled)] == ["WAITING", "WAITING", "WAITING", "THERE"]


def test_a_location_that_cannot_be_written_is_left_alone_after_some_images(
    scheduled: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(derived_files, "MOST_UNWRITTEN", 2)
    asked: list[Path] = []

    def refuse(_self: Painter, source: Path, _files: list[PictureFile]) -> Painted:
        asked.append(source)
        return Painted(failed="the disk is full")

    monkeypatch.setattr(Painter, "paint", refuse)
    for ien in (1, 2, 3):
        file_image(scheduled, ien, picture())
    assert (scheduled.run(DERIVED_FILES_OPTION).said or "").endswith("; others wait: the disk is full")
    assert len(asked) == 2


@pytest.mark.parametrize("how", ["by the task", "at once"])
def test_a_deleted_image_holds_nothing(scheduled: Site, how: str) -> None:
    file_image(scheduled, 1, picture())
    send(scheduled, 1, "ABSTRACT")
    scheduled.store.transact(lambda connection: connection.execute(Image.__table__.delete().where(Image.ien == 1)))
    if how == "at once":
        scheduled.store.transact(lambda connection: forget_derived_files(connection, 1))
    scheduled.run(DERIVED_FILES_OPTION)
    assert (states(scheduled), held(scheduled)) == ([], {"ABSTRACT": False})


def test_the_jukebox_gets_an_image_when_all_its_files_are_made(scheduled: Site) -> None:
    path = file_image(scheduled, 1, picture(), file_ref="SL000000000001.TGA", object_type=3)
    queue(scheduled, 1)
    scheduled.run(LONG_TERM)
    assert not copy_of(scheduled, path).with_suffix(".TGA").exists()
    scheduled.run(DERIVED_FILES_OPTION)
    scheduled.run(LONG_TERM)
    assert copy_of(scheduled, path).with_suffix(".TGA").read_bytes() == path.with_suffix(".TGA").read_bytes()


@pytest.fixture
def painter() -> Iterator[Painter]:
    with Painter(patience=30.0) as painter:
        yield painter


def test_a_decoder_that_crashes_takes_nobody_with_it(painter: Painter, tmp_path: Path) -> None:
    picture().save_as(tmp_path / "x.dcm")
    good, bad, again = (PictureFile(Kind.ABSTRACT, tmp_path / f"{name}.ABS") for name in ("good", "bad", "again"))
    assert painter.paint(tmp_path / "x.dcm", [good]) == Painted()
    assert painter._helper._process is not None
    painter._helper._process.kill()
    assert painter.paint(tmp_path / "x.dcm", [bad]) == Painted("the decoder died")
    assert size(bad.path) == (drawing.PLACEHOLDER_SIDE, drawing.PLACEHOLDER_SIDE)
    assert painter.paint(tmp_path / "x.dcm", [again]) == Painted()
    assert near(quadrants(again.path), SHOWN)


def test_an_object_that_takes_too_long_gets_a_placeholder(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.dcm")  # whoever opens it waits for ever
    file = PictureFile(Kind.ABSTRACT, tmp_path / "x.ABS")
    began = time.monotonic()
    with Painter(patience=0.2) as painter:
        assert painter.paint(tmp_path / "x.dcm", [file]) == Painted("it took longer than 0.2 seconds")
    assert time.monotonic() - began < 30
    assert file.path.exists()


def test_a_picture_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    picture().save_as(tmp_path / "x.dcm")
    (tmp_path / "folder").write_bytes(b"no folder")
    painted = drawing.paint(tmp_path / "x.dcm", [PictureFile(Kind.ABSTRACT, tmp_path / "folder" / "x.ABS")])
    assert "cannot be written" in painted.failed


def test_the_process_that_paints_yields_to_others_and_imports_no_more_than_it_needs(painter: Painter, tmp_path: Path) -> None:
    picture().save_as(tmp_path / "x.dcm")
    painter.paint(tmp_path / "x.dcm", [PictureFile(Kind.ABSTRACT, tmp_path / "x.ABS")])
    assert painter._helper._process is not None
    assert os.getpriority(os.PRIO_PROCESS, painter._helper._process.pid) == 19
    script = "import sys, taskman.pictures.__main__; print({'dbos', 'sqlalchemy', 'twisted'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout == "set()\n"


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_every_statement_uses_an_index(scheduled: Site, engine_name: str) -> None:
    if scheduled.store.url.split(":")[0].split("+")[0] != engine_name:
        pytest.skip("plans are SQLite's")
    with statements_of(scheduled.store) as statements:
        file_image(scheduled, 1, picture())
        send(scheduled, 1, "ABSTRACT")
        scheduled.run(DERIVED_FILES_OPTION)
    plans = statements.plans(scheduled.store)
    mine = {text: plan for text, plan in plans.items() if "derived_file" in text or "held" in text}
    assert len(mine) >= 4
    scans = [step for plan in mine.values() for step in plan if step.startswith("SCAN ") and "CONSTANT" not in step]
    assert scans == []
