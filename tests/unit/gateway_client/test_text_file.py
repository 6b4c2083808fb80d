"""The text file beside an image says what its header says, in two sections; no header keeps it from being written."""

from __future__ import annotations

import logging
import struct
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.sequence import Sequence

from gateway_client.acquisition.placement import place, place_texts
from gateway_client.acquisition.text_file import LINE_VALUE, text_file
from gateway_client.journal import Request
from gateway_client.objects import elements, scanning
from gateway_client.objects.part10 import FileMeta, digest_of, encode_head
from tests.unit.gateway_client.fakes import CT, EXPLICIT, Desk, data_set


def sections(content: bytes) -> tuple[dict[str, str], list[str]]:
    """Part a text file into the first section's keys and the second's lines."""
    text = content.decode("iso-8859-1")
    assert text.endswith("\r\n")
    lines = text.split("\r\n")[:-1]
    end, begin = lines.index("$$END DATA1"), lines.index("$$BEGIN DICOM DATA")
    assert (lines[0], lines[-1], begin) == ("$$BEGIN DATA1", "$$END DICOM DATA", end + 1)
    first = dict(line.split("=", 1) for line in lines[1:end])
    return first, lines[begin + 1 : -1]


def write(path: Path, dataset: Dataset) -> Path:
    dataset.save_as(path)
    return path


@pytest.fixture
def ct() -> Dataset:
    return dcmread(str(get_testdata_file("CT_small.dcm")))


def test_both_sections_say_what_the_header_of_a_ct_says(ct: Dataset, tmp_path: Path) -> None:
    ct.PatientName, ct.PatientID, ct.AccessionNumber = "DEMO^PATIENT^ONE", "666-00-1100", "021026-201"
    first, lines = sections(text_file(write(tmp_path / "x.DCM", ct)))
    assert first["PATIENTS_NAME"] == "DEMO,PATIENT ONE"
    assert first["PATIENTS_ID"] == "666-00-1100"
    assert first["ACCESSION_NUMBER"] == "021026-201"
    assert (first["ROWS"], first["COLUMNS"], first["PIXEL_SPACING(2)"]) == ("128", "128", "0.661468")
    assert first["PATIENTS_BIRTH_DATE"] == "<unknown>"
    assert list(first)[5:8] == ["ACCESSION_NUMBER", "DCM_TO_TGA_PARAMETERS", "STUDY_ID"]
    assert first["DCM_TO_TGA_PARAMETERS"] == "<unknown>", "no header says so, and the reader asks for it"
    assert "0010,0010|Patient's Name^PN|1,1|DEMO^PATIENT^ONE" in lines
    assert "0028,0010|Rows^US|1,1|128" in lines
    assert [line for line in lines if line.startswith("0008,0008|")] == [
        f"0008,0008|Image Type^CS|{number},1|{value}" for number, value in enumerate(("ORIGINAL", "PRIMARY", "AXIAL"), 1)
    ]
    assert "0010,0030|Patient's Birth Date^DA|1,1|<unknown>" in lines
    assert not any(line.startswith("7FE0") for line in lines)
    tags = [line[:9] for line in lines]
    assert tags == sorted(tags)


def test_elements_of_sequences_name_the_items_that_they_are_in(ct: Dataset, tmp_path: Path) -> None:
    def code(value: str) -> Dataset:
        item = Dataset()
        item.CodeValue = value
        return item

    request = Dataset()
    request.RequestedProcedureID = "P1"
    request.ScheduledProtocolCodeSequence = Sequence([code("A"), code("B")])
    ct.RequestAttributesSequence = Sequence([request])
    ct.ReferencedStudySequence = Sequence([])
    lines = sections(text_file(write(tmp_path / "x.DCM", ct)))[1]
    assert [line for line in lines if line.startswith("0040,0275")] == [
        "0040,0275.1^0040,0008.1^0008,0100|Code Value^SH|1,1|A",
        "0040,0275.1^0040,0008.2^0008,0100|Code Value^SH|1,1|B",
        "0040,0275.1^0040,1001|Requested Procedure ID^SH|1,1|P1",
    ]
    assert "0008,1110|Referenced Study Sequence^SQ" in lines


def test_a_long_value_goes_on_in_further_lines_and_no_value_breaks_a_line(ct: Dataset, tmp_path: Path) -> None:
    ct.ImageComments = "x" * LINE_VALUE + "y|z\r\n$$END DICOM DATA"
    lines = sections(text_file(write(tmp_path / "x.DCM", ct)))[1]
    assert [line for line in lines if line.startswith("0020,4000")] == [
        f"0020,4000|Image Comments^LT|1,1|{'x' * LINE_VALUE}",
        "0020,4000|Image Comments^LT|1,2|y z  $$END DICOM DATA",
    ]


@pytest.mark.parametrize("length", [8 * 400_000, 0xFFFFFFFF], ids=["of known length", "of unknown length"])
@pytest.mark.parametrize("nested", [False, True])
def test_a_sequence_of_empty_items_is_read_so_far_and_no_further(
    length: int, nested: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = b"\xfe\xff\x00\xe0\0\0\0\0" * 400_000
    if nested:
        content = struct.pack("<HHI", 0xFFFE, 0xE000, length) + b"\x08\0\x40\x11SQ\0\0" + struct.pack("<I", length) + content
    sequence = b"\x08\0\x40\x11SQ\0\0" + struct.pack("<I", 0xFFFFFFFF if nested else length) + content
    path = tmp_path / "x.DCM"
    path.write_bytes(encode_head(FileMeta(CT, "1", EXPLICIT)) + data_set("1") + sequence)
    looked_at = 0

    class Counted(scanning.Scanner):
        def _begin_item(self, position: int, implicit: bool) -> tuple[int, int | None, bool]:
            nonlocal looked_at
            looked_at += 1
            return super()._begin_item(position, implicit)

    monkeypatch.setattr(elements, "Scanner", Counted)
    lines = sections(text_file(path))[1]
    assert "0008,0018|SOP Instance UID^UI|1,1|1" in lines
    assert 0 < looked_at <= scanning.READ_LIMIT + 1


def test_a_value_without_text_is_unknown_and_the_log_names_it(
    ct: Dataset, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    lines = sections(text_file(write(tmp_path / "x.DCM", ct)))[1]
    assert "0043,1029|<unknown>^OB|1,1|<unknown>" in lines
    (record,) = caplog.records
    assert "0043,1029" in record.getMessage()
    assert "0010,0030" not in record.getMessage(), "what is empty was left out by the sender"


@pytest.mark.parametrize("broken", [b"no DICOM file", encode_head(FileMeta(CT, "9", EXPLICIT)) + b"\x08\x00\x05\x00CS\xff"])
def test_an_object_whose_header_cannot_be_read_has_a_text_file_all_the_same(
    broken: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "x.DCM"
    path.write_bytes(broken)
    first, lines = sections(text_file(path))
    assert set(first.values()) == {"<unknown>"}
    assert lines == []
    assert len(caplog.records) == 1


def test_a_filed_image_has_its_text_file_before_it_is_released(desk: Desk) -> None:
    desk.receive("1.2.1")
    seen: list[list[str]] = []
    folder = desk.directory / "image1" / "SL00" / "00"
    real = desk.releasing._release

    def look_then_release() -> Request | None:
        seen.append(sorted(path.name for path in folder.iterdir()))
        return real()

    desk.releasing._release = look_then_release
    desk.step()
    assert seen[0] == ["SL000000000002.DCM", "SL000000000002.TXT"]
    assert desk.imaging.processed == [2]
    first, lines = sections((folder / "SL000000000002.TXT").read_bytes())
    assert first["PATIENTS_NAME"] == "DEMO,PATIENT ONE"
    assert "0008,0018|SOP Instance UID^UI|1,1|1.2.1" in lines


def test_what_was_made_of_an_orphan_goes_aside_with_it(tmp_path: Path) -> None:
    """An older database gave this number to another patient's image: neither its thumbnail nor its text become this one's."""
    source, target = tmp_path / "new.dcm", tmp_path / "image1" / "x.DCM"
    source.write_bytes(encode_head(FileMeta(CT, "1", EXPLICIT)) + data_set("1"))
    target.parent.mkdir()
    for suffix in (".DCM", ".ABS", ".TXT"):
        target.with_suffix(suffix).write_bytes(b"another patient's")
    place(source, target, digest_of(source))
    assert place_texts([(target, text_file(target))]) == {}
    assert not target.with_suffix(".ABS").exists()
    assert target.with_name("x.ABS.orphan1").read_bytes() == b"another patient's"
    assert b"DEMO,PATIENT ONE" in target.with_suffix(".TXT").read_bytes()
