"""One frame of a DICOM object as an 8-bit picture: decoded, rescaled, windowed, in RGB or grey (PS3.3 C.7.6.3, C.11)."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, FileDataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.filereader import read_dataset, read_preamble
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut
from pydicom.pixels.utils import pixel_array
from pydicom.uid import DeflatedExplicitVRLittleEndian

from runtime import inflate
from taskman.errors import TaskManError
from taskman.pictures.windows import Samples, Window, number, of_frame, windows_of

#: Samples of a frame beyond which it is not decoded: 64 million take up to 1 GB on the way.
MOST_SAMPLES = 64 << 20
#: Bytes beyond which a deflated object is not inflated: as many as the largest frame of 16 bits has.
MOST_INFLATED = 2 * MOST_SAMPLES
#: Samples that are windowed at a time.
_BAND = 1 << 20
_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")

Picture = NDArray[np.uint8]


class NoPicture(TaskManError):
    """The object has no picture that can be shown."""


class NoPixels(NoPicture):
    """The object has no pixels."""


class NoFrame(NoPicture):
    """The object has no such frame."""


@dataclass(frozen=True, slots=True)
class View:
    """A frame as it is shown: rows by columns, or rows by columns by 3, and which of how many it is, counted from 0.

    Of a grey one `window` is what it is shown with, None for a table of the object's own, and `windows` are what the object has.
    """

    picture: Picture
    frame: int
    frames: int
    window: Window | None = None
    windows: tuple[Window, ...] = ()


def read_picture(path: Path) -> Picture:
    """Read the frame that stands for an object, as `read_view` does."""
    return read_view(path).picture


def read_view(path: Path, frame: int | None = None, window: Window | None = None) -> View:
    """Read a frame, by its number from 0, through a window where it is grey. Raises NoPicture with the reason.

    Without a number it is the one that stands for the object (0028,6010), else that in the middle; without a window the first
    of the object, else its table, else whatever shows all that is there.
    """
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return _read(path, frame, window)
    except NoPicture:
        raise
    except Exception as error:  # decoders fail on a sender's bytes with every kind of error, MemoryError included
        raise NoPicture(f"{type(error).__name__}: {error}".splitlines()[0]) from error


def read_samples(path: Path, frame: int) -> bytes:
    """Read the samples of a frame, by its number from 0, without compression and little endian; colours by pixel.

    Colours are RGB, unless they are YBR_FULL: as objects are that are brought into a transfer syntax without compression.
    Raises NoPicture with the reason.
    """
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            source, header = _opened(path)
            index = _index(header, frame)
            samples = pixel_array(source, index=index, raw=header.PhotometricInterpretation == "YBR_FULL")
            little: bytes = samples.astype(samples.dtype.newbyteorder("<"), copy=False).tobytes()
            return little
    except NoPicture:
        raise
    except Exception as error:  # as in read_view
        raise NoPicture(f"{type(error).__name__}: {error}".splitlines()[0]) from error


def _read(path: Path, frame: int | None, window: Window | None) -> View:
    source, header = _opened(path)
    index, frames = _index(header, frame), _frames(header)
    pixels = _decode(source, index)
    if header.PhotometricInterpretation == "PALETTE COLOR":
        coloured = apply_color_lut(pixels, header)
        return View(_eight_bits(coloured, 8 * coloured.dtype.itemsize), index, frames)
    if pixels.ndim == 3:
        return View(_eight_bits(pixels[:, :, :3], int(header.get("BitsStored") or 8)), index, frames)
    windows = windows_of(header, index)
    picture, used = _grey(pixels, header, index, window, windows)
    return View(picture, index, frames, used, windows)


def _opened(path: Path) -> tuple[Path | FileDataset, Dataset]:
    """Give what pixels are read of, and the header. Raises NoPicture for a frame that is too large."""
    source = _inflated(path) or path
    header = dcmread(source, stop_before_pixels=True) if isinstance(source, Path) else source
    rows, columns, samples = (int(header.get(name) or 0) for name in ("Rows", "Columns", "SamplesPerPixel"))
    if not rows or not columns:
        raise NoPixels
    if rows * columns * max(1, samples) > MOST_SAMPLES:
        raise NoPicture(f"a frame of {columns} by {rows} pixels is too large to be decoded")
    return source, header


def _frames(header: Dataset) -> int:
    return max(1, int(header.get("NumberOfFrames") or 1))


def _index(header: Dataset, frame: int | None) -> int:
    """Give the number of a frame, from 0, or of that which stands for the object. Raises NoFrame."""
    frames = _frames(header)
    if frame is None:
        told = number(header.get("RepresentativeFrameNumber"))
        return int(told) - 1 if told is not None and 1 <= told <= frames else frames // 2
    if not 0 <= frame < frames:
        raise NoFrame(f"it has {frames} frames, and no frame {frame + 1}")
    return frame


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


def _grey(
    pixels: Samples, header: Dataset, index: int, wanted: Window | None, windows: tuple[Window, ...]
) -> tuple[Picture, Window | None]:
    """Show grey samples; give the window, too, None where it is the object's table."""
    if "ModalityLUTSequence" in header:
        pixels = apply_modality_lut(pixels, header)
        slope, intercept = 1.0, 0.0
    else:
        slope = number(of_frame(header, index, "PixelValueTransformationSequence", "RescaleSlope")) or 1.0
        intercept = number(of_frame(header, index, "PixelValueTransformationSequence", "RescaleIntercept")) or 0.0

    def rescale(band: Samples) -> Samples:
        return np.asarray(np.nan_to_num(band.astype(np.float32) * slope + intercept))

    def shown(window: Window) -> Picture:
        return _shown(pixels, lambda band: window.show(rescale(band)))

    inverted = header.PhotometricInterpretation == "MONOCHROME1"
    window = wanted or next(iter(windows), None)
    if window is None and header.get("VOILUTSequence"):
        picture = _through_table(np.rint(rescale(pixels)).astype(np.int32), header)
    else:
        everything = Window.between(*(end * slope + intercept for end in _range(pixels, header)))
        window = window or everything
        picture = shown(window)
        if wanted is None and picture.min() == picture.max():  # a window beside all that is there
            window, picture = everything, shown(everything)
    return (255 - picture if inverted else picture), window


def _through_table(samples: Samples, header: Dataset) -> Picture:
    """Show rescaled samples by the first table of an object, whose entries go from black to white (PS3.3 C.11.2.1.1)."""
    table = header.VOILUTSequence[0]
    count, first, bits = map(int, table.LUTDescriptor)
    count = count or 1 << 16
    data = table.LUTData
    if isinstance(data, bytes):
        order = ">" if header.original_encoding[1] is False else "<"
        entries = np.frombuffer(data, np.uint8 if len(data) < 2 * count else f"{order}u2")[:count]
    else:
        entries = np.atleast_1d(np.asarray(data, np.uint16))[:count]
    first -= (1 << 16) if first >= 1 << 15 and samples.min() < 0 else 0  # it has the sign of the samples, and was read without
    white = (1 << bits) - 1
    return _shown(samples, lambda band: entries[(band - first).clip(0, len(entries) - 1)] / white)


def _shown(pixels: Samples, show: Callable[[Samples], Samples]) -> Picture:
    """Turn samples into greys, band by band: the whole frame as floating point numbers would take its memory several times."""
    picture = np.empty(pixels.shape, np.uint8)
    step = max(1, _BAND // pixels.shape[1])
    for top in range(0, pixels.shape[0], step):
        picture[top : top + step] = np.rint(show(pixels[top : top + step]).clip(0.0, 1.0) * 255)
    return picture


def _range(pixels: Samples, header: Dataset) -> tuple[float, float]:
    """Give the smallest and the largest sample that is no padding."""
    padding = number(header.get("PixelPaddingValue"))
    if padding is not None:
        limit = number(header.get("PixelPaddingRangeLimit"))
        ends = sorted((padding, padding if limit is None else limit))
        kept = pixels[(pixels < ends[0]) | (pixels > ends[1])]
        pixels = kept if kept.size else pixels
    return float(np.nanmin(pixels)), float(np.nanmax(pixels))
