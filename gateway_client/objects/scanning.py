"""The elements of a data set, found by their heads (PS3.5 7.1 and 7.5): what is not wanted is stepped over, values stay bytes.

Senders write headers that are cut off, or wrong anywhere. An element that ends early has the bytes that are there; a VR that
is no two letters begins an element of implicit VR; an item goes on to the end of its last element, however long it says to be.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Collection
from functools import lru_cache
from typing import BinaryIO

from pydicom.datadict import dictionary_VR

from gateway_client.objects.part10 import LONG_VRS, SHORT_VRS

#: Elements and items that are looked at in a data set and all that is nested in it; the rest is taken for not there.
READ_LIMIT = 200_000
#: Sequences in one another; the deepest are broken.
NESTING = 200
#: Bytes of a file that are read at once: most headers are shorter.
CHUNK = 1 << 15

_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_ELEMENT_HEAD, _LONG_ELEMENT_HEAD, _ITEM_HEAD = 8, 12, 8
_NOTHING: frozenset[int] = frozenset()
_ITEM_ENDS = frozenset((_ITEM_END,))
#: The end of what ends with a delimiter, or with the bytes; the last place for an element's head in bytes that have changed.
_FAR, _MOVED = 1 << 62, -(1 << 62)
#: By byte order, what reads the head of an element in explicit VR, the head of an item, and a long length.
_UNPACKED = {
    order: tuple(struct.Struct(f"{order}{layout}").unpack_from for layout in ("HH2sH", "HHI", "I")) for order in ("<", ">")
}


class _VRs(dict[bytes, str]):
    """VRs as they are written: one that is not known has a short length, and what is no two letters is the length itself."""

    def __missing__(self, code: bytes) -> str:
        return code.decode("latin-1") if b"AA" <= code <= b"ZZ" else ""


_WRITTEN_VRS = _VRs({code: code.decode() for code in (*LONG_VRS, *SHORT_VRS)})


class Broken(Exception):
    """The bytes end, or are wrong, where it is not known how to go on."""


class Ended(Broken):
    """The bytes end before what they began with does."""


#: The elements of a data set or item by tag: the VR as it is written, empty where none is, and the value's bytes; a sequence of
#: undefined length has VR SQ, and its items without the delimiter.
Found = dict[int, tuple[str, bytes]]


class Budget:
    """How many elements and items may still be looked at: a parser needs much longer for empty items than for other bytes."""

    def __init__(self) -> None:
        self.left = READ_LIMIT


class Stretch:
    """The bytes of a data set; of one in a file those around the place where it is read, `before` counts the ones ahead."""

    def __init__(self, data: bytes) -> None:
        self.data, self.before = data, 0

    def ahead(self, position: int, count: int) -> int:
        """Have some bytes from a position in `data` on, or those of them that there are; give their position anew."""
        return position


class FileStretch(Stretch):
    """The bytes of a data set that begins at `offset` of a file and ends with it, or after `most`. Raises OSError.

    `head` is what was read already from the file's beginning.
    """

    def __init__(self, file: BinaryIO, head: bytes, offset: int, most: int | None = None) -> None:
        self._file, self._offset = file, offset
        length = os.fstat(file.fileno()).st_size - offset
        self._end = length if most is None else min(length, most)
        super().__init__(head[offset : offset + max(self._end, 0)])

    def ahead(self, position: int, count: int) -> int:
        """Read from the position on, when what is there does not do."""
        place, held = self.before + position, len(self.data)
        if position >= 0 and (position + count <= held or self.before + held >= self._end):
            return position
        self._file.seek(self._offset + place)
        self.before = place
        self.data = self._file.read(max(min(max(count, CHUNK), self._end - place), 0))
        return 0


class Scanner:
    """Reads the elements of one data set, or of the items of one sequence, in the byte order `<` or `>`."""

    def __init__(self, stretch: Stretch, order: str, budget: Budget) -> None:
        self._stretch = stretch
        self._budget = budget
        self._order = order
        self._element_head, self._item_head, self._length = _UNPACKED[order]
        #: What is left at the end of the bytes, too few for the head of an element.
        self._rest = b""

    def read(
        self,
        found: Found,
        implicit: bool,
        wanted: Collection[int] | None = None,
        stops: frozenset[int] = frozenset(),
    ) -> int | None:
        """Put elements into `found`: the wanted ones, or all, before one to stop at; give its place, None where there is none.

        Raises Broken, with some found.
        """
        position = self._elements(found, 0, implicit, wanted, stops | _ITEM_ENDS)
        if self._budget.left < 0 or position + _ELEMENT_HEAD > len(self._stretch.data):
            return None
        return self._stretch.before + position

    def pass_over(self, implicit: bool) -> int:
        """Step over all elements; give the place behind the last, by its length: behind the bytes where they do not hold it all.

        Raises Broken, and Ended.
        """
        position = self._elements({}, 0, implicit, _NOTHING, _NOTHING)
        if self._budget.left < 0:
            raise Broken
        if self._rest.strip(b"\0"):  # some pad with zeros
            raise Ended
        return self._stretch.before + position

    def read_items(self, implicit: bool, most: int) -> list[tuple[Found, bool]]:
        """Give the items, so many at the most, of the sequence whose bytes these are; of each, whether it is of implicit VR.

        Raises Broken.
        """
        items: list[tuple[Found, bool]] = []
        position, size = 0, len(self._stretch.data)
        while len(items) < most and position < size:
            item: Found = {}
            position, end, item_implicit = self._begin_item(position, implicit)
            if end is None:
                break
            position = self._elements(item, position, item_implicit, None, _ITEM_ENDS, end)
            items.append((item, item_implicit))
        return items

    def _elements(
        self,
        found: Found,
        position: int,
        implicit: bool,
        wanted: Collection[int] | None,
        stops: frozenset[int],
        end: int = _FAR,
        depth: int = 0,
    ) -> int:
        """Read elements from a position on, until one begins at `end` of the data set or behind it; give the position then."""
        stretch, budget, element_head, long_length = self._stretch, self._budget, self._element_head, self._length
        data, left, limit, last = b"", budget.left, _FAR, _MOVED
        try:
            while True:
                for left in range(budget.left - 1, -1, -1):
                    if position > last:  # the bytes were changed for others, or end soon
                        position = stretch.ahead(position, _LONG_ELEMENT_HEAD)
                        data, limit = stretch.data, end - stretch.before
                        last = min(len(data) - _LONG_ELEMENT_HEAD, limit - 1)
                        if position >= limit:
                            return position
                        if position + _ELEMENT_HEAD > len(data):
                            self._rest = data[position:]
                            return max(position, len(data))
                    group, number, code, length = element_head(data, position)
                    start = position + _ELEMENT_HEAD
                    vr = "" if implicit else _WRITTEN_VRS[code]
                    if not vr:
                        (length,) = long_length(data, position + 4)
                    elif code in LONG_VRS:
                        if start + 4 > len(data):
                            raise Ended
                        (length,) = long_length(data, start)
                        start += 4
                    tag = group << 16 | number
                    if tag in stops:
                        return start if tag == _ITEM_END else position
                    if length == _UNDEFINED:
                        budget.left = left
                        vr, begin, after = self._undefined(tag, vr, start, implicit, depth)
                        if wanted is None or tag in wanted:
                            found[tag] = vr, self._cut(begin, after - _ITEM_HEAD)
                        position, last = after - stretch.before, _MOVED
                        break  # what is nested counts too
                    position = start + length
                    if wanted is None or tag in wanted:
                        if position > len(data):
                            start, last = stretch.ahead(start, length), _MOVED
                            position, data = start + length, stretch.data
                        found[tag] = vr, data[start:position]
                else:
                    left = -1
                    return position
        finally:
            budget.left = min(left, budget.left)

    def _undefined(self, tag: int, vr: str, position: int, implicit: bool, depth: int) -> tuple[str, int, int]:
        """Step over a value of undefined length; give its VR, the beginning of the value and what follows its delimiter.

        Both count from the beginning of the data set. UN is a sequence then (PS3.5 6.2.2), and so is what no dictionary has and
        begins with an item.
        """
        stretch = self._stretch
        position = stretch.ahead(position, _ITEM_HEAD)
        start = stretch.before + position
        if vr == "UN":
            vr = "SQ"
        elif not vr:
            vr = known_vr(tag)
            begin = stretch.data[position : position + 4]
            if not vr and len(begin) < 4:
                raise Ended
            if not vr and begin == self._tag(_ITEM):
                vr = "SQ"
        if vr == "SQ":
            return vr, start, self._after_items(position, implicit, depth)
        return vr, start, self._after_fragments(start)

    def _after_items(self, position: int, implicit: bool, depth: int) -> int:
        if depth >= NESTING:
            raise Broken
        while True:
            position, end, item_implicit = self._begin_item(position, implicit)
            if end is None:
                return self._stretch.before + position
            position = self._elements({}, position, item_implicit, _NOTHING, _ITEM_ENDS, end, depth + 1)

    def _begin_item(self, position: int, implicit: bool) -> tuple[int, int | None, bool]:
        """Read the head of an item; give where its elements begin, its end in the data set and whether it is of implicit VR.

        The delimiter behind the last item has no end; whatever has another tag is an item too. In a data set of explicit VR
        an item may be of implicit VR (PS3.5 6.2.2): its first element tells.
        """
        stretch = self._stretch
        position = stretch.ahead(position, _ITEM_HEAD + _ELEMENT_HEAD)
        start = position + _ITEM_HEAD
        self._budget.left -= 1
        if self._budget.left < 0:
            raise Broken
        if start > len(stretch.data):
            raise Ended
        group, number, length = self._item_head(stretch.data, position)
        if group << 16 | number == _SEQUENCE_END:
            return start, None, implicit
        code = stretch.data[start + 4 : start + 6]
        is_vr = len(code) < 2 or (code.isalpha() and code.isupper())
        return start, _FAR if length == _UNDEFINED else stretch.before + start + length, implicit or not is_vr

    def _after_fragments(self, start: int) -> int:
        """Step over fragments (PS3.5 A.4), or over anything else up to the first delimiter."""
        place, item, delimiter = start, self._tag(_ITEM), self._tag(_SEQUENCE_END)
        while self._budget.left > 0:
            self._budget.left -= 1
            head = self._cut(place, place + _ITEM_HEAD)
            if head[:4] == delimiter:
                return place + _ITEM_HEAD
            if head[:4] != item or len(head) < _ITEM_HEAD:
                break
            place += _ITEM_HEAD + int(self._length(head, 4)[0])
        place = start
        while len(piece := self._cut(place, place + CHUNK)) >= len(delimiter) and self._budget.left > 0:
            self._budget.left -= 1
            at = piece.find(delimiter)
            if at >= 0:
                return place + at + _ITEM_HEAD
            place += len(piece) - len(delimiter) + 1
        raise Ended if self._budget.left > 0 else Broken

    def _tag(self, tag: int) -> bytes:
        return struct.pack(f"{self._order}HH", tag >> 16, tag & 0xFFFF)

    def _cut(self, start: int, end: int) -> bytes:
        position = self._stretch.ahead(start - self._stretch.before, end - start)
        return self._stretch.data[position : position + end - start]


@lru_cache(maxsize=4096)
def known_vr(tag: int) -> str:
    """Give the VR that the dictionary has of an element, or nothing: of private ones it has none."""
    try:
        return "" if tag >> 16 & 1 else dictionary_VR(tag)
    except KeyError:
        return ""


def vr_of(tag: int, written: str) -> str:
    """Give an element's VR, the dictionary's where none is written or UN, as by one that had no dictionary (PS3.5 6.2.2)."""
    return known_vr(tag) if written in ("", "UN") else written
