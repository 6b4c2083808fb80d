"""Attributes as settings name them."""

from __future__ import annotations

import re

from pydicom.datadict import keyword_for_tag, tag_for_keyword

from gateway_client.errors import CoercionError
from gateway_client.objects.header import TagPath
from gateway_client.objects.scanning import known_vr

_NUMBERS = re.compile(r"\(?([0-9A-Fa-f]{4}),([0-9A-Fa-f]{4})\)?")


def parse_attribute(text: str) -> TagPath:
    """Read `PatientID`, `(0010,0020)` or `RequestAttributesSequence>(0040,1001)`. Raises CoercionError."""
    *above, last = [_tag(part.strip()) for part in text.split(">")]
    for tag in above:
        if known_vr(tag) != "SQ":
            raise CoercionError(f"{name_of(tag)} in {text!r} is no sequence; only sequences have attributes in them.")
    return (*above, last)


def name_of(tag: int) -> str:
    """Name an attribute by its keyword, or as (gggg,eeee) where it has none."""
    return keyword_for_tag(tag) or f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _tag(text: str) -> int:
    if match := _NUMBERS.fullmatch(text):
        return int(match[1] + match[2], 16)
    tag = tag_for_keyword(text)
    if tag is None:
        raise CoercionError(f"{text!r} is no attribute; give a keyword of PS3.6 as PatientID, or (gggg,eeee).")
    return tag
