"""Data elements as text, decoded by hand: whatever a sender wrote into a header, reading it never raises or warns."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import BinaryIO

from pydicom.charset import decode_bytes, python_encoding
from pydicom.tag import BaseTag

from gateway_client.errors import NotAnObject
from gateway_client.scanning import Broken, Budget, FileStretch, Found, Scanner, Stretch, known_vr
from runtime import inflate

IMPLICIT_LITTLE, DEFLATED, EXPLICIT_BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"
_SPECIFIC_CHARACTER_SET = 0x00080005
_PIXEL_DATA = frozenset((0x7FE00008, 0x7FE00009, 0x7FE00010))

#: Bytes of a deflated data set that are inflated to find its header; the rest may be a bomb.
INFLATED = 4 << 20
#: A value longer than this is not decoded: a header has no use for it.
VALUE_LIMIT = 65536
ITEM_LIMIT = 64
#: Bytes at the beginning of a data set in which a whole header is looked for.
HEADER = 4 << 20

_BINARY = {
    "US": "H", "SS": "h", "UL": "I", "SL": "i", "UV": "Q", "SV": "q", "FL": "f", "FD": "d",
}  # fmt: skip
_SINGLE_VALUED = {"LT", "ST", "UT", "UR"}
_LOCALIZED = {"LO", "LT", "PN", "SH", "ST", "UC", "UT"}
_TEXTS = _SINGLE_VALUED | _LOCALIZED | {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI"}


class Elements:
    """The elements of a data set or of a sequence's item, looked up by tag and decoded when asked for."""

    def __init__(
        self,
        found: Found,
        order: str,
        implicit: bool,
        encodings: Sequence[str] = ("iso8859",),
        budget: Budget | None = None,
    ) -> None:
        self._found = found
        self._order = order
        self._implicit = implicit
        self._budget = budget or Budget()
        self._items: dict[int, list[Elements]] = {}
        charset = found.get(_SPECIFIC_CHARACTER_SET)
        self._encodings = encodings if charset is None else _encodings(charset[1])

    def tags(self) -> list[BaseTag]:
        """Give the tags, in their order."""
        return [BaseTag(tag) for tag in sorted(self._found)]

    def has_value(self, tag: int) -> bool:
        """Tell whether an element is there and not empty."""
        found = self._found.get(tag)
        return found is not None and bool(found[1])

    def vr(self, tag: int) -> str:
        """Give an element's VR, from the dictionary when the transfer syntax does not carry it."""
        found = self._found.get(tag)
        return "" if found is None else found[0] or known_vr(tag) or "UN"

    def values(self, tag: int) -> list[str]:
        """Give an element's values as text; none when it is missing, empty, or of a VR without a text form."""
        found = self._found.get(tag)
        if found is None or len(found[1]) > VALUE_LIMIT:
            return []
        vr, value = found[0] or known_vr(tag), found[1]
        if vr in _TEXTS:
            text = (self._text(vr, value) if vr in _LOCALIZED else value.decode("ascii", "replace")).rstrip(" \0")
            if "\\" in text and vr not in _SINGLE_VALUED:
                parts = [part.strip(" \0") for part in text.split("\\")]
                return parts if any(parts) else []
            if vr not in _SINGLE_VALUED:
                text = text.lstrip(" \0")
            return [text] if text else []
        if vr in _BINARY:
            return self._numbers(_BINARY[vr], value)
        if vr == "AT":
            pairs = self._numbers("H", value)
            return [f"{int(pairs[index]):04X}{int(pairs[index + 1]):04X}" for index in range(0, len(pairs) - 1, 2)]
        return []

    def first(self, tag: int) -> str:
        """Give an element's first value, empty when it has none."""
        values = self.values(tag)
        return values[0] if values else ""

    def items(self, tag: int) -> Sequence[Elements]:
        """Give the items of a sequence, at most `ITEM_LIMIT`; a broken one has none."""
        if tag not in self._found:
            return ()
        if tag not in self._items:
            self._items[tag] = self._read_items(tag)
        return self._items[tag]

    def _read_items(self, tag: int) -> list[Elements]:
        vr, value = self._found[tag]
        if (known_vr(tag) if vr in ("", "UN") else vr) != "SQ":
            return []
        scanner = Scanner(Stretch(value), self._order, self._budget)
        try:
            items = scanner.read_items(self._implicit or vr == "UN", ITEM_LIMIT)  # PS3.5 6.2.2
        except Broken:
            return []
        return [Elements(item, self._order, implicit, self._encodings, self._budget) for item, implicit in items]

    def _numbers(self, code: str, value: bytes) -> list[str]:
        count = len(value) // struct.calcsize(code)
        numbers = struct.unpack_from(f"{self._order}{count}{code}", value)
        return [repr(number) if isinstance(number, float) else str(number) for number in numbers]

    def _text(self, vr: str, value: bytes) -> str:
        if b"\x1b" in value or len(self._encodings) > 1:
            delimiters = {ord(character) for character in ("\\^=" if vr == "PN" else "\\\r\n\t\f")}
            try:
                return decode_bytes(value, self._encodings, delimiters)
            except (UnicodeError, LookupError, ValueError, Warning):  # Warning: where warnings are errors
                pass
        return value.decode(self._encodings[0], "replace")


def _encodings(value: bytes) -> list[str]:
    terms = [term.strip() for term in value.decode("ascii", "replace").split("\\")]
    known = [python_encoding.get(term, "iso8859") for term in terms]
    return known or ["iso8859"]


def scan(data: bytes, transfer_syntax: str, stop: Callable[[int], bool], wanted: Collection[int] | None = None) -> Elements:
    """Read the elements at the beginning of a data set, until `stop` or until the bytes end."""
    if transfer_syntax == DEFLATED:
        data = _inflate(data)
    return _scan(Stretch(data), transfer_syntax, stop, wanted)


def scan_file(file: BinaryIO, offset: int, transfer_syntax: str, wanted: Collection[int]) -> Elements:
    """Read the wanted elements of a file before its pixel data. Raises OSError."""
    return _scan_file(file, offset, transfer_syntax, wanted, None)


def scan_whole_header(path: Path, offset: int, transfer_syntax: str) -> Elements:
    """Read every element of a file that comes before its pixel data, as far as `HEADER` bytes go. Raises OSError."""
    with path.open("rb") as file:
        return _scan_file(file, offset, transfer_syntax, None, HEADER)


def _scan_file(file: BinaryIO, offset: int, transfer_syntax: str, wanted: Collection[int] | None, most: int | None) -> Elements:
    file.seek(offset)
    stretch = Stretch(_inflate(file.read(INFLATED))) if transfer_syntax == DEFLATED else FileStretch(file, most)
    return _scan(stretch, transfer_syntax, _PIXEL_DATA.__contains__, wanted)


def _scan(stretch: Stretch, transfer_syntax: str, stop: Callable[[int], bool], wanted: Collection[int] | None) -> Elements:
    found: Found = {}
    order, implicit, budget = ">" if transfer_syntax == EXPLICIT_BIG else "<", transfer_syntax == IMPLICIT_LITTLE, Budget()
    with_charset = None if wanted is None else {*wanted, _SPECIFIC_CHARACTER_SET}
    try:
        Scanner(stretch, order, budget).read(found, implicit, with_charset, stop)
    except Broken:  # a sender's bytes may end or be wrong anywhere; what was read so far is what the header says
        if not found:
            raise NotAnObject from None
    return Elements(found, order, implicit, budget=budget)


def _inflate(data: bytes) -> bytes:
    try:
        return inflate(data, INFLATED)
    except zlib.error as error:
        raise NotAnObject("The data set is not deflated, though its transfer syntax says so.") from error
