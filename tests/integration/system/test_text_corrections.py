"""The text files of images that were moved say whose the images are, wherever they lie, or the story says why they do not."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select, update

from fileman import Store, file_name
from fileman.files import Exam, Image, ImageEvent, Patient, Report, Task
from rpcs.text_corrections import ENTRY_POINT, queue_correction
from taskman.routines import find_routine
from tests.integration.system.conftest import Site

TEXT = (
    "PATIENTS_NAME=OLD,NAME\r\nPATIENTS_ID=1\r\nACCESSION_NUMBER=A1\r\nMODALITY=CT\r\n"
    "0010,0010|Patient's Name^PN|1,1|OLD^NAME\r\n"
)
CORRECTED = (
    "PATIENTS_NAME=DEMO,UNA\r\nPATIENTS_ID=666001100\r\nACCESSION_NUMBER=A2\r\nMODALITY=CT\r\n"
    "0010,0010|Patient's Name^PN|1,1|DEMO^UNA\r\n"
)


@pytest.fixture
def moved(site: Site) -> Site:
    """Give the small site with patient 100's exam A2, of which image 1 is."""
    site.add(Patient, {"dfn": 100, "name": "DEMO,UNA", "ssn": "666001100"})
    site.add(Exam, {"ien": 1, "service": "RAD", "accession": "A2", "patient": 100, "exam_date": "3261121", "report": 1})
    facts = {"service": "RAD", "exam_date": "3261121", "entered": "3261121", "entered_by": 1}
    site.add(Report, {"ien": 1, "accession": "A2", "exam": 1, "patient": 100, **facts})
    return site


def filed(site: Site, ien: int) -> Path:
    path = site.image(ien)
    site.store.transact(
        lambda it: it.execute(update(Image).where(Image.ien == ien).values(report=1, parent_file="74", parent_ien=1))
    )
    text = path.with_name(file_name(path.name, "TEXT"))
    text.write_bytes(TEXT.encode("latin-1"))
    return text


def run(site: Site, *images: int) -> list[tuple[str, str]]:
    context = site.begin("MAGB DELETE FILES", images=list(images))
    find_routine(ENTRY_POINT).body(context)
    told = select(ImageEvent.outcome, ImageEvent.detail).where(ImageEvent.stage == "TEXT").order_by(ImageEvent.ien)
    return [tuple(row) for row in site.all(told)]


def test_a_text_file_says_whose_its_image_is_now(moved: Site) -> None:
    text = filed(moved, 1)
    assert run(moved, 1) == [("corrected", "")]
    assert text.read_bytes().decode("latin-1") == CORRECTED
    assert run(moved, 1)[1:] == [("corrected", "")], "again does no harm"


def test_an_image_without_a_text_file_has_nothing_to_be_told(moved: Site) -> None:
    filed(moved, 1).unlink()
    assert run(moved, 1) == []


def test_what_cannot_be_corrected_is_told_and_left_as_it_is(moved: Site) -> None:
    away, released = filed(moved, 1), filed(moved, 2)
    moved.store.transact(lambda it: it.execute(update(Image).where(Image.ien == 2).values(location=None, jukebox_location=2)))
    moved.data.joinpath("image1").rename(moved.data / "elsewhere")
    assert [it[0] for it in run(moved, 1, 2)] == ["not corrected"] * 2
    assert not away.exists()
    assert (moved.data / "elsewhere" / released.relative_to(moved.data / "image1")).read_bytes() == TEXT.encode("latin-1")


def test_many_images_are_more_tasks(store: Store) -> None:
    numbers = store.transact(lambda it: queue_correction(it, range(1, 20_002), 1, 1.0))
    entries = store.read(lambda it: it.execute(select(Task.number).where(Task.entry_point == ENTRY_POINT)).scalars().all())
    assert sorted(entries) == numbers
    assert len(numbers) == 3
