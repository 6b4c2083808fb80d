"""Which compressed objects the archive's receiver takes (section 2.3.2.3 of the MagicStore statement)."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.config import disable_value_validation
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from gateway_client.errors import NotTakenCompressed
from gateway_client.objects.compression_rules import check_compressed
from gateway_client.objects.elements import Elements, scan
from gateway_client.objects.part10 import FileMeta
from gateway_client.reception.spool import HEAD, Origin, Spool
from gateway_client.reception.spooling import End, Spooling
from runtime import SystemClock

EXPLICIT, BASELINE, EXTENDED, LOSSLESS_14, LOSSLESS, RLE = (
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.51",
    "1.2.840.10008.1.2.4.57",
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.5",
)
BOTH = ("MONOCHROME1", "MONOCHROME2", "RGB", "PALETTE COLOR")
LOSSY = ("YBR_FULL", "YBR_FULL_422")
NEITHER = ("YBR_ICT", "HSV", "")


def object_with(photometric: str = "MONOCHROME2", allocated: int = 8, stored: int = 8, high: int = 7, before: int = 0) -> bytes:
    """Make a data set, some bytes of it before the elements that count."""
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3"
    if before:
        dataset.add_new(0x00090010, "LO", "MAKER")
        dataset.add_new(0x00091001, "OB", bytes(before))
    with disable_value_validation():
        if photometric:
            dataset.PhotometricInterpretation = photometric
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = allocated, stored, high
    dataset.add_new(0x7FE00010, "OB", bytes(4))
    stream = DicomBytesIO()
    stream.is_little_endian, stream.is_implicit_VR = True, False
    write_dataset(stream, dataset)
    return stream.getvalue()


def problem(syntax: str, data: bytes) -> str:
    """Say why an object is not taken, nothing where it is."""

    def read(wanted: frozenset[int]) -> Elements:
        return scan(data, EXPLICIT, wanted)

    try:
        check_compressed(syntax, read)
    except NotTakenCompressed as error:
        return error.comment
    return ""


@pytest.mark.parametrize("syntax", [BASELINE, EXTENDED, LOSSLESS, LOSSLESS_14])
@pytest.mark.parametrize("photometric", [*BOTH, *LOSSY, *NEITHER])
def test_the_photometric_interpretation_is_one_that_the_process_has(syntax: str, photometric: str) -> None:
    taken = BOTH if syntax in (LOSSLESS, LOSSLESS_14) else BOTH + LOSSY
    assert (problem(syntax, object_with(photometric)) == "") is (photometric in taken)


@pytest.mark.parametrize("syntax", [BASELINE, EXTENDED, LOSSLESS])
@pytest.mark.parametrize(
    ("allocated", "stored", "high", "comment"),
    [
        (8, 8, 7, ""),
        (16, 12, 11, ""),
        (16, 10, 9, ""),
        (16, 16, 15, "16 Bits Stored in 16"),
        (16, 8, 7, "8 Bits Stored in 16"),
        (8, 7, 6, "7 Bits Stored in 8"),
        (16, 12, 15, "High Bit 15 of 12"),
        (8, 8, 0, "High Bit 0 of 8"),
    ],
)
def test_bits_and_high_bit_are_those_of_the_statement(syntax: str, allocated: int, stored: int, high: int, comment: str) -> None:
    assert problem(syntax, object_with("MONOCHROME2", allocated, stored, high)).endswith(comment)
    assert bool(problem(syntax, object_with("MONOCHROME2", allocated, stored, high))) is bool(comment)


def test_the_comment_says_what_is_not_taken_and_fits_an_error_comment() -> None:
    assert problem(LOSSLESS, object_with("YBR_FULL")) == "not taken: JPEG Lossless of YBR_FULL"
    assert problem(LOSSLESS, object_with("")) == "not taken: JPEG Lossless of no Photometric Interpretation"
    assert len(problem(BASELINE, object_with("A PHOTOMETRIC INTERPRETATION THAT IS FAR LONGER THAN ANY ONE WAS EVER"))) <= 64


@pytest.mark.parametrize("syntax", [EXPLICIT, RLE])
def test_other_transfer_syntaxes_have_no_rule_and_nothing_is_read_for_them(syntax: str) -> None:
    def unread(_wanted: frozenset[int]) -> Elements:
        raise AssertionError("it was read")

    check_compressed(syntax, unread)


@pytest.mark.parametrize("before", [0, 2 * HEAD], ids=["in the first bytes", "far behind"])
@pytest.mark.parametrize("stored", [12, 16])
def test_an_object_is_checked_wherever_its_elements_lie(tmp_path: Path, before: int, stored: int) -> None:
    spool = Spool(tmp_path, SystemClock())
    data = object_with("MONOCHROME2", 16, stored, stored - 1, before)
    spooling = Spooling(FileMeta("1.2.840.10008.5.1.4.1.1.7", "1.2.3", LOSSLESS), Origin(), check_compressed)
    writer = spooling.put(spool, [memoryview(data)], End.WHOLE, ())
    assert isinstance(spooling.problem, NotTakenCompressed) is (stored == 16)
    assert (writer is None) is (stored == 16)
    if writer is not None:
        writer.discard()
    assert not list((tmp_path / "tmp").iterdir())
    spool.close()
