"""Pixels compressed without loss, which is proved by decoding them."""

from __future__ import annotations

import gdcm
import numpy as np
from pydicom import FileDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.utils import pixel_array
from pydicom.uid import UID, JPEG2000Lossless, JPEGLosslessSV1, RLELossless

from gateway_client.errors import CannotTranscode

#: Photometric Interpretations that are compressed as they are.
_COLOURS = ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", "YBR_FULL")
#: What JPEG takes of them, and of Bits Allocated and Bits Stored (MagicStore, DICOM conformance statement 2.2.2.3).
JPEG_COLOURS, JPEG_BITS = _COLOURS[:4], ((8, 8), (16, 12), (16, 10))
#: pydicom's encoders; GDCM's for RLE is quicker, and ends the process at images of odd size or with samples of 32 bits.
_PLUGINS = {RLELossless: "pydicom", JPEG2000Lossless: "pylibjpeg"}


def compress(dataset: FileDataset, source: UID, syntax: UID) -> None:
    """Compress the native pixels of an object that came in transfer syntax `source`. Raises CannotTranscode."""
    if "PixelData" not in dataset:
        raise CannotTranscode("it has no Pixel Data")
    if dataset.PhotometricInterpretation not in _COLOURS:
        raise CannotTranscode(f"its Photometric Interpretation is {dataset.PhotometricInterpretation}")
    if syntax == JPEGLosslessSV1:
        check_jpeg_limits(dataset, source)
    before = pixel_array(dataset, raw=True)
    if dataset.SamplesPerPixel > 1:
        dataset.PlanarConfiguration = 0  # as they were read
    if syntax == JPEGLosslessSV1:
        frames = np.reshape(before, (int(dataset.get("NumberOfFrames") or 1), -1))
        set_frames(dataset, [_jpeg_lossless(dataset, frame.tobytes()) for frame in frames], syntax)
    else:
        dataset.compress(syntax, before, encoding_plugin=_PLUGINS[syntax], generate_instance_uid=False)
    if not np.array_equal(before, pixel_array(dataset, raw=True)):
        raise CannotTranscode("its pixels do not decode to what they were")


def check_jpeg_limits(dataset: FileDataset, source: UID) -> None:
    """Raise CannotTranscode where JPEG is not for an object."""
    colour, bits = dataset.PhotometricInterpretation, (dataset.BitsAllocated, dataset.BitsStored)
    if source.is_encapsulated:
        raise CannotTranscode("its pixels were compressed before")
    if colour not in JPEG_COLOURS:
        raise CannotTranscode(f"its Photometric Interpretation is {colour}")
    if bits not in JPEG_BITS:
        raise CannotTranscode(f"it has {bits[0]} Bits Allocated, {bits[1]} Bits Stored")
    if dataset.HighBit != bits[1] - 1:
        raise CannotTranscode(f"its High Bit is {dataset.HighBit}")


def set_frames(dataset: FileDataset, frames: list[bytes], syntax: UID) -> None:
    """Put compressed frames in place of the pixels."""
    dataset.PixelData = encapsulate(frames)
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    dataset.file_meta.TransferSyntaxUID = syntax


def _jpeg_lossless(dataset: FileDataset, frame: bytes) -> bytes:
    """Compress a frame, its colours by pixel, with GDCM."""
    writer = gdcm.ImageWriter()  # its image goes when it does
    image = writer.GetImage()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((dataset.Columns, dataset.Rows, 1))
    colour = gdcm.PhotometricInterpretation.GetPIType(dataset.PhotometricInterpretation)
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(colour))
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.ExplicitVRLittleEndian))
    bits = dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit
    image.SetPixelFormat(gdcm.PixelFormat(dataset.SamplesPerPixel, *bits, dataset.PixelRepresentation))
    image.SetPlanarConfiguration(0)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetByteStringValue(frame)
    image.SetDataElement(element)
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
    change.SetInput(image)
    if not change.Change():
        raise CannotTranscode("GDCM does not compress it")
    fragments = change.GetOutput().GetDataElement().GetSequenceOfFragments()
    if fragments is None or fragments.GetNumberOfFragments() != 1:
        raise CannotTranscode("GDCM does not make one fragment of it")
    text: str = fragments.GetFragment(0).GetByteValue().GetBuffer()
    return text.encode("utf-8", "surrogateescape")  # as the binding decodes it
