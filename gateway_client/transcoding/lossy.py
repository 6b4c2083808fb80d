"""Pixels compressed with loss: another image, derived from the first (PS3.3 C.7.6.1.1.5, C.12.4)."""

from __future__ import annotations

import io
from uuid import UUID, uuid5

import numpy as np
from PIL import Image
from pydicom import Dataset, FileDataset
from pydicom.pixels.utils import pixel_array
from pydicom.uid import UID, JPEGBaseline8Bit

from gateway_client.errors import CannotTranscode
from gateway_client.transcoding.encoding import check_jpeg_limits, set_frames

#: Of 100: no eye sees the loss.
QUALITY = 90
#: In it the new SOP Instance UIDs have their names, the old ones (PS3.5 B.2).
_NAMES = UUID("6b0c9d5e-4c0b-4f5c-9d1b-7c0f7f6a2e11")


def compress_with_loss(dataset: FileDataset, source: UID) -> None:
    """Compress the native pixels of an object as JPEG baseline. Raises CannotTranscode.

    The same object gets the same new SOP Instance UID each time.
    """
    _check_limits(dataset, source)
    pixels = pixel_array(dataset, raw=True)
    shape = (dataset.Rows, dataset.Columns, dataset.SamplesPerPixel)[: 3 if dataset.SamplesPerPixel > 1 else 2]
    frames = []
    for frame in np.reshape(pixels, (-1, *shape)):
        made = io.BytesIO()
        Image.fromarray(frame).save(made, "JPEG", quality=QUALITY, subsampling="4:2:2")
        frames.append(made.getvalue())
    _derive(dataset, pixels.nbytes / sum(map(len, frames)))
    set_frames(dataset, frames, JPEGBaseline8Bit)
    if dataset.SamplesPerPixel > 1:
        dataset.PhotometricInterpretation, dataset.PlanarConfiguration = "YBR_FULL_422", 0


def _check_limits(dataset: FileDataset, source: UID) -> None:
    """Raise CannotTranscode beyond the limits of JPEG and of 8 bits, and where frames say by themselves what they are."""
    if "PixelData" not in dataset:
        raise CannotTranscode("it has no Pixel Data")
    check_jpeg_limits(dataset, source)
    if dataset.BitsAllocated != 8 or dataset.PixelRepresentation:
        raise CannotTranscode("its samples are not of 8 bits without a sign")
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        raise CannotTranscode("indices into a palette cannot be compressed with loss")
    if "SharedFunctionalGroupsSequence" in dataset:
        raise CannotTranscode("its frames have functional groups")


def _derive(dataset: FileDataset, ratio: float) -> None:
    """Say what was done to the image, and from which it comes."""
    predecessor = Dataset()
    predecessor.ReferencedSOPClassUID, predecessor.ReferencedSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    predecessor.PurposeOfReferenceCodeSequence = [_code("121320", "Uncompressed predecessor")]
    dataset.SourceImageSequence = [*(dataset.get("SourceImageSequence") or ()), predecessor]
    codes = dataset.get("DerivationCodeSequence") or ()
    dataset.DerivationCodeSequence = [*codes, _code("113040", "Lossy Compression")]
    said = f"JPEG baseline, quality {QUALITY}, {ratio:.2f} to 1"
    dataset.DerivationDescription = "; ".join(filter(None, (dataset.get("DerivationDescription"), said)))
    dataset.ImageType = ["DERIVED", *(list(dataset.get("ImageType") or ())[1:] or ["PRIMARY"])]
    dataset.LossyImageCompression = "01"
    dataset.LossyImageCompressionRatio = [*_values(dataset, "LossyImageCompressionRatio"), f"{ratio:.2f}"]
    dataset.LossyImageCompressionMethod = [*_values(dataset, "LossyImageCompressionMethod"), "ISO_10918_1"]
    dataset.SOPInstanceUID = f"2.25.{uuid5(_NAMES, dataset.SOPInstanceUID).int}"
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID


def _code(value: str, meaning: str) -> Dataset:
    """Make an item of a code sequence of DCM (PS3.16 D)."""
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "DCM", meaning
    return code


def _values(dataset: Dataset, keyword: str) -> list[str]:
    """Give the values of earlier compressions."""
    value = dataset.get(keyword)
    if value is None or value == "":
        return []
    return [str(value)] if isinstance(value, str | float) else [str(one) for one in value]
