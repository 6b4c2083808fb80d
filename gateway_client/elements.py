"""Data elements as text, decoded by hand: whatever a sender wrote into a header, reading it never raises or warns."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

from pydicom import Dataset
from pydicom.charset import decode_bytes, python_encoding
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.filereader import data_element_generator, read_sequence_item
from pydicom.sequence import Sequence as PydicomSequence
from pydicom.tag import BaseTag, Tag

from gateway_client.errors import NotAnObject
from runtime import inflate

IMPLICIT_LITTLE, DEFLATED, EXPLICIT_BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"
_SPECIFIC_CHARACTER_SET = Tag(0x0008, 0x0005)
_PIXEL_DATA = {Tag(0x7FE0, 0x0008), Tag(0x7FE0, 0x0009), Tag(0x7FE0, 0x0010)}

#: Bytes of a deflated data set that are inflated to find its header; the rest may be a bomb.
INFLATED = 4 << 20
#: A value longer than this is not decoded: a header has no use for it.
VALUE_LIMIT = 65536
ITEM_LIMIT = 64
#: Reads of a data set, one to three for an element or item; the rest of its elements is taken for not there.
READ_LIMIT = 200_000
#: Bytes at the beginning of a data set in which a whole header is looked for.
HEADER = 4 << 20

_BINARY = {
    "US": "H", "SS": "h", "UL": "I", "SL": "i", "UV": "Q", "SV": "q", "FL": "f", "FD": "d",
}  # fmt: skip
_SINGLE_VALUED = {"LT", "ST", "UT", "UR"}
_LOCALIZED = {"LO", "LT", "PN", "SH", "ST", "UC", "UT"}
_TEXTS = _SINGLE_VALUED | _LOCALIZED | {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI"}


class _Budget:
    """How many reads are left of a data set and all that is nested in it."""

    def __init__(self) -> None:
        self.left = READ_LIMIT


class _Limited:
    """A file that seems to end when the budget does: empty items, eight bytes each, take a parser much longer than bytes."""

    def __init__(self, file: BinaryIO, budget: _Budget) -> None:
        self._file, self._budget = file, budget
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        """Read, while the budget lasts."""
        self._budget.left -= 1
        return self._file.read(size) if self._budget.left >= 0 else b""


class Elements:
    """The elements of a data set or of a sequence's item, looked up by tag and decoded when asked for."""

    def __init__(
        self, dataset: Dataset, big_endian: bool, encodings: Sequence[str] = ("iso8859",), budget: _Budget | None = None
    ) -> None:
        self._dataset = dataset
        self._budget = budget or _Budget()
        self._order = ">" if big_endian else "<"
        declared = self._raw(_SPECIFIC_CHARACTER_SET)
        self._encodings = _encodings(declared[1]) if declared is not None else list(encodings)

    def tags(self) -> list[BaseTag]:
        """Give the tags, in their order."""
        return sorted(self._dataset.keys())

    def has_value(self, tag: BaseTag) -> bool:
        """Tell whether an element is there and not empty."""
        found = self._raw(tag)
        return found is not None and bool(found[1])

    def vr(self, tag: BaseTag) -> str:
        """Give an element's VR, from the dictionary when the transfer syntax does not carry it."""
        found = self._raw(tag)
        return found[0] if found is not None else ""

    def values(self, tag: BaseTag) -> list[str]:
        """Give an element's values as text; none when it is missing, empty, or of a VR without a text form."""
        found = self._raw(tag)
        if found is None:
            return []
        vr, value = found
        if len(value) > VALUE_LIMIT:
            return []
        if vr in _BINARY:
            return self._numbers(_BINARY[vr], value)
        if vr == "AT":
            pairs = self._numbers("H", value)
            return [f"{int(pairs[index]):04X}{int(pairs[index + 1]):04X}" for index in range(0, len(pairs) - 1, 2)]
        if vr not in _TEXTS:
            return []
        text = self._text(vr, value)
        if vr in _SINGLE_VALUED:
            return [text.rstrip(" \0")] if text.rstrip(" \0") else []
        parts = [part.strip(" \0") for part in text.split("\\")]
        return parts if any(parts) else []

    def first(self, tag: BaseTag) -> str:
        """Give an element's first value, empty when it has none."""
        return next(iter(self.values(tag)), "")

    def items(self, tag: BaseTag) -> Iterator[Elements]:
        """Give the items of a sequence, at most `ITEM_LIMIT`."""
        if tag not in self._dataset or self.vr(tag) not in ("SQ", "UN", ""):
            return
        element: Any = self._dataset.get_item(tag)
        items = self._parse(element) if isinstance(element, RawDataElement) else element.value
        for item in items[:ITEM_LIMIT] if isinstance(items, list | PydicomSequence) else ():
            yield Elements(item, self._order == ">", self._encodings, self._budget)

    def _parse(self, element: RawDataElement) -> list[Dataset]:
        """Read the items of a sequence of known length; none when it is broken."""
        value, items = element.value or b"", list[Dataset]()
        if (element.VR or "UN") == "UN" and _dictionary_vr(element.tag) != "SQ":
            return items
        file = cast(BinaryIO, _Limited(io.BytesIO(value), self._budget))
        try:
            while len(items) < ITEM_LIMIT and file.tell() < len(value):
                implicit = element.is_implicit_VR or element.VR == "UN"  # PS3.5 6.2.2
                item = read_sequence_item(file, implicit, self._order == "<", "iso8859")
                if item is None:
                    break
                items.append(item)
        except Exception:  # a sender's sequence may be broken in every way that pydicom can fail on; then it has no items
            return []
        return items

    def _raw(self, tag: BaseTag) -> tuple[str, bytes] | None:
        if tag not in self._dataset:
            return None
        element: Any = self._dataset.get_item(tag)
        if isinstance(element, RawDataElement):
            return str(element.VR or _dictionary_vr(tag)), element.value or b""
        return str(element.VR) if element is not None else "", b""

    def _numbers(self, code: str, value: bytes) -> list[str]:
        count = len(value) // struct.calcsize(code)
        numbers = struct.unpack_from(f"{self._order}{count}{code}", value)
        return [repr(number) if isinstance(number, float) else str(number) for number in numbers]

    def _text(self, vr: str, value: bytes) -> str:
        if vr not in _LOCALIZED:
            return value.decode("ascii", "replace")
        if b"\x1b" in value or len(self._encodings) > 1:
            delimiters = {ord(character) for character in ("\\^=" if vr == "PN" else "\\\r\n\t\f")}
            try:
                return decode_bytes(value, self._encodings, delimiters)
            except (UnicodeError, LookupError, ValueError, Warning):  # Warning: where warnings are errors
                pass
        return value.decode(self._encodings[0], "replace")


def _dictionary_vr(tag: BaseTag) -> str:
    if tag.is_private:
        return "UN"
    try:
        return dictionary_VR(tag)
    except KeyError:
        return "UN"


def _encodings(value: bytes) -> list[str]:
    terms = [term.strip() for term in value.decode("ascii", "replace").split("\\")]
    known = [python_encoding.get(term, "iso8859") for term in terms]
    return known or ["iso8859"]


def scan(data: bytes, transfer_syntax: str, stop: Callable[[BaseTag], bool], wanted: Sequence[BaseTag] | None = None) -> Elements:
    """Read the elements at the beginning of a data set, until `stop` or until the bytes end."""
    if transfer_syntax == DEFLATED:
        data = _inflate(data)
    return _scan(io.BytesIO(data), transfer_syntax, stop, wanted)


def scan_file(path: Path, offset: int, transfer_syntax: str, wanted: Sequence[BaseTag]) -> Elements:
    """Read the wanted elements of a file before its pixel data. Raises OSError."""

    def stop(tag: BaseTag) -> bool:
        return tag in _PIXEL_DATA

    with path.open("rb") as file:
        file.seek(offset)
        if transfer_syntax == DEFLATED:
            return _scan(io.BytesIO(_inflate(file.read(INFLATED))), transfer_syntax, stop, wanted)
        return _scan(file, transfer_syntax, stop, wanted)


def scan_whole_header(path: Path, offset: int, transfer_syntax: str) -> Elements:
    """Read every element of a file that comes before its pixel data, as far as `HEADER` bytes go. Raises OSError."""
    with path.open("rb") as file:
        file.seek(offset)
        return scan(file.read(HEADER), transfer_syntax, lambda tag: tag in _PIXEL_DATA)


def _scan(
    file: io.BytesIO | io.BufferedReader,
    transfer_syntax: str,
    stop: Callable[[BaseTag], bool],
    wanted: Sequence[BaseTag] | None,
) -> Elements:
    implicit, big_endian = transfer_syntax == IMPLICIT_LITTLE, transfer_syntax == EXPLICIT_BIG
    elements: dict[BaseTag, DataElement | RawDataElement] = {}
    budget = _Budget()
    limited = cast(BinaryIO, _Limited(file, budget))
    specific: list[BaseTag | int] | None = None if wanted is None else [*wanted, _SPECIFIC_CHARACTER_SET]
    try:
        for element in data_element_generator(
            limited, implicit, not big_endian, stop_when=lambda tag, vr, length: stop(tag), specific_tags=specific
        ):
            elements[element.tag] = element
    except Exception:  # a sender's bytes may end or be wrong anywhere; what was read so far is what the header says
        if not elements:
            raise NotAnObject from None
    return Elements(Dataset(elements), big_endian, budget=budget)


def _inflate(data: bytes) -> bytes:
    try:
        return inflate(data, INFLATED)
    except zlib.error as error:
        raise NotAnObject("The data set is not deflated, though its transfer syntax says so.") from error
