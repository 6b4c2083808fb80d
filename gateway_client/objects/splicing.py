"""A changed data set as stretches of the one that was there and new elements between them."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from gateway_client.objects.spans import Bytes, Encoding

ACCESSION_NUMBER, PATIENT_NAME, PATIENT_ID = 0x00080050, 0x00100010, 0x00100020
SPECIFIC_CHARACTER_SET = 0x00080005
_LENGTH_TO_END = 0x00080001

#: A stretch of the source, from and to, or new bytes.
Piece = tuple[int, int] | bytes


@dataclass(frozen=True, slots=True)
class Modified:
    """A changed data set: what it is put together from, the attributes that changed, the private elements that were removed.

    An element is named by its tag, in sequences behind those that lead to it; a private one with its creator. One that becomes
    another instance has a new SOP Instance UID.
    """

    pieces: Sequence[Piece]
    changed: Sequence[int]
    removed: Sequence[str] = ()
    sop_instance_uid: str = ""


#: What changes a data set: None leaves it as it is. Raises ModificationError.
Change = Callable[[Bytes, Encoding], Modified | None]


def in_turn(changes: Sequence[Change]) -> Change:
    """Make one change of several, of which each is given what those before it made."""

    def change(data: Bytes, encoding: Encoding) -> Modified | None:
        whole: Modified | None = None
        for one in changes:
            if whole is None:
                whole = one(data, encoding)
                continue
            before = _PieceBytes(data, whole.pieces)
            further = one(before, encoding)
            if further is not None:
                whole = replace(
                    further,
                    pieces=before.originals(further.pieces),
                    changed=tuple(sorted({*whole.changed, *further.changed})),
                    removed=(*whole.removed, *further.removed),
                    sop_instance_uid=further.sop_instance_uid or whole.sop_instance_uid,
                )
        return whole

    return change


class _PieceBytes:
    """The bytes of a changed data set. Raises OSError."""

    def __init__(self, data: Bytes, pieces: Sequence[Piece]) -> None:
        self._data = data
        self._pieces = [piece for piece in pieces if _length(piece)]
        self._ends = list(accumulate(map(_length, self._pieces)))

    def __len__(self) -> int:
        """Count them."""
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, stretch: slice) -> bytes:
        """Give those of a stretch that are there."""
        start, end, _ = stretch.indices(len(self))
        cut = self._cut(start, end)
        return b"".join(piece if isinstance(piece, bytes) else self._data[piece[0] : piece[1]] for piece in cut)

    def originals(self, pieces: Iterable[Piece]) -> list[Piece]:
        """Say of what was put together from these bytes how it is put together from those below them."""
        found: list[Piece] = []
        for piece in pieces:
            found += [piece] if isinstance(piece, bytes) else self._cut(*piece)
        return found

    def _cut(self, start: int, end: int) -> Iterator[Piece]:
        at = bisect_right(self._ends, start)
        while start < end and at < len(self._pieces):
            piece, begun = self._pieces[at], self._ends[at] - _length(self._pieces[at])
            first, last = start - begun, min(end, self._ends[at]) - begun
            yield piece[first:last] if isinstance(piece, bytes) else (piece[0] + first, piece[0] + last)
            start, at = self._ends[at], at + 1


def spliced(pieces: Iterable[tuple[int, Piece]], new: Mapping[int, bytes]) -> Iterator[Piece]:
    """Put whole elements in their places; the lengths of groups in which one is new are left out."""
    left, groups = dict(sorted(new.items())), {tag >> 16 for tag in new}
    for tag, piece in pieces:
        for before in [before for before in left if before < tag]:
            yield left.pop(before)
        if tag in left:
            yield left.pop(tag)
        elif tag not in new and tag != _LENGTH_TO_END and not (tag & 0xFFFF == 0 and tag >> 16 in groups):
            yield piece
    yield from left.values()


class SplicedData:
    """A changed data set, read from its beginning on; `size` counts all of its bytes."""

    def __init__(self, data: Bytes, pieces: Sequence[Piece]) -> None:
        self._data = data
        self._whole = pieces
        self._pieces = deque(pieces)
        self._begun = 0
        self.size = sum(map(_length, pieces))

    def read(self, count: int) -> bytes:
        """Give so many bytes, or those that are left. Raises OSError."""
        parts = list[bytes]()
        while count and self._pieces:
            piece = self._pieces[0]
            source, start = (piece, 0) if isinstance(piece, bytes) else (self._data, piece[0])
            step = min(count, _length(piece) - self._begun)
            parts.append(source[start + self._begun : start + self._begun + step])
            self._begun += step
            count -= step
            if self._begun == _length(piece):
                self._pieces.popleft()
                self._begun = 0
        return b"".join(parts)

    def beginning(self, count: int) -> bytes:
        """Give so many bytes from the beginning, wherever it is read. Raises OSError."""
        return SplicedData(self._data, self._whole).read(count)


def _length(piece: Piece) -> int:
    return len(piece) if isinstance(piece, bytes) else piece[1] - piece[0]
