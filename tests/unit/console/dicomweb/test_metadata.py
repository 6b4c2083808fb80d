"""Headers as DICOM JSON, and where frames lie: of every transfer syntax, character set and shape that senders have."""

from __future__ import annotations

import io
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pydicom.data import get_charset_files, get_testdata_file
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
    generate_uid,
)

from console.web.dicomweb.errors import NotHeld
from console.web.dicomweb.metadata import INLINE, Header, header_json, read_header, value_at
from console.web.dicomweb.pixels import frames_of, native_stretch, read_stretch, stored_frame
from gateway_client import ObjectFile, change_for
from runtime import CoerceSettings, DestinationSettings
from tests.support.pictures import coloured, frames, picture

ADDRESS = "/x"


def told(path: Path) -> dict[str, Any]:
    return header_json(header_of(path), ADDRESS)


def header_of(path: Path) -> Header:
    one = ObjectFile(path)
    try:
        return read_header(one)
    finally:
        one.close()


def saved(directory: Path, dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> Path:
    if "file_meta" not in dataset.__dict__:
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
        dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.file_meta.TransferSyntaxUID = syntax
    little, implicit = syntax != ExplicitVRBigEndian, syntax == ImplicitVRLittleEndian
    dataset.save_as(directory / "x.dcm", implicit_vr=implicit, little_endian=little, enforce_file_format=True)
    return directory / "x.dcm"


def of_all_kinds() -> Dataset:
    dataset, item, inner = Dataset(), Dataset(), Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName = "MÜLLER^ÄNNE=山田"
    dataset.ImageType = ["ORIGINAL", "", "AXIAL"]
    dataset.PixelRepresentation, dataset.SmallestImagePixelValue = 1, -5
    dataset["SmallestImagePixelValue"].VR = "SS"
    dataset.FrameIncrementPointer = 0x00181063
    dataset.RescaleSlope, dataset.InstanceNumber = "1.5", ""
    inner.CodeValue, inner.PixelPaddingValue = "A", -7
    inner["PixelPaddingValue"].VR = "SS"
    item.PurposeOfReferenceCodeSequence = [inner, Dataset()]
    dataset.SourceImageSequence = [item]
    dataset.DerivationCodeSequence = []
    dataset.add_new(0x00281201, "OW", (0x0102).to_bytes(2, "little") * 4)
    dataset.add_new(0x00281202, "OW", bytes(range(256)) * 4)
    block = dataset.private_block(0x0009, "ACME", create=True)
    block.add_new(1, "UN", b"\1\2")
    return dataset


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_every_kind_of_value_is_told(syntax: str, tmp_path: Path) -> None:
    json = told(saved(tmp_path, of_all_kinds(), syntax))
    assert json["00080005"] == {"vr": "CS", "Value": ["ISO_IR 192"]}
    assert json["00100010"] == {"vr": "PN", "Value": [{"Alphabetic": "MÜLLER^ÄNNE", "Ideographic": "山田"}]}
    assert json["00080008"] == {"vr": "CS", "Value": ["ORIGINAL", None, "AXIAL"]}
    assert json["00280106"] == {"vr": "SS", "Value": [-5]}
    assert json["00280009"] == {"vr": "AT", "Value": ["00181063"]}
    assert (json["00281053"], json["00200013"]) == ({"vr": "DS", "Value": [1.5]}, {"vr": "IS"})
    (item,) = json["00082112"]["Value"]
    inner, empty = item["0040A170"]["Value"]
    assert (inner["00080100"]["Value"], inner["00280120"], empty) == (["A"], {"vr": "SS", "Value": [-7]}, {})
    assert json["00089215"] == {"vr": "SQ"}
    assert b64decode(json["00281201"]["InlineBinary"]) == (0x0102).to_bytes(2, "little") * 4
    assert json["00281202"] == {"vr": "OW", "BulkDataURI": f"{ADDRESS}/bulkdata/00281202"}
    assert b64decode(json["00091001"]["InlineBinary"]) == b"\1\2"
    assert (json["00083002"]["Value"], "00020010" in json, list(json)) == ([syntax], False, sorted(json))
    Dataset.from_json(json, lambda _uri: b"")


def test_an_address_leads_to_its_value(tmp_path: Path) -> None:
    dataset, item = of_all_kinds(), Dataset()
    item.add_new(0x00281203, "OW", bytes(INLINE + 2))
    dataset.SourceImageSequence = [Dataset(), item]
    path = saved(tmp_path, dataset)
    nested = told(path)["00082112"]["Value"][1]["00281203"]["BulkDataURI"]
    assert nested == f"{ADDRESS}/bulkdata/00082112/1/00281203"
    header = header_of(path)
    assert value_at(header, nested.partition("/bulkdata/")[2]) == bytes(INLINE + 2)
    assert value_at(header, "00281202") == bytes(range(256)) * 4
    for wrong in ("", "x", "00082112", "00082112/2/00281203", "00082112/x/00281203", "00082112/1", "00281299"):
        with pytest.raises(NotHeld):
            value_at(header, wrong)


@pytest.mark.parametrize("name", ["MR_small_bigendian.dcm", "ExplVR_BigEnd.dcm"])
def test_big_endian_numbers_are_told_as_numbers(name: str) -> None:
    path = Path(str(get_testdata_file(name)))
    json, dataset = told(path), dcmread(path)
    assert json["00280010"]["Value"] == [dataset.Rows]
    assert json["7FE00010"]["BulkDataURI"] == f"{ADDRESS}/bulkdata/7FE00010"


@pytest.mark.parametrize("name", ["chrH32.dcm", "chrX1.dcm", "chrRuss.dcm", "chrFren.dcm", "chrKoreanMulti.dcm"])
def test_names_are_told_in_every_character_set(name: str) -> None:
    (found,) = get_charset_files(name)
    path = Path(found)
    (value,) = told(path)["00100010"]["Value"]
    expected = dcmread(path).PatientName
    assert value.get("Alphabetic", "") == expected.alphabetic
    assert value.get("Ideographic", "") == expected.ideographic


def test_what_has_no_pixels_has_no_address_of_them(tmp_path: Path) -> None:
    header = header_of(saved(tmp_path, of_all_kinds()))
    assert "7FE00010" not in header_json(header, ADDRESS)
    with pytest.raises(NotHeld, match="no frames"):
        frames_of(header)


def test_a_header_is_told_as_it_is_sent(tmp_path: Path) -> None:
    """What the settings change in objects on their way to a destination is changed in headers, too."""
    change = change_for(DestinationSettings(coerce=(CoerceSettings(attribute="PatientName", set="NOBODY"),)), lambda: b"")
    one = ObjectFile(saved(tmp_path, picture()), change)
    try:
        assert header_json(read_header(one), ADDRESS)["00100010"]["Value"] == [{"Alphabetic": "NOBODY"}]
    finally:
        one.close()


def test_a_frame_that_is_not_compressed_is_read_where_it_lies(tmp_path: Path) -> None:
    dataset = frames(5)
    for syntax in (ExplicitVRLittleEndian, ImplicitVRLittleEndian):
        path = saved(tmp_path, dataset, syntax)
        one = ObjectFile(path)
        header = read_header(one)
        one.close()
        size = 64 * 64 * 2
        for frame in range(frames_of(header)):
            stretch = native_stretch(header, one.meta.offset, frame)
            assert stretch is not None
            assert read_stretch(path, *stretch) == dataset.PixelData[frame * size : (frame + 1) * size]
        assert native_stretch(header, one.meta.offset, 5) is None, "it would lie behind the pixels"


@pytest.mark.parametrize(
    "dataset",
    [coloured(), picture(BitsAllocated=1, BitsStored=1, HighBit=0, Rows=3, Columns=3, PixelData=b"\1\0")],
)
def test_a_frame_is_as_long_as_its_samples(dataset: Dataset, tmp_path: Path) -> None:
    header = header_of(saved(tmp_path, dataset))
    stretch = native_stretch(header, 0, 0)
    assert (stretch and stretch[1]) == (None if dataset.BitsAllocated == 1 else 64 * 64 * 3)


def test_compressed_frames_are_told_apart(tmp_path: Path) -> None:
    dataset = frames(3)
    dataset.compress("1.2.840.10008.1.2.5", encoding_plugin="pydicom")
    path = tmp_path / "x.dcm"
    dataset.save_as(path)
    one = ObjectFile(path)
    header = read_header(one)
    one.close()
    found = [stored_frame(path, header, one.meta.offset, frame) for frame in range(3)]
    assert found[0] == found[2] != found[1]
    assert native_stretch(header, one.meta.offset, 0) is None
    with pytest.raises(NotHeld):
        stored_frame(path, header, one.meta.offset, 3)
    plain = ObjectFile(saved(tmp_path, frames(3)))
    with pytest.raises(NotHeld, match="not compressed"):
        stored_frame(path, read_header(plain), 0, 0)
    plain.close()


def test_a_file_without_a_data_set_is_no_object(tmp_path: Path) -> None:
    whole = io.BytesIO()
    picture().save_as(whole)
    (tmp_path / "x.dcm").write_bytes(whole.getvalue()[:400])
    one = ObjectFile(tmp_path / "x.dcm")
    (tmp_path / "x.dcm").write_bytes(whole.getvalue()[: one.meta.offset] + b"\xff" * 12)
    with pytest.raises(NotHeld):
        read_header(one)
    one.close()
