"""The page of a medium, in a real browser: without a network, by keyboard, and whatever a header holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import generate_uid

from console.media import Medium, write_page
from tests.integration.media.test_file_sets import SAMPLES, complaints, make
from tests.support.chromium import Chromium
from tests.support.dicom import make_slices

EVIL = '</script><img src=x onerror="document.title=1">&"\'<b>'
NAME = EVIL.replace("=", ":")  # which parts the groups of a name


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """Start Chromium."""
    with Chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started


def show(browser: Chromium, root: Path) -> None:
    """Write the page of a medium and open it."""
    with Medium.open(root) as medium:
        assert write_page(medium)
    browser.requested.clear()
    browser.complaints.clear()
    browser.open((root / "INDEX.HTM").as_uri())


def test_patients_studies_series_and_pictures_are_shown_without_a_network(tmp_path: Path, browser: Chromium) -> None:
    make(tmp_path / "cd", *make_slices(tmp_path / "slices", 3).values(), SAMPLES / "test-SR.dcm")
    show(browser, tmp_path / "cd")
    assert (
        browser.value("document.querySelector('.patient > summary').textContent")
        == "DEMO, PATIENT ONE · 666-00-1100 · born 1950-01-31 · male"
    )
    assert browser.value("document.querySelectorAll('li > a').length") == 3
    browser.wait_for("[...document.querySelectorAll('li img')].every((it) => it.complete && it.naturalWidth > 0)")
    assert "SR DOCUMENT" in browser.value("document.querySelector('li > div').textContent")
    assert browser.requested
    assert all(address.startswith((tmp_path / "cd").as_uri()) for address in browser.requested)
    assert browser.complaints == []
    assert complaints(tmp_path / "cd") == []


def test_larger_pictures_are_gone_through_by_keyboard(tmp_path: Path, browser: Chromium) -> None:
    make(tmp_path / "cd", *make_slices(tmp_path / "slices", 3).values())
    show(browser, tmp_path / "cd")
    browser.value("document.querySelector('li > a').focus()")
    browser.press("ArrowRight")
    browser.press("Enter")
    browser.wait_for("document.querySelector('dialog').open && document.querySelector('dialog img').naturalWidth === 128")
    seen = [browser.value("document.querySelector('dialog p').textContent")]
    for key in ("ArrowRight", "ArrowRight", "Home", "End"):
        browser.press(key)
        seen.append(browser.value("document.querySelector('dialog p').textContent"))
    assert seen[0].startswith("DEMO, PATIENT ONE · 2026-02-10 e+1 · CT 1 · image 2 ")
    assert [text.rpartition("(")[2] for text in seen] == ["2 of 3)", "3 of 3)", "3 of 3)", "1 of 3)", "3 of 3)"]
    browser.press("Escape")
    browser.wait_for("!document.querySelector('dialog').open")
    browser.wait_for("document.activeElement === document.querySelectorAll('li > a')[2]")


def test_what_a_header_holds_is_text_and_nothing_else(tmp_path: Path, browser: Chromium) -> None:
    dataset = dcmread(SAMPLES / "CT_small.dcm")
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName, dataset.StudyDescription, dataset.SeriesDescription = NAME, EVIL, f"Grüße {EVIL}"
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.save_as(tmp_path / "evil.dcm")
    make(tmp_path / "cd", tmp_path / "evil.dcm")
    show(browser, tmp_path / "cd")
    assert [browser.value(f"document.querySelectorAll('{it}').length") for it in ("script", "b", "img[src=x]")] == [1, 0, 0]
    assert browser.value("document.title") == "TEST 1"
    assert browser.value("document.querySelector('.patient > summary').textContent").startswith(NAME)
    assert f"Grüße {EVIL}" in browser.value("document.querySelector('.series > summary').textContent")


def test_an_object_that_cannot_be_painted_has_a_placeholder(tmp_path: Path, browser: Chromium) -> None:
    dataset = dcmread(SAMPLES / "MR_small.dcm")
    dataset.PixelData = dataset.PixelData[:100]
    dataset.save_as(tmp_path / "short.dcm")
    make(tmp_path / "cd", tmp_path / "short.dcm")
    show(browser, tmp_path / "cd")
    browser.wait_for("document.querySelector('li img').complete")
    assert browser.value("document.querySelector('li img').naturalWidth") == 200


def test_pictures_are_painted_once_and_another_programs_page_is_left(tmp_path: Path) -> None:
    make(tmp_path / "cd", SAMPLES / "CT_small.dcm")
    with Medium.open(tmp_path / "cd") as medium:
        assert write_page(medium)
        painted = {file: file.stat().st_mtime_ns for file in (tmp_path / "cd" / "VIEWER").rglob("*.JPG")}
        assert len(painted) == 2
        assert write_page(medium)
        assert {file: file.stat().st_mtime_ns for file in painted} == painted
        (tmp_path / "cd" / "INDEX.HTM").write_text("<html>theirs", encoding="ascii")
        assert not write_page(medium)
    assert (tmp_path / "cd" / "INDEX.HTM").read_text(encoding="ascii") == "<html>theirs"
