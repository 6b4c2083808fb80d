"""The frames of an object: as they are stored, or where in the file they lie without compression (PS3.5 8.2, annex A.4)."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path

from pydicom.encaps import get_frame

from console.web.dicomweb.errors import NotHeld
from console.web.dicomweb.metadata import Header
from gateway_client.objects.elements import IMPLICIT_LITTLE

EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
_NATIVE = frozenset((EXPLICIT_LITTLE, IMPLICIT_LITTLE))
#: The media types of compressed frames, by transfer syntax (PS3.18 table 8.7.3-5).
MEDIA_TYPES: Mapping[str, str] = {
    **dict.fromkeys((f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 57, 70)), "image/jpeg"),
    **dict.fromkeys((f"1.2.840.10008.1.2.4.{number}" for number in (80, 81)), "image/jls"),
    **dict.fromkeys((f"1.2.840.10008.1.2.4.{number}" for number in (90, 91)), "image/jp2"),
    **dict.fromkeys((f"1.2.840.10008.1.2.4.{number}" for number in (92, 93)), "image/jpx"),
    **dict.fromkeys((f"1.2.840.10008.1.2.4.{number}" for number in (201, 202, 203)), "image/jphc"),
    "1.2.840.10008.1.2.5": "image/dicom-rle",
}
_FRAMES, _SAMPLES, _PHOTOMETRIC, _ROWS, _COLUMNS, _BITS = (
    *(0x00280008, 0x00280002, 0x00280004),
    *(0x00280010, 0x00280011, 0x00280100),
)
#: Bytes of a compressed frame beyond which it is not read.
MOST_BYTES = 256 << 20
#: Samples for each pixel are fewer than three in this one (PS3.3 C.7.6.3.1.2).
_SUBSAMPLED = "YBR_FULL_422"


def frames_of(header: Header) -> int:
    """Give how many frames an object has. Raises NotHeld for one without pixels."""
    if not (header.number(_ROWS) and header.number(_COLUMNS)):
        raise NotHeld("It has no frames.")
    return max(1, header.number(_FRAMES, 1))


def native_stretch(header: Header, offset: int, frame: int) -> tuple[int, int] | None:
    """Give where in a file a frame lies that needs no decoder, and its bytes; None where it does. `offset` is the data set's."""
    pixels = header.pixels
    if pixels is None or pixels.length is None or header.transfer_syntax not in _NATIVE:
        return None
    samples = 2 if header.elements.first(_PHOTOMETRIC) == _SUBSAMPLED else header.number(_SAMPLES, 1)
    bits = header.number(_ROWS) * header.number(_COLUMNS) * samples * header.number(_BITS)
    size = bits // 8
    if bits % 8 or not size or (frame + 1) * size > pixels.length:
        return None
    return offset + pixels.place + frame * size, size


def stored_frame(path: Path, header: Header, offset: int, frame: int) -> bytes:
    """Read a compressed frame. Raises NotHeld where there is none such, and OSError."""
    pixels = header.pixels
    if pixels is None or pixels.length is not None:
        raise NotHeld("Its frames are not compressed.")
    with path.open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file.seek(offset + pixels.place)
        try:
            data = get_frame(file, frame, number_of_frames=frames_of(header))
        except Exception as error:  # pydicom raises every kind of error for a sender's bytes
            raise NotHeld(f"Its frames cannot be told apart: {' '.join(str(error).split())[:200]}") from error
    if len(data) > MOST_BYTES:
        raise NotHeld("The frame is too large.")
    return data


def read_stretch(path: Path, place: int, size: int) -> bytes:
    """Read some bytes of a file. Raises OSError."""
    with path.open("rb") as file:
        data = os.pread(file.fileno(), size, place)
    if len(data) < size:
        raise OSError(None, "the file has become shorter")
    return data
