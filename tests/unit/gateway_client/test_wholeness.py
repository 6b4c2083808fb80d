"""Data sets that end in the middle of an element are told from whole ones, in every transfer syntax."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from gateway_client.errors import CutOff
from gateway_client.objects.header import identify
from gateway_client.objects.part10 import decode_head
from gateway_client.objects.wholeness import check_file
from gateway_client.reception.spool import HEAD
from tests.unit.gateway_client.fakes import Desk

#: Explicit, implicit and big-endian, with sequences, compressed, deflated, and without pixel data.
SAMPLES = (
    "CT_small.dcm",
    "MR_small_implicit.dcm",
    "MR_small_bigendian.dcm",
    "JPEG2000.dcm",
    "MR_small_RLE.dcm",
    "image_dfl.dcm",
    "liver_1frame.dcm",
    "reportsi.dcm",
    "test-SR.dcm",
)


def sample(name: str) -> Path:
    return Path(str(get_testdata_file(name)))


@pytest.mark.parametrize("name", SAMPLES)
def test_whole_files_are_whole(name: str) -> None:
    check_file(sample(name))


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("missing", [10, 100])
def test_a_file_of_which_the_last_bytes_are_missing_is_cut_off(name: str, missing: int, tmp_path: Path) -> None:
    cut = tmp_path / name
    cut.write_bytes(sample(name).read_bytes()[:-missing])
    with pytest.raises(CutOff, match="cut off"):
        check_file(cut)


@pytest.mark.parametrize("name", ["CT_small.dcm", "JPEG2000.dcm", "liver_1frame.dcm", "reportsi.dcm", "test-SR.dcm"])
def test_wherever_a_file_is_cut_it_is_whole_between_two_elements_at_most(name: str, tmp_path: Path) -> None:
    data, cut = sample(name).read_bytes(), tmp_path / name
    offset = decode_head(data, name).offset
    sizes = range(offset + 1, len(data), max(1, len(data) // 200))
    told = []
    for size in sizes:
        cut.write_bytes(data[:size])
        try:
            check_file(cut)
        except CutOff:
            told.append(size)
    assert len(told) > 0.9 * len(sizes)


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small_implicit.dcm", "JPEG2000.dcm", "reportsi.dcm"])
def test_a_header_is_known_of_what_came_whole_and_of_nothing_else(name: str) -> None:
    data = sample(name).read_bytes()
    meta = decode_head(data, name)
    data = data[meta.offset :]
    if name == "CT_small.dcm":
        data = data[: data.index(b"\xfc\xff\xfc\xff")]  # what pads it hides its end from a look at its last bytes
    assert identify(data[:HEAD], meta, size=len(data), end=data[-8:]) is not None
    cut = data[:-2]
    assert identify(cut[:HEAD], meta, size=len(cut), end=cut[-8:]) is None


def test_an_object_that_is_cut_off_is_set_aside_and_the_whole_one_is_filed(desk: Desk) -> None:
    file = desk.receive("1.2.1", extra=b"\xe0\x7f\x10\x00OW\0\0\x40\0\0\0" + bytes(30))
    while desk.step():
        pass
    assert (desk.states(), desk.requests()) == ({"1.2.1": "REFUSED"}, [])
    assert desk.spool.held_path(file.name).exists()
    (held,) = (event for event in desk.events() if "cut off" in event[6])
    assert held[6] == "The data set is cut off: 34 bytes are missing at its end."
    desk.receive("1.2.1", extra=b"\xe0\x7f\x10\x00OW\0\0\x40\0\0\0" + bytes(64))
    while desk.step():
        pass
    assert desk.journal.counts() == {"REFUSED": 1, "FILED": 1}
