"""Identifiers of queries (PS3.4 C.4.1.1.3): read strictly, as a peer's question, and written fast, one for each match.

The attributes of a data set or of a sequence's item are a mapping of tags, eight hexadecimal digits in upper case, to lists of
texts, or of further mappings for a sequence.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gateway_client.errors import BadIdentifier, IdentifierTooLarge
from gateway_client.objects.elements import IMPLICIT_LITTLE, order_of
from gateway_client.objects.part10 import LONG_VRS, SHORT_VRS
from gateway_client.objects.scanning import known_vr
from gateway_client.objects.values import DEFAULT_ENCODINGS, VALUE_LIMIT, decode_values, encodings_of

Attributes = Mapping[str, Sequence[Any]]

CHARACTER_SET = "00080005"
#: Elements and items that an identifier may have, all that is nested counted; sequences in one another; values of one element.
MOST_ELEMENTS, NESTING, MOST_VALUES = 2000, 8, 10_000
#: What any element of a private block's creator is: (gggg,0010) to (gggg,00FF).
_CREATORS = range(0x10, 0x100)
_LATIN_1, _UTF_8 = "ISO_IR 100", "ISO_IR 192"
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_SHORT_LENGTH = 0xFFFF
_NUMBERS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "US": ("H", int), "SS": ("h", int), "UL": ("I", int), "SL": ("i", int), "UV": ("Q", int), "SV": ("q", int),
    "FL": ("f", float), "FD": ("d", float),
}  # fmt: skip


def vr_of_attribute(tag: str) -> str:
    """Give the VR of an attribute by the dictionary, that of its first choice; UN for private ones but for their creators."""
    return _vr(int(tag, 16))


@lru_cache(maxsize=4096)
def _vr(tag: int) -> str:
    if tag >> 16 & 1:
        return "LO" if tag & 0xFFFF in _CREATORS else "UN"
    return known_vr(tag).partition(" ")[0] or "UN"


# ---- reading ----


def decode_identifier(data: bytes, transfer_syntax: str, most_elements: int = MOST_ELEMENTS) -> dict[str, list[Any]]:
    """Read an identifier; group lengths are passed over, an element without a value has an empty list, and so has each blank one.

    Raises BadIdentifier where it is not well-formed, IdentifierTooLarge where it is longer than any question is.
    """
    reader = _Reader(data, order_of(transfer_syntax), most_elements)
    found, _end = reader.elements(0, len(data), transfer_syntax == IMPLICIT_LITTLE, DEFAULT_ENCODINGS, 0)
    return found


class _Reader:
    """Reads one identifier."""

    def __init__(self, data: bytes, order: str, most_elements: int) -> None:
        self._data, self._order = data, order
        self._pair, self._long, self._short = (struct.Struct(f"{order}{it}").unpack_from for it in ("HH", "I", "H"))
        self._most = self._left = most_elements

    def elements(
        self, at: int, end: int | None, implicit: bool, encodings: tuple[str, ...], depth: int
    ) -> tuple[dict[str, list[Any]], int]:
        """Read elements up to an end, or to the delimiter of their item; give them and where they end.

        The VR of a private element of implicit VR is not known: its value is not read.
        """
        found: dict[str, list[Any]] = {}
        stop = len(self._data) if end is None else end
        while at < stop:
            tag, vr, length, at = self._head(at, stop, implicit)
            if tag == _ITEM_END and end is None:
                return found, at
            if tag >> 16 == 0xFFFE:
                raise BadIdentifier("A delimiter stands where an element should.")
            nested_implicit = implicit or vr == "UN"  # PS3.5 6.2.2
            vr = vr if vr not in ("", "UN") else _vr(tag)
            if vr == "SQ" or length == _UNDEFINED:
                stop_at = None if length == _UNDEFINED else self._within(at, length, stop)
                items, at = self._items(at, stop_at, nested_implicit, encodings, depth + 1)
                if items and _vr(tag) not in ("SQ", "UN"):
                    raise BadIdentifier(f"({tag >> 16:04X},{tag & 0xFFFF:04X}) is a sequence, and should not be.")
                found[f"{tag:08X}"] = items
                continue
            value_end = self._within(at, length, stop)
            if length and _vr(tag) == "SQ":
                raise BadIdentifier(f"({tag >> 16:04X},{tag & 0xFFFF:04X}) should be a sequence.")
            if tag & 0xFFFF:
                value = self._data[at:value_end]
                found[f"{tag:08X}"] = _values(vr, value, self._order, encodings)
                if tag == 0x00080005:
                    encodings = encodings_of(value)
            at = value_end
        if end is None:
            raise BadIdentifier("An item does not end.")
        return found, at

    def _head(self, at: int, stop: int, implicit: bool) -> tuple[int, str, int, int]:
        """Read the head of an element; give its tag, its VR where one is written, its length and where its value begins."""
        self._left -= 1
        if self._left < 0:
            raise IdentifierTooLarge(f"The data set has more than {self._most} elements.")
        if at + 8 > stop:
            raise BadIdentifier("The identifier ends within an element.")
        group, number = self._pair(self._data, at)
        tag = group << 16 | number
        code = self._data[at + 4 : at + 6]
        if implicit or group == 0xFFFE:
            return tag, "", self._long(self._data, at + 4)[0], at + 8
        if code in SHORT_VRS:
            return tag, code.decode("ascii"), self._short(self._data, at + 6)[0], at + 8
        if code not in LONG_VRS:
            raise BadIdentifier(f"({group:04X},{number:04X}) has no VR that there is.")
        if at + 12 > stop:
            raise BadIdentifier("The identifier ends within an element.")
        return tag, code.decode("ascii"), self._long(self._data, at + 8)[0], at + 12

    def _within(self, at: int, length: int, stop: int) -> int:
        if at + length > stop:
            raise BadIdentifier("The identifier ends within a value.")
        return at + length

    def _items(
        self, at: int, end: int | None, implicit: bool, encodings: tuple[str, ...], depth: int
    ) -> tuple[list[dict[str, list[Any]]], int]:
        if depth > NESTING:
            raise IdentifierTooLarge(f"Sequences stand in more than {NESTING} others.")
        items: list[dict[str, list[Any]]] = []
        stop = len(self._data) if end is None else end
        while at < stop:
            tag, _vr_of_item, length, at = self._head(at, stop, True)
            if tag == _SEQUENCE_END and end is None:
                return items, at
            if tag != _ITEM:
                raise BadIdentifier("What stands in a sequence is no item.")
            item_end = None if length == _UNDEFINED else self._within(at, length, stop)
            item, at = self.elements(at, item_end, implicit, encodings, depth)
            items.append(item)
        if end is None:
            raise BadIdentifier("A sequence does not end.")
        return items, at


def _values(vr: str, value: bytes, order: str, encodings: tuple[str, ...]) -> list[str]:
    """Give the values that are not empty, as text; a NUL within one becomes what no text has."""
    if len(value) <= VALUE_LIMIT:
        texts: Sequence[str] = decode_values(vr, value, order, encodings)
    elif vr == "UI":
        texts = [part.strip(" \0") for part in value.decode("ascii", "replace").split("\\")]
    else:
        raise IdentifierTooLarge(f"A value of VR {vr} is longer than {VALUE_LIMIT} bytes.")
    if len(texts) > MOST_VALUES:
        raise IdentifierTooLarge(f"An element has more than {MOST_VALUES} values.")
    return [text.replace("\0", "\ufffd") for text in texts if text]


# ---- writing ----


@dataclass(frozen=True, slots=True)
class _Form:
    """How the element of one tag is written."""

    vr: str
    write: Callable[[Sequence[Any], str], bytes]
    head: bytes
    length: Callable[[int], bytes]
    limit: int
    long_head: bytes


class Encoder:
    """Writes identifiers in one transfer syntax. `vrs` are those of attributes that no dictionary has, by tag.

    A value that its VR cannot have, a word where a number should be, is left out.
    """

    def __init__(self, transfer_syntax: str, vrs: Mapping[str, str] | None = None) -> None:
        self._order, self._implicit = order_of(transfer_syntax), transfer_syntax == IMPLICIT_LITTLE
        self._vrs = vrs or {}
        self._forms: dict[str, _Form] = {}
        self._long = struct.Struct(f"{self._order}I").pack

    def encode(self, attributes: Attributes) -> bytes:
        """Write attributes in the order of their tags, and Specific Character Set among them.

        That is ISO_IR 100 where it has every character, else ISO_IR 192.
        """
        try:
            return self._elements({**attributes, CHARACTER_SET: (_LATIN_1,)}, "latin-1")
        except UnicodeEncodeError:
            return self._elements({**attributes, CHARACTER_SET: (_UTF_8,)}, "utf-8")

    def _elements(self, attributes: Attributes, encoding: str) -> bytes:
        forms = self._forms
        parts: list[bytes] = []
        for tag in sorted(attributes):
            form = forms.get(tag) or self._form(tag)
            value = form.write(attributes[tag], encoding)
            size = len(value)
            if size <= form.limit:
                parts += (form.head, form.length(size), value)
            else:  # of a VR whose length has two bytes; it goes as UN then (PS3.5 6.2.2)
                parts += (form.long_head, self._long(size), value)
        return b"".join(parts)

    def _form(self, tag: str) -> _Form:
        number = int(tag, 16)
        vr = self._vrs.get(tag) or _vr(number)
        head = struct.pack(f"{self._order}HH", number >> 16, number & 0xFFFF)
        write = self._writer(vr)
        long_head = head + b"UN\0\0"
        if self._implicit:
            form = _Form(vr, write, head, self._long, _UNDEFINED - 1, long_head)
        elif vr.encode() in LONG_VRS:
            form = _Form(vr, write, head + vr.encode() + b"\0\0", self._long, _UNDEFINED - 1, long_head)
        else:
            short = struct.Struct(f"{self._order}H").pack
            form = _Form(vr, write, head + vr.encode(), short, _SHORT_LENGTH - 1, long_head)
        self._forms[tag] = form
        return form

    def _writer(self, vr: str) -> Callable[[Sequence[Any], str], bytes]:
        if vr == "SQ":
            return self._items
        if vr in _NUMBERS:
            code, number = _NUMBERS[vr]
            struct_of = struct.Struct(f"{self._order}{code}")
            return lambda values, _encoding: _numbers(values, struct_of, number)
        if vr == "AT":
            pair = struct.Struct(f"{self._order}HH")
            return lambda values, _encoding: b"".join([pair.pack(int(it[:4], 16), int(it[4:8], 16)) for it in values])
        return _uids if vr == "UI" else _texts

    def _items(self, items: Sequence[Any], encoding: str) -> bytes:
        parts = []
        for item in items:
            data = self._elements(item, encoding)
            parts.append(struct.pack(f"{self._order}HHI", _ITEM >> 16, _ITEM & 0xFFFF, len(data)) + data)
        return b"".join(parts)


def _texts(values: Sequence[str], encoding: str) -> bytes:
    data = "\\".join(values).encode(encoding)
    return data + b" " if len(data) % 2 else data


def _uids(values: Sequence[str], _encoding: str) -> bytes:
    data = "\\".join(values).encode("ascii", "replace")
    return data + b"\0" if len(data) % 2 else data


def _numbers(values: Sequence[str], struct_of: struct.Struct, number: Callable[[str], Any]) -> bytes:
    try:
        return b"".join([struct_of.pack(number(value)) for value in values])
    except (ValueError, OverflowError, struct.error):
        return b""
