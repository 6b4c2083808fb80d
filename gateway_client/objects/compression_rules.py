"""Which compressed objects the archive's receiver takes: those whose pixels a JPEG codec of its kind can hold.

The rules are those that the MagicStore statement has in its section 2.3.2.3; syntaxes without a rule are taken as they come.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway_client.errors import NotTakenCompressed
from gateway_client.objects.elements import Elements

_PHOTOMETRIC, _ALLOCATED, _STORED, _HIGH_BIT = 0x00280004, 0x00280100, 0x00280101, 0x00280102
_WANTED = frozenset((_PHOTOMETRIC, _ALLOCATED, _STORED, _HIGH_BIT))
#: Bits Allocated and Bits Stored.
_BITS = {("8", "8"), ("16", "12"), ("16", "10")}

ReadElements = Callable[[frozenset[int]], Elements]
"""Reads the wanted elements of an object."""
ObjectRule = Callable[[str, ReadElements], None]
"""Checks an object by its transfer syntax and its elements, which it may read. Raises GatewayError for one that is not taken."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """What the pixels of an object have to be like in a transfer syntax."""

    name: str
    photometric: frozenset[str]


_LOSSLESS = _Rule("JPEG Lossless", frozenset(("MONOCHROME1", "MONOCHROME2", "RGB", "PALETTE COLOR")))
_LOSSY = _Rule("Lossy JPEG", _LOSSLESS.photometric | {"YBR_FULL", "YBR_FULL_422"})
#: By transfer syntax: processes 1, 2 and 4, 14, and 14 with selection value 1.
_RULES: Mapping[str, _Rule] = {
    "1.2.840.10008.1.2.4.50": _LOSSY,
    "1.2.840.10008.1.2.4.51": _LOSSY,
    "1.2.840.10008.1.2.4.57": _LOSSLESS,
    "1.2.840.10008.1.2.4.70": _LOSSLESS,
}


def check_compressed(transfer_syntax: str, read: ReadElements) -> None:
    """See to it that a compressed object is one of those that are taken, as an `ObjectRule`. Raises NotTakenCompressed."""
    rule = _RULES.get(transfer_syntax)
    if rule is None:
        return
    elements = read(_WANTED)
    photometric, allocated, stored, high = map(elements.first, (_PHOTOMETRIC, _ALLOCATED, _STORED, _HIGH_BIT))
    if photometric not in rule.photometric:
        raise NotTakenCompressed(f"{rule.name} of {photometric or 'no Photometric Interpretation'}")
    if (allocated, stored) not in _BITS:
        raise NotTakenCompressed(f"{rule.name} of {stored or 'no'} Bits Stored in {allocated or 'none'}")
    if high != str(int(stored) - 1):
        raise NotTakenCompressed(f"{rule.name} with High Bit {high or 'missing'} of {stored}")
