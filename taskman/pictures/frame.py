"""One frame of a DICOM object as an 8-bit picture: decoded, rescaled, windowed, in RGB or grey (PS3.3 C.7.6.3, C.11)."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, FileDataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.filereader import read_dataset, read_preamble
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi_lut
from pydicom.pixels.utils import pixel_array
from pydicom.uid import DeflatedExplicitVRLittleEndian

from runtime import inflate
from taskman.errors import TaskManError

#: Samples of a frame beyond which it is not decoded: 64 million take up to 1 GB on the way.
MOST_SAMPLES = 64 << 20
#: Bytes beyond which a deflated object is not inflated: as many as the largest frame of 16 bits has.
MOST_INFLATED = 2 * MOST_SAMPLES
#: Samples that are windowed at a time.
_BAND = 1 << 20
_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")

Picture = NDArray[np.uint8]
Samples = NDArray[Any]
Window = Callable[[Samples], Samples]


class NoPicture(TaskManError):
    """The object has no picture that can be shown."""


class NoPixels(NoPicture):
    """The object has no pixels."""


def read_picture(path: Path) -> Picture:
    """Read the frame in the middle of an object: rows by columns, or rows by columns by 3. Raises NoPicture with the reason."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return _read(path)
    except NoPicture:
        raise
    except Exception as error:  # decoders fail on a sender's bytes with every kind of error, MemoryError included
        raise NoPicture(f"{type(error).__name__}: {error}".splitlines()[0]) from error


def _read(path: Path) -> Picture:
    source = _inflated(path) or path
    header = dcmread(source, stop_before_pixels=True) if isinstance(source, Path) else source
    rows, columns, samples = (int(header.get(name) or 0) for name in ("Rows", "Columns", "SamplesPerPixel"))
    if not rows or not columns:
        raise NoPixels
    if rows * columns * max(1, samples) > MOST_SAMPLES:
        raise NoPicture(f"a frame of {columns} by {rows} pixels is too large to be decoded")
    index = max(1, int(header.get("NumberOfFrames") or 1)) // 2
    pixels = _decode(source, index)
    if header.PhotometricInterpretation == "PALETTE COLOR":
        coloured = apply_color_lut(pixels, header)
        return _eight_bits(coloured, 8 * coloured.dtype.itemsize)
    if pixels.ndim == 3:
        return _eight_bits(pixels[:, :, :3], int(header.get("BitsStored") or 8))
    return _grey(pixels, header, index)


def _inflated(path: Path) -> FileDataset | None:
    """Read a deflated object; None when it is not deflated. pydicom's own reader would inflate it without bound."""
    with path.open("rb") as file:
        preamble = read_preamble(file, force=False)
        meta = FileMetaDataset(read_dataset(file, False, True, stop_when=lambda tag, vr, length: tag.group != 2))
        if meta.TransferSyntaxUID != DeflatedExplicitVRLittleEndian:
            return None
        data = inflate(file.read(MOST_INFLATED), MOST_INFLATED + 1)
    if len(data) > MOST_INFLATED:
        raise NoPicture(f"it inflates to more than {MOST_INFLATED} bytes")
    elements = read_dataset(io.BytesIO(data), False, True)
    return FileDataset(str(path), elements, preamble, meta, is_implicit_VR=False, is_little_endian=True)


def _decode(source: Path | FileDataset, index: int) -> Samples:
    if not isinstance(source, Path) and not any(name in source for name in _PIXELS):
        raise NoPixels
    frame: Samples = pixel_array(source, index=index)
    return frame


def _eight_bits(pixels: Samples, bits: int) -> Picture:
    return np.asarray((pixels >> max(0, bits - 8)).clip(0, 255), np.uint8)


def _grey(pixels: Samples, header: Dataset, index: int) -> Picture:
    if "ModalityLUTSequence" in header:
        pixels = apply_modality_lut(pixels, header)
        slope, intercept = 1.0, 0.0
    else:
        slope = _number(_of_frame(header, index, "PixelValueTransformationSequence", "RescaleSlope")) or 1.0
        intercept = _number(_of_frame(header, index, "PixelValueTransformationSequence", "RescaleIntercept")) or 0.0

    def rescale(band: Samples) -> Samples:
        return np.asarray(np.nan_to_num(band.astype(np.float32) * slope + intercept))

    picture = None
    if "WindowWidth" not in header and "VOILUTSequence" in header:
        pixels, slope, intercept = apply_voi_lut(pixels, header), 1.0, 0.0
    else:
        window = _window(header, index)
        picture = None if window is None else _shown(pixels, lambda band: window(rescale(band)))
    if picture is None or picture.min() == picture.max():  # no window, or one beside all that is there
        low, high = (float(end) * slope + intercept for end in _range(pixels, header))
        low, high = min(low, high), max(low, high)
        picture = _shown(pixels, lambda band: (rescale(band) - low) / ((high - low) or 1.0))
    return 255 - picture if header.PhotometricInterpretation == "MONOCHROME1" else picture


def _shown(pixels: Samples, show: Window) -> Picture:
    """Turn samples into greys, band by band: the whole frame as floating point numbers would take its memory several times."""
    picture = np.empty(pixels.shape, np.uint8)
    step = max(1, _BAND // pixels.shape[1])
    for top in range(0, pixels.shape[0], step):
        picture[top : top + step] = np.rint(show(pixels[top : top + step]).clip(0.0, 1.0) * 255)
    return picture


def _window(header: Dataset, index: int) -> Window | None:
    """Give what turns rescaled samples into 0 to 1 by the first window of a frame (PS3.3 C.11.2.1.2, C.11.2.1.3)."""
    centre = _number(_of_frame(header, index, "FrameVOILUTSequence", "WindowCenter"))
    width = _number(_of_frame(header, index, "FrameVOILUTSequence", "WindowWidth"))
    if centre is None or width is None or width <= 0:
        return None
    function = str(_of_frame(header, index, "FrameVOILUTSequence", "VOILUTFunction") or "LINEAR")
    if function == "SIGMOID":
        return lambda band: 1.0 / (1.0 + np.exp(-4.0 * (band - centre) / width))
    if function == "LINEAR_EXACT":
        return lambda band: (band - centre) / width + 0.5
    return lambda band: (band - (centre - 0.5)) / max(width - 1.0, 1e-6) + 0.5


def _range(pixels: Samples, header: Dataset) -> tuple[float, float]:
    """Give the smallest and the largest sample that is no padding."""
    padding = _number(header.get("PixelPaddingValue"))
    if padding is not None:
        limit = _number(header.get("PixelPaddingRangeLimit"))
        ends = sorted((padding, padding if limit is None else limit))
        kept = pixels[(pixels < ends[0]) | (pixels > ends[1])]
        pixels = kept if kept.size else pixels
    return float(np.nanmin(pixels)), float(np.nanmax(pixels))


def _of_frame(header: Dataset, index: int, group: str, name: str) -> Any:
    """Give an attribute of a frame: from its own functional group, from the shared one, from the object."""
    for sequence, item in (("PerFrameFunctionalGroupsSequence", index), ("SharedFunctionalGroupsSequence", 0)):
        frames = header.get(sequence) or ()
        groups = frames[item].get(group) if item < len(frames) else None
        if groups and name in groups[0]:
            return groups[0].get(name)
    return header.get(name)


def _number(value: Any) -> float | None:
    """Read the first value of an element as a finite number."""
    if value is None or value == "":
        return None
    first = value if isinstance(value, int | float | str) else value[0]
    number = float(first)
    return number if math.isfinite(number) else None
