"""One object brought into another transfer syntax: the pixels as they decode, and every other element as it is."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from pydicom import Dataset, FileDataset, config, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.filereader import read_dataset, read_preamble
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ExplicitVRLittleEndian, JPEGBaseline8Bit

from gateway_client.errors import CannotTranscode
from gateway_client.transcoding.encoding import compress
from gateway_client.transcoding.lossy import compress_with_loss
from runtime import inflate

#: Bytes of a file, of decoded pixels, or of an inflated data set, beyond which an object is not transcoded.
MOST_BYTES = 1 << 30
#: Bytes in a number of these VRs, which are in the order of the transfer syntax (PS3.5 7.3); pydicom leaves them as they are.
_NUMBERS = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}

config.settings.reading_validation_mode = config.IGNORE
config.settings.writing_validation_mode = config.IGNORE


def transcode_first(source: Path, target: Path, syntaxes: Sequence[str], prepare: Callable[[int], None] | None = None) -> str:
    """Write an object in the first of some transfer syntaxes for which it is fit; why it is fit for none, or nothing.

    `prepare` is told how many bytes the object takes, the larger of file and decoded pixels, before it is read.
    """
    reasons = []
    for syntax in syntaxes:
        try:
            transcode(source, target, UID(syntax), prepare)
        except CannotTranscode as error:
            reasons.append(f"{UID(syntax).name}: {error}")
        else:
            return ""
    return "; ".join(reasons)


def transcode(source: Path, target: Path, syntax: UID, prepare: Callable[[int], None] | None = None) -> None:
    """Write an object in a transfer syntax. Raises CannotTranscode."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            largest = _largest(source)
            if prepare is not None:
                prepare(largest)
            dataset = _read(source)
            own = dataset.file_meta.TransferSyntaxUID
            _make_native(dataset)
            if syntax == JPEGBaseline8Bit:
                compress_with_loss(dataset, own)
            elif syntax.is_encapsulated:
                compress(dataset, own, syntax)
            dataset.file_meta.TransferSyntaxUID = syntax
            dataset.save_as(target, implicit_vr=syntax.is_implicit_VR, little_endian=True)
    except CannotTranscode:
        raise
    except Exception as error:  # codecs fail on a sender's bytes with every kind of error, MemoryError included
        raise CannotTranscode(" ".join(f"{type(error).__name__}: {error}".split())) from error


def _largest(source: Path) -> int:
    """Bytes of the file or of its decoded pixels, whichever are more."""
    meta = _read_meta(source)
    largest = os.path.getsize(source)
    if meta.TransferSyntaxUID == DeflatedExplicitVRLittleEndian:
        largest = MOST_BYTES
    elif meta.TransferSyntaxUID.is_encapsulated:
        header = dcmread(source, stop_before_pixels=True)
        names = ("Rows", "Columns", "SamplesPerPixel", "NumberOfFrames", "BitsAllocated")
        rows, columns, samples, frames, bits = (int(header.get(name) or 1) for name in names)
        largest = max(largest, rows * columns * samples * frames * ((bits + 7) // 8))
    if largest > MOST_BYTES:
        raise CannotTranscode(f"it takes {largest} bytes, more than {MOST_BYTES}")
    return largest


def _read_meta(source: Path) -> FileMetaDataset:
    with source.open("rb") as file:
        read_preamble(file, force=False)
        return FileMetaDataset(read_dataset(file, False, True, stop_when=lambda tag, vr, length: tag.group != 2))


def _read(source: Path) -> FileDataset:
    """Read an object; a deflated one within bounds, as pydicom's own reader would not."""
    meta = _read_meta(source)
    if meta.TransferSyntaxUID != DeflatedExplicitVRLittleEndian:
        return dcmread(source)
    with source.open("rb") as file:
        preamble = read_preamble(file, force=False)
        read_dataset(file, False, True, stop_when=lambda tag, vr, length: tag.group != 2)
        data = inflate(file.read(), MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise CannotTranscode(f"it inflates to more than {MOST_BYTES} bytes")
    elements = read_dataset(io.BytesIO(data), False, True)
    return FileDataset(str(source), elements, preamble, meta, is_implicit_VR=False, is_little_endian=True)


def _make_native(dataset: FileDataset) -> None:
    """Have all pixels uncompressed, and all numbers little endian."""
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax.is_encapsulated:
        for one in _with_items(dataset):
            if "PixelData" in one and (one is dataset or one["PixelData"].is_undefined_length):
                one.file_meta = dataset.file_meta
                one.PixelData = one["PixelData"].value
                _decompress(one, syntax)
    elif syntax == ExplicitVRBigEndian:
        for one in _with_items(dataset):
            for element in one:
                size = _NUMBERS.get(element.VR, 0)
                if element.keyword == "PixelData" and size:
                    size = max(size, one.BitsAllocated // 8)
                if size and isinstance(element.value, bytes):
                    element.value = np.frombuffer(element.value, f">u{size}").astype(f"<u{size}").tobytes()
            one.set_original_encoding(False, True)  # all values are decoded by now, which pydicom does not know
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian


def _decompress(one: Dataset, syntax: UID) -> None:
    """Put the decoded pixels of an image, or of an icon, in place of the compressed ones.

    All frames are decoded into one array: pydicom's own `decompress` takes them one by one as the codec gave them, and where
    the codestream tells another sign than the header it would correct them in that memory, which cannot be written.
    """
    pixels, found = get_decoder(syntax).as_array(one, as_rgb=one.PhotometricInterpretation != "YBR_FULL")
    data = pixels.tobytes()
    one.PixelData = data + b"\0" * (len(data) % 2)
    one["PixelData"].VR, one["PixelData"].is_undefined_length = "OB" if one.BitsAllocated <= 8 else "OW", False
    one.PhotometricInterpretation = found["photometric_interpretation"]
    if one.SamplesPerPixel > 1:
        one.PlanarConfiguration = found["planar_configuration"]
    if "NumberOfFrames" in one or found["number_of_frames"] != 1:
        one.NumberOfFrames = found["number_of_frames"]


def _with_items(dataset: Dataset) -> Iterator[Dataset]:
    """Give a data set and all items of its sequences."""
    yield dataset
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value or ():
                yield from _with_items(item)
