"""The data elements of a header as text: whatever a sender wrote there, reading it never raises or warns."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import lru_cache
from typing import BinaryIO

from pydicom.tag import BaseTag

from gateway_client.errors import NotAnObject
from gateway_client.objects.scanning import Broken, Budget, FileStretch, Found, Scanner, Stretch, vr_of
from gateway_client.objects.values import DEFAULT_ENCODINGS, decode_values, encodings_of
from runtime import inflate

IMPLICIT_LITTLE, DEFLATED, EXPLICIT_BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"
_SPECIFIC_CHARACTER_SET = 0x00080005
_PIXEL_DATA = frozenset((0x7FE00008, 0x7FE00009, 0x7FE00010))

#: Bytes of a deflated data set that are inflated to find its header; the rest may be a bomb.
INFLATED = 4 << 20
ITEM_LIMIT = 64
#: Bytes at the beginning of a data set in which a whole header is looked for.
HEADER = 4 << 20


class Elements:
    """The elements of a data set or of a sequence's item, looked up by tag and decoded when asked for."""

    def __init__(
        self,
        found: Found,
        order: str,
        implicit: bool,
        encodings: tuple[str, ...] = DEFAULT_ENCODINGS,
        budget: Budget | None = None,
    ) -> None:
        self.found = found
        self.order = order
        self._implicit = implicit
        self._budget = budget or Budget()
        self._items: dict[int, list[Elements]] = {}
        charset = found.get(_SPECIFIC_CHARACTER_SET)
        self.encodings = encodings if charset is None else encodings_of(charset[1])

    def tags(self) -> list[BaseTag]:
        """Give the tags, in their order."""
        return [BaseTag(tag) for tag in sorted(self.found)]

    def has_value(self, tag: int) -> bool:
        """Tell whether an element is there and not empty."""
        found = self.found.get(tag)
        return found is not None and bool(found[1])

    def vr(self, tag: int) -> str:
        """Give an element's VR, from the dictionary when the transfer syntax does not carry it or the sender wrote UN."""
        found = self.found.get(tag)
        return "" if found is None else vr_of(tag, found[0]) or "UN"

    def values(self, tag: int) -> tuple[str, ...]:
        """Give an element's values as text; none when it is missing, empty, or of a VR without a text form."""
        found = self.found.get(tag)
        return () if found is None else decode_values(vr_of(tag, found[0]), found[1], self.order, self.encodings)

    def first(self, tag: int) -> str:
        """Give an element's first value, empty when it has none."""
        values = self.values(tag)
        return values[0] if values else ""

    def items(self, tag: int, most: int = ITEM_LIMIT) -> Sequence[Elements]:
        """Give the items of a sequence, so many at most as the first time it was asked for; a broken one has none."""
        if tag not in self.found:
            return ()
        if tag not in self._items:
            self._items[tag] = self._read_items(tag, most)
        return self._items[tag]

    def _read_items(self, tag: int, most: int) -> list[Elements]:
        vr, value = self.found[tag]
        if vr_of(tag, vr) != "SQ":
            return []
        scanner = Scanner(Stretch(value), self.order, self._budget)
        try:
            items = scanner.read_items(self._implicit or vr == "UN", most)  # PS3.5 6.2.2
        except Broken:
            return []
        return [Elements(item, self.order, implicit, self.encodings, self._budget) for item, implicit in items]


def scan(data: bytes, transfer_syntax: str, wanted: frozenset[int] | None = None) -> Elements:
    """Read the elements at the beginning of a data set, before its pixel data, or until the bytes end."""
    return _scan(Stretch(_inflate(data) if transfer_syntax == DEFLATED else data), transfer_syntax, wanted)[0]


def scan_beginning(data: bytes, transfer_syntax: str, wanted: frozenset[int]) -> tuple[Elements, int | None]:
    """Read the wanted elements before the pixel data at the beginning of a data set; give where these begin.

    That is None where the bytes do not hold all that comes before.
    """
    if transfer_syntax == DEFLATED:
        return scan(data, transfer_syntax, wanted), None
    return _scan(Stretch(data), transfer_syntax, wanted)


def scan_file(file: BinaryIO, head: bytes, offset: int, transfer_syntax: str, wanted: frozenset[int]) -> Elements:
    """Read the wanted elements of a file before its pixel data. Raises OSError.

    `head` is what was read from the file's beginning, `offset` where the data set begins in it.
    """
    return _scan_file(file, head, offset, transfer_syntax, wanted, None)


def scan_whole_header(file: BinaryIO, head: bytes, offset: int, transfer_syntax: str) -> Elements:
    """Read every element of a file that comes before its pixel data, as far as `HEADER` bytes go; else as `scan_file`."""
    return _scan_file(file, head, offset, transfer_syntax, None, HEADER)


def _scan_file(
    file: BinaryIO, head: bytes, offset: int, transfer_syntax: str, wanted: frozenset[int] | None, most: int | None
) -> Elements:
    if transfer_syntax != DEFLATED:
        return _scan(FileStretch(file, head, offset, most), transfer_syntax, wanted)[0]
    file.seek(offset)
    return _scan(Stretch(_inflate(file.read(INFLATED))), transfer_syntax, wanted)[0]


def _scan(stretch: Stretch, transfer_syntax: str, wanted: frozenset[int] | None) -> tuple[Elements, int | None]:
    """Give the elements, and where the pixel data begin that follow them."""
    found: Found = {}
    order, implicit, budget = order_of(transfer_syntax), transfer_syntax == IMPLICIT_LITTLE, Budget()
    pixels = None
    try:
        pixels = Scanner(stretch, order, budget).read(found, implicit, _with_charset(wanted), _PIXEL_DATA)
    except Broken:  # a sender's bytes may end or be wrong anywhere; what was read so far is what the header says
        if not found:
            raise NotAnObject from None
    return Elements(found, order, implicit, budget=budget), pixels


def order_of(transfer_syntax: str) -> str:
    """Give the byte order of a transfer syntax, as `struct` has it."""
    return ">" if transfer_syntax == EXPLICIT_BIG else "<"


@lru_cache(maxsize=64)
def _with_charset(wanted: frozenset[int] | None) -> frozenset[int] | None:
    return None if wanted is None else wanted | {_SPECIFIC_CHARACTER_SET}


def _inflate(data: bytes) -> bytes:
    try:
        return inflate(data, INFLATED)
    except zlib.error as error:
        raise NotAnObject("The data set is not deflated, though its transfer syntax says so.") from error
