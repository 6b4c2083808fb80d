"""Where the elements of a data set lie among its bytes (PS3.5 7.1, 7.5, A.4), and how one is written."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol

from gateway_client.errors import ModificationError
from gateway_client.objects.elements import EXPLICIT_BIG, IMPLICIT_LITTLE
from gateway_client.objects.part10 import LONG_VRS, SHORT_VRS
from gateway_client.objects.scanning import CHUNK, known_vr

#: Elements and items that are looked at in a data set and all that is nested in it, and sequences in one another.
SPAN_LIMIT, NESTING = 2_000_000, 40
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD


class Bytes(Protocol):
    """The bytes of a data set, of which stretches can be had."""

    def __len__(self) -> int:
        """Count them."""

    def __getitem__(self, stretch: slice, /) -> bytes:
        """Give those of a stretch that are there."""


class FileBytes:
    """The bytes of a file from an offset on, read when they are asked for. Raises OSError."""

    def __init__(self, file: BinaryIO, offset: int) -> None:
        self._file, self._offset = file, offset
        self._length = max(os.fstat(file.fileno()).st_size - offset, 0)
        self._from, self._held = 0, b""

    def __len__(self) -> int:
        """Count them."""
        return self._length

    def __getitem__(self, stretch: slice) -> bytes:
        """Give those of a stretch that are there; what is short is read with what follows it."""
        start, end, _ = stretch.indices(self._length)
        if not self._from <= start <= end <= self._from + len(self._held):
            self._from = start
            self._held = os.pread(self._file.fileno(), max(end - start, CHUNK), self._offset + start)
        return self._held[start - self._from : end - self._from]


@dataclass(frozen=True, slots=True)
class Encoding:
    """How elements are written: the byte order `<` or `>`, with or without their VRs."""

    order: str = "<"
    implicit: bool = False

    def element(self, tag: int, vr: str, value: bytes) -> bytes:
        """Write an element of defined length; a value of odd length gets a blank more. Raises ModificationError."""
        value += b" " * (len(value) % 2)
        head = struct.pack(f"{self.order}HH", tag >> 16, tag & 0xFFFF)
        if self.implicit:
            return head + struct.pack(f"{self.order}I", len(value)) + value
        code = vr.encode("ascii")
        if code in LONG_VRS:
            return head + code + struct.pack(f"{self.order}HI", 0, len(value)) + value
        if len(value) > 0xFFFF:
            raise ModificationError(f"A value of {len(value)} bytes is too long for an element of VR {vr}.")
        return head + code + struct.pack(f"{self.order}H", len(value)) + value

    def item(self, content: bytes) -> bytes:
        """Write an item of defined length."""
        return struct.pack(f"{self.order}HHI", 0xFFFE, 0xE000, len(content)) + content


def encoding_of(transfer_syntax: str) -> Encoding:
    """Say how the elements of a data set are written, inflated where they are deflated."""
    return Encoding(">" if transfer_syntax == EXPLICIT_BIG else "<", implicit=transfer_syntax == IMPLICIT_LITTLE)


def as_written(data: Bytes, encoding: Encoding) -> Encoding:
    """Give the encoding of a data set whose first element, though its transfer syntax says so, has no VR."""
    code = data[4:6]
    return encoding if code.isalpha() and code.isupper() else Encoding(encoding.order, implicit=True)


#: What is nested in an element of VR UN, whatever its data set is (PS3.5 6.2.2).
NESTED_IN_UN = Encoding("<", implicit=True)


@dataclass(frozen=True, slots=True)
class Span:
    """One element: it lies from `start` to `end`, its value from `value` to `after`; then comes a delimiter, if any.

    The VR is empty where none is written and no dictionary tells it.
    """

    tag: int
    vr: str
    start: int
    value: int
    after: int
    end: int


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a sequence: its elements, and how they are written."""

    spans: Sequence[Span]
    encoding: Encoding


@dataclass(slots=True)
class Reader:
    """Finds the elements of one data set. Whatever cannot be stepped over raises ModificationError."""

    data: Bytes
    left: int = field(default=SPAN_LIMIT)

    def data_set(self, encoding: Encoding) -> list[Span]:
        """Give the elements of the data set itself; the last one may be cut off, and less than an element's head may follow."""
        return self._elements(0, len(self.data), encoding, 0)[0]

    def items(self, span: Span, encoding: Encoding) -> list[Item]:
        """Give the items of a sequence that is an element of a data set or item of this encoding."""
        inner = NESTED_IN_UN if span.vr == "UN" else encoding
        return list(self._items(span.value, span.after, inner, 1))

    def _elements(self, position: int, end: int, encoding: Encoding, depth: int) -> tuple[list[Span], int]:
        """Give the elements up to `end` or an item's delimiter, and what follows."""
        found: list[Span] = []
        while position < end and (depth or position + 8 <= end):
            group, number = self._unpack(f"{encoding.order}HH", position, end)
            if group << 16 | number == _ITEM_END:
                if not depth:
                    raise ModificationError("An item ends that was not begun.")
                return found, position + 8
            span = self._element(group << 16 | number, position, end, encoding, depth)
            found.append(span)
            position = span.end
        return found, position

    def _element(self, tag: int, start: int, end: int, encoding: Encoding, depth: int) -> Span:
        self._count()
        code, short = self._unpack(f"{encoding.order}2sH", start + 4, end)
        value = start + 8
        vr = "" if encoding.implicit or not (code in SHORT_VRS or b"AA" <= code <= b"ZZ") else code.decode("latin-1")
        if not vr:
            (length,), vr = self._unpack(f"{encoding.order}I", start + 4, end), known_vr(tag)
        elif code in LONG_VRS:
            (length,) = self._unpack(f"{encoding.order}I", value, end)
            value += 4
        else:
            length = short
        if length != _UNDEFINED:
            if value + length > end and end != len(self.data):
                raise ModificationError(
                    f"The element ({tag >> 16:04X},{tag & 0xFFFF:04X}) is longer than the item that holds it."
                )
            after = min(value + length, end)
            return Span(tag, vr, start, value, after, after)
        if vr in ("SQ", "UN", ""):
            last = self._after_items(value, end, NESTED_IN_UN if vr == "UN" else encoding, depth + 1)
            return Span(tag, vr if vr == "UN" else "SQ", start, value, last, last + 8)
        last = self._after_fragments(value, end, encoding)
        return Span(tag, vr, start, value, last, last + 8)

    def _after_items(self, position: int, end: int, encoding: Encoding, depth: int) -> int:
        """Give the place of the delimiter behind the items of a sequence of undefined length."""
        if depth > NESTING:
            raise ModificationError(f"More than {NESTING} sequences lie in one another.")
        while True:
            tag, length = self._head(position, end, encoding)
            if tag == _SEQUENCE_END:
                return position
            position = self._item(position, end, length, encoding, depth)[1]

    def _items(self, position: int, end: int, encoding: Encoding, depth: int) -> Iterator[Item]:
        while position < end:
            tag, length = self._head(position, end, encoding)
            if tag == _SEQUENCE_END and position + 8 < end:
                raise ModificationError("A sequence ends before its length is over.")
            if tag == _SEQUENCE_END:
                return
            item, position = self._item(position, end, length, encoding, depth)
            yield item

    def _item(self, position: int, end: int, length: int, encoding: Encoding, depth: int) -> tuple[Item, int]:
        """Give an item and what follows it; one in a data set of explicit VR may be of implicit VR (PS3.5 6.2.2)."""
        self._count()
        start = position + 8
        code = self.data[start + 4 : start + 6]
        is_explicit = len(code) < 2 or length == 0 or (code.isalpha() and code.isupper())
        inner = encoding if is_explicit or encoding.implicit else Encoding(encoding.order, implicit=True)
        stop = end if length == _UNDEFINED else start + length
        if stop > end:
            raise ModificationError("An item is longer than the sequence that holds it.")
        spans, after = self._elements(start, stop, inner, depth)
        if length != _UNDEFINED and after != stop:
            raise ModificationError("An item ends before its length is over.")
        return Item(spans, inner), after

    def _after_fragments(self, position: int, end: int, encoding: Encoding) -> int:
        """Give the place of the delimiter behind fragments; where they are cut off, of the end less the delimiter's length."""
        while True:
            self._count()
            if position + 8 > end:
                return end - 8
            tag, length = self._head(position, end, encoding)
            if tag == _SEQUENCE_END:
                return position
            if tag != _ITEM:
                raise ModificationError("Something other than fragments lies in encapsulated pixel data.")
            position += 8 + length

    def _head(self, position: int, end: int, encoding: Encoding) -> tuple[int, int]:
        group, number, length = self._unpack(f"{encoding.order}HHI", position, end)
        tag = group << 16 | number
        if tag not in (_ITEM, _SEQUENCE_END):
            raise ModificationError("A sequence has something other than items.")
        return tag, length

    def _unpack(self, layout: str, position: int, end: int) -> tuple[Any, ...]:
        stop = position + struct.calcsize(layout)
        if stop > end:
            raise ModificationError("The data set is cut off within an element.")
        return struct.unpack(layout, self.data[position:stop])

    def _count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise ModificationError(f"The data set has more than {SPAN_LIMIT} elements.")
