"""Attributes as DICOM JSON (PS3.18 annex F)."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gateway_client.archive.identifiers import Attributes, vr_of_attribute

_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
#: How the values of VRs that have numbers are read (PS3.18 F.2.3).
_NUMBERS: Mapping[str, Callable[[str], int | float]] = {
    **dict.fromkeys(("IS", "US", "SS", "UL", "SL", "UV", "SV"), int),
    **dict.fromkeys(("DS", "FL", "FD"), float),
}


def encode_json(value: Any) -> bytes:
    """Write DICOM JSON, in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def attributes_json(attributes: Attributes) -> dict[str, Any]:
    """Give attributes, texts by tags and items of sequences, as the object of a data set; a blank value has no Value."""
    return {tag: _element(tag, attributes[tag]) for tag in sorted(attributes)}


def element_json(vr: str, values: Sequence[str]) -> dict[str, Any]:
    """Give an element of a VR by the texts of its values; an empty one among several is null."""
    if not any(values):
        return {"vr": vr}
    return {"vr": vr, "Value": [value_json(vr, value) if value else None for value in values]}


def value_json(vr: str, value: str) -> Any:
    """Give one value; a text where a number should be stays as it is."""
    if vr == "PN":
        groups = [group.rstrip("^ ") for group in value.split("=")]
        return {name: group for name, group in zip(_GROUPS, groups, strict=False) if group}
    if vr in _NUMBERS:
        try:
            number = _NUMBERS[vr](value)
        except ValueError:
            return value
        return number if math.isfinite(number) else value
    return value


def _element(tag: str, values: Sequence[Any]) -> dict[str, Any]:
    vr = vr_of_attribute(tag)
    if vr != "SQ":
        return element_json(vr, values)
    return {"vr": vr, "Value": [attributes_json(item) for item in values]} if values else {"vr": vr}
