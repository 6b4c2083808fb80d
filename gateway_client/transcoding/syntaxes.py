"""The transfer syntaxes into which objects are brought, by the names that settings have for them."""

from __future__ import annotations

from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    RLELossless,
)

SYNTAXES = {
    "explicit": str(ExplicitVRLittleEndian),
    "implicit": str(ImplicitVRLittleEndian),
    "deflated": str(DeflatedExplicitVRLittleEndian),
    "rle": str(RLELossless),
    "jpeg-lossless": str(JPEGLosslessSV1),
    "jpeg-baseline": str(JPEGBaseline8Bit),
    "jpeg-2000": str(JPEG2000Lossless),
}
