"""Objects brought into each transfer syntax: pixels and elements stay what they are, and what cannot be done is refused."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.dataelem import DataElement
from pydicom.pixels.utils import pixel_array
from pydicom.uid import UID
from twisted.internet.defer import Deferred

from console.demo_samples import write_samples
from gateway_client.errors import CannotTranscode
from gateway_client.objects.patient_name import normalise
from gateway_client.transcoding import SYNTAXES, Transcoder
from gateway_client.transcoding.conversion import transcode_first
from gateway_client.transmission.object_file import ObjectFile
from runtime import ReactorThread

UNCOMPRESSED = ("explicit", "implicit", "deflated")
#: Of each transfer syntax in which pydicom has a file that decodes.
NAMES = [
    "CT_small.dcm",
    "MR_small_implicit.dcm",
    "MR_small_bigendian.dcm",
    "rtdose_expb.dcm",
    "SC_rgb_small_odd_big_endian.dcm",
    "image_dfl.dcm",
    "MR_small_RLE.dcm",
    "SC_rgb_rle_16bit_2frame.dcm",
    "rtdose_rle.dcm",
    "MR_small_jp2klossless.dcm",
    "693_J2KI.dcm",
    "GDCMJ2K_TextGBR.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "JPEGLSNearLossless_16.dcm",
    "SC_rgb_jpeg_gdcm.dcm",
    "SC_rgb_dcmtk_+eb+cy+s2.dcm",
    "examples_palette.dcm",
    "test-SR.dcm",
]
#: pydicom's own files that no codec here decodes, or that say nowhere how they are to be read.
UNDECODABLE = {
    "ExplVR_BigEndNoMeta.dcm",
    "ExplVR_LitEndNoMeta.dcm",
    "JPEG-lossy.dcm",
    "JPEG2000-embedded-sequence-delimiter.dcm",
    "JPGExtended.dcm",
    "MR_truncated.dcm",
    "badVR.dcm",
    "meta_missing_tsyntax.dcm",
    "nested_priv_SQ.dcm",
    "no_meta.dcm",
    "rtstruct.dcm",
}
COMPRESSED = ("rle", "jpeg-2000")
PIXELS = [
    "CT_small.dcm",
    "MR_small_bigendian.dcm",
    "ExplVR_BigEnd.dcm",
    "MR_small_RLE.dcm",
    "SC_rgb_rle_16bit_2frame.dcm",
    "GDCMJ2K_TextGBR.dcm",
    "SC_rgb_jpeg_dcmtk.dcm",
]
#: Within the limits of JPEG, of 8 and 12 bits.
FIT_FOR_JPEG = ["image_dfl.dcm", "examples_overlay.dcm", "examples_rgb_color.dcm", "examples_palette.dcm", "ExplVR_BigEnd.dcm"]
#: What says how the pixels are written, and goes with them.
WITH_PIXELS = {"PixelData", "PhotometricInterpretation", "PlanarConfiguration"}


def shipped(name: str) -> Path:
    """Find a file that comes with pydicom."""
    return Path(str(get_testdata_file(name, download=False)))


def same(one: DataElement, other: DataElement | None) -> bool:
    """Compare two elements; private ones lose their VR in implicit VR, and are then as the dictionary reads them."""
    return one == other or (one.tag.is_private and other is not None)


def assert_same(before: Dataset, after: Dataset) -> None:
    """See to it that nothing but the writing of the pixels is another."""
    kept = [element for element in before if element.keyword not in WITH_PIXELS and element.tag.element]
    assert [str(element) for element in kept if not same(element, after.get(element.tag))] == []
    assert {element.tag for element in after} - {element.tag for element in before} == set()
    if "PixelData" in before:
        assert np.array_equal(pixel_array(before), pixel_array(after))


@pytest.mark.parametrize(
    ("name", "syntax"),
    [
        *itertools.product(NAMES, UNCOMPRESSED),
        *itertools.product([*PIXELS, *FIT_FOR_JPEG], COMPRESSED),
        *itertools.product(FIT_FOR_JPEG, ["jpeg-lossless"]),
    ],
)
def test_an_object_is_the_same_in_another_transfer_syntax(tmp_path: Path, name: str, syntax: str) -> None:
    assert transcode_first(shipped(name), tmp_path / "made", [SYNTAXES[syntax]]) == ""
    made = dcmread(tmp_path / "made")
    assert made.file_meta.TransferSyntaxUID == SYNTAXES[syntax]
    assert_same(dcmread(shipped(name)), made)


def not_transcoded(files: Iterable[Path], made_at: Path) -> dict[str, str]:
    """Tell which images are not transcoded, or do not decode to what they did before; each of them can be decoded."""
    said = {}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # many of pydicom's files are there for a fault that they have
        for file in files:
            before = dcmread(file)
            if "PixelData" in before:
                reason = transcode_first(file, made_at, [SYNTAXES["explicit"]])
                if reason or not np.array_equal(pixel_array(before), pixel_array(made_at)):
                    said[file.name] = reason or "its pixels are others"
    return said


def test_every_image_that_can_be_decoded_is_transcoded(tmp_path: Path) -> None:
    files = [file for file in shipped("CT_small.dcm").parent.glob("*.dcm") if file.name not in UNDECODABLE]
    assert not_transcoded(files, tmp_path / "made") == {}


def test_every_image_of_the_demo_is_transcoded(tmp_path: Path) -> None:
    samples = write_samples(tmp_path / "samples")
    assert not_transcoded([sample.path for sample in samples], tmp_path / "made") == {}


@pytest.mark.parametrize(("name", "largest"), [("CT_small.dcm", 39206), ("MR_small_RLE.dcm", 64 * 64 * 2)])
def test_how_much_an_object_takes_is_told_before_it_is_read(tmp_path: Path, name: str, largest: int) -> None:
    told: list[int] = []
    assert transcode_first(shipped(name), tmp_path / "made", [SYNTAXES["explicit"]], told.append) == ""
    assert told == [max(largest, os.path.getsize(shipped(name)))]


def test_private_elements_keep_their_bytes_where_the_syntax_keeps_their_vr(tmp_path: Path) -> None:
    assert transcode_first(shipped("JPEG2000.dcm"), tmp_path / "made", [SYNTAXES["explicit"]]) == ""
    before, made = dcmread(shipped("JPEG2000.dcm")), dcmread(tmp_path / "made")
    private = [element for element in before if element.tag.is_private and element.tag.element]
    assert private
    assert [element for element in private if element != made.get(element.tag)] == []


def test_words_of_big_endian_objects_are_turned_in_items_too(tmp_path: Path) -> None:
    before = dcmread(shipped("MR_small_bigendian.dcm"))
    item = Dataset()
    item.add_new(0x60003000, "OW", b"\1\2\3\4")
    item.add_new(0x60011010, "OF", b"\1\2\3\4")
    before.add_new(0x00880200, "SQ", [item])
    before.save_as(tmp_path / "source")
    assert transcode_first(tmp_path / "source", tmp_path / "made", [SYNTAXES["explicit"]]) == ""
    (turned,) = dcmread(tmp_path / "made").IconImageSequence
    assert (turned[0x60003000].value, turned[0x60011010].value) == (b"\2\1\4\3", b"\4\3\2\1")


def test_a_compressed_icon_is_decompressed_with_its_image(tmp_path: Path) -> None:
    before = dcmread(shipped("MR_small_RLE.dcm"))
    icon = Dataset()
    for element in before.group_dataset(0x28):
        icon.add(element)
    icon.add(before["PixelData"])
    before.add_new(0x00880200, "SQ", [icon])
    before.save_as(tmp_path / "source")
    assert transcode_first(tmp_path / "source", tmp_path / "made", [SYNTAXES["explicit"]]) == ""
    made = dcmread(tmp_path / "made")
    assert made.IconImageSequence[0].PixelData == made.PixelData


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("MR_small_RLE.dcm", {}, "compressed before"),
        ("CT_small.dcm", {}, "it has 16 Bits Allocated, 16 Bits Stored"),
        ("examples_overlay.dcm", {"HighBit": 15}, "its High Bit is 15"),
        ("examples_rgb_color.dcm", {"PhotometricInterpretation": "YBR_FULL"}, "its Photometric Interpretation is YBR_FULL"),
        ("test-SR.dcm", {}, "it has no Pixel Data"),
    ],
)
def test_what_is_beyond_the_limits_of_jpeg_gets_the_next_transfer_syntax(
    tmp_path: Path, name: str, changes: dict[str, object], reason: str
) -> None:
    source = dcmread(shipped(name))
    for keyword, value in changes.items():
        setattr(source, keyword, value)
    source.save_as(tmp_path / "source")
    jpeg, explicit = SYNTAXES["jpeg-lossless"], SYNTAXES["explicit"]
    assert reason in transcode_first(tmp_path / "source", tmp_path / "made", [jpeg])
    assert transcode_first(tmp_path / "source", tmp_path / "made", [jpeg, explicit]) == ""
    assert dcmread(tmp_path / "made").file_meta.TransferSyntaxUID == explicit


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"Rows": 60000, "Columns": 60000}, "it takes 7200000000 bytes, more than 1073741824"),
        ({"PixelData": b"\xfe\xff\x00\xe0\0\0\0\0\xfe\xff\x00\xe0\4\0\0\0\1\2\3\4"}, ""),
    ],
)
def test_what_cannot_be_decoded_is_refused_with_the_reason(tmp_path: Path, changes: dict[str, object], reason: str) -> None:
    before = dcmread(shipped("MR_small_RLE.dcm"))
    for keyword, value in changes.items():
        setattr(before, keyword, value)
    before.save_as(tmp_path / "source")
    said = transcode_first(tmp_path / "source", tmp_path / "made", [SYNTAXES["explicit"]])
    assert said.startswith("Explicit VR Little Endian: ")
    assert reason in said


@pytest.mark.parametrize("name", ["image_dfl.dcm", "examples_rgb_color.dcm"])
def test_what_is_compressed_with_loss_is_another_image_that_says_so(tmp_path: Path, name: str) -> None:
    before = dcmread(shipped(name))
    before.ImageType, before.DerivationDescription = ["ORIGINAL", "SECONDARY"], "Cut"
    before.LossyImageCompressionRatio, before.LossyImageCompressionMethod = "4", "ISO_15444_1"
    before.save_as(tmp_path / "source")
    uids = set()
    for made_at in (tmp_path / "made", tmp_path / "again"):
        assert transcode_first(tmp_path / "source", made_at, [SYNTAXES["jpeg-baseline"]]) == ""
        uids.add(dcmread(made_at).SOPInstanceUID)
    made = dcmread(tmp_path / "made")
    assert uids == {made.file_meta.MediaStorageSOPInstanceUID}
    assert made.SOPInstanceUID.startswith("2.25.")
    assert made.SOPInstanceUID.is_valid
    assert made.SOPInstanceUID != before.SOPInstanceUID
    assert (made.ImageType[0], made.ImageType[1], made.LossyImageCompression) == ("DERIVED", "SECONDARY", "01")
    assert list(made.LossyImageCompressionMethod) == ["ISO_15444_1", "ISO_10918_1"]
    assert made.LossyImageCompressionRatio[0] == 4
    assert made.LossyImageCompressionRatio[1] > 1
    assert made.DerivationDescription.startswith("Cut; JPEG baseline, quality 90, ")
    (source,) = made.SourceImageSequence
    assert source.ReferencedSOPInstanceUID == before.SOPInstanceUID
    assert source.PurposeOfReferenceCodeSequence[0].CodeValue == "121320"
    assert made.DerivationCodeSequence[0].CodeValue == "113040"
    pixels, others = pixel_array(before).astype(int), pixel_array(made).astype(int)
    assert np.abs(pixels - others).mean() < 3
    changed = {"SOPInstanceUID", "ImageType", "DerivationDescription", *WITH_PIXELS}
    changed |= {"LossyImageCompressionRatio", "LossyImageCompressionMethod", "LossyImageCompression"}
    kept = [element for element in before if element.keyword not in changed and element.tag.element]
    assert [str(element) for element in kept if element != made.get(element.tag)] == []


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("examples_overlay.dcm", "its samples are not of 8 bits"),
        ("examples_palette.dcm", "a palette"),
        ("SC_rgb_rle.dcm", "compressed before"),
        ("test-SR.dcm", "it has no Pixel Data"),
    ],
)
def test_what_is_beyond_the_limits_is_not_compressed_with_loss(tmp_path: Path, name: str, reason: str) -> None:
    assert reason in transcode_first(shipped(name), tmp_path / "made", [SYNTAXES["jpeg-baseline"]])


class Transcoding:
    """A transcoder with the reactor that it tells what became of objects."""

    def __init__(self, directory: Path) -> None:
        self.reactor = ReactorThread("transcoding")
        self.transcoder = Transcoder(directory, 60.0)

    def transcode(self, source: Path | ObjectFile, *names: str) -> ObjectFile:
        one = ObjectFile(source) if isinstance(source, Path) else source

        def ask() -> Deferred[ObjectFile]:
            return self.transcoder.transcode(self.reactor.reactor, one, [SYNTAXES[name] for name in names])

        try:
            return cast(ObjectFile, self.reactor.call(ask))
        finally:
            one.close()

    def pids(self) -> list[int]:
        return [it._process.pid for it in self.transcoder._processes if it._process is not None]

    def close(self) -> None:
        self.transcoder.close()
        self.reactor.stop()


@pytest.fixture
def transcoding(tmp_path: Path) -> Iterator[Transcoding]:
    transcoding = Transcoding(tmp_path / "work")
    yield transcoding
    transcoding.close()


def test_a_transcoded_file_is_gone_before_it_is_read(transcoding: Transcoding, tmp_path: Path) -> None:
    one = transcoding.transcode(shipped("CT_small.dcm"), "implicit")
    assert one.meta.transfer_syntax == UID(SYNTAXES["implicit"])
    assert list((tmp_path / "work").iterdir()) == []
    assert len(one.read(one.size)) > 32768
    one.close()


def test_what_is_sent_changed_is_transcoded_changed(transcoding: Transcoding) -> None:
    """None of what it was before has begun to be sent by that: with a fault it would count as what may have arrived."""
    before = ObjectFile(shipped("CT_small.dcm"), normalise)
    one = transcoding.transcode(before, "rle")
    data = one.read(one.size)
    one.close()
    assert (before.begun, before.handed_over) == (False, False)
    assert b"COMPRESSEDSAMPLES^CT1" in data
    assert len(data) < 32768


def test_a_codec_that_dies_costs_one_object_only(transcoding: Transcoding) -> None:
    transcoding.transcode(shipped("CT_small.dcm"), "implicit").close()
    (pid,) = transcoding.pids()
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(CannotTranscode, match="the codec died"):
        transcoding.transcode(shipped("CT_small.dcm"), "implicit")
    transcoding.transcode(shipped("CT_small.dcm"), "implicit").close()
    assert transcoding.pids() != [pid]


def test_a_codec_that_hangs_is_ended(tmp_path: Path) -> None:
    transcoding = Transcoding(tmp_path / "work")
    transcoding.transcode(shipped("CT_small.dcm"), "implicit").close()  # to start takes its time
    for process in transcoding.transcoder._processes:
        process._patience = 1.0
    (pid,) = transcoding.pids()
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(CannotTranscode, match="it took longer than 1 seconds"):
        transcoding.transcode(shipped("CT_small.dcm"), "implicit")
    assert transcoding.pids() == []
    transcoding.close()


def test_what_a_killed_gateway_left_is_removed(tmp_path: Path) -> None:
    shutil.copy(shipped("CT_small.dcm"), tmp_path / "left")
    (tmp_path / "work").mkdir()
    (tmp_path / "left").rename(tmp_path / "work" / "left")
    Transcoding(tmp_path / "work").close()
    assert not (tmp_path / "work").exists()
