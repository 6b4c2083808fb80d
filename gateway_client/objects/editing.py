"""A data set is gone through level by level: elements go, get other values, sequences are entered; all else stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from gateway_client.errors import ModificationError
from gateway_client.objects.part10 import LONG_VRS, SHORT_VRS
from gateway_client.objects.scanning import known_vr
from gateway_client.objects.spans import NESTED_IN_UN, NESTING, Bytes, Encoding, Reader, Span, as_written
from gateway_client.objects.splicing import SPECIFIC_CHARACTER_SET, Modified, Piece, spliced
from gateway_client.objects.values import decode_values, encodings_of

_VRS = {code.decode() for code in (*LONG_VRS, *SHORT_VRS)} - {"UN"}


@dataclass(frozen=True, slots=True)
class Level:
    """The elements of a data set, or of one item of a sequence in it, and the character set that is in force there."""

    data: Bytes
    spans: Sequence[Span]
    encoding: Encoding
    character_set: bytes = b""
    found: Mapping[int, Span] = field(default_factory=dict)

    def value(self, tag: int) -> bytes:
        """Give an element's bytes; none when it is missing."""
        span = self.found.get(tag)
        return b"" if span is None else self.data[span.value : span.after]

    def vr(self, tag: int) -> str:
        """Give an element's VR, the dictionary's where UN is written, none, or none that there is."""
        span = self.found.get(tag)
        return span.vr if span is not None and span.vr in _VRS else known_vr(tag) or "UN"

    def texts(self, tag: int) -> tuple[str, ...]:
        """Give an element's values as text; none when it is missing, empty, or of a VR without a text form."""
        return decode_values(self.vr(tag), self.value(tag), self.encoding.order, encodings_of(self.character_set))

    def text(self, tag: int) -> str:
        """Give an element's first value, empty when it has none."""
        return (self.texts(tag) or ("",))[0]


@dataclass(slots=True)
class Edit:
    """What becomes of one level: the elements that go, those with new values, and the sequences that are entered."""

    gone: set[int] = field(default_factory=set)
    written: dict[int, tuple[str, bytes]] = field(default_factory=dict)
    entered: dict[int, Editor] = field(default_factory=dict)


Editor = Callable[[Level], Edit]
"""Says what becomes of a level. Raises ModificationError."""


def level_of(data: Bytes, spans: Sequence[Span], encoding: Encoding, character_set: bytes) -> Level:
    """Give the level of some elements, and the character set that is in force above it."""
    found = {span.tag: span for span in spans}
    own = found.get(SPECIFIC_CHARACTER_SET)
    return Level(data, spans, encoding, character_set if own is None else data[own.value : own.after], found)


def top_level(reader: Reader, encoding: Encoding) -> Level:
    """Give the data set itself. Raises ModificationError for what cannot be read."""
    encoding = as_written(reader.data, encoding)
    return level_of(reader.data, reader.data_set(encoding), encoding, b"")


def edit(data: Bytes, encoding: Encoding, editor: Editor) -> Modified | None:
    """Give a data set as an editor makes it; None when nothing in it changes. Raises ModificationError."""
    reader = Reader(data)
    level = top_level(reader, encoding)
    work = _Work(reader)
    pieces = work.edited(level, editor, 0)
    rest = level.spans[-1].end if level.spans else 0
    return None if pieces is None else Modified((*pieces, (rest, len(data))), tuple(work.changed))


def padded(vr: str, value: bytes) -> bytes:
    """Give a value an even number of bytes."""
    return value + (b"\0" if vr in ("UI", "OB", "UN") else b" ") * (len(value) % 2)


@dataclass(slots=True)
class _Work:
    """A data set while it is edited; `changed` are the elements of the data set itself that are not as they were."""

    reader: Reader
    changed: list[int] = field(default_factory=list)

    def edited(self, level: Level, editor: Editor, depth: int) -> list[Piece] | None:
        """Give the pieces of a level; None when nothing changes."""
        if depth > NESTING:
            raise ModificationError(f"More than {NESTING} sequences lie in one another.")
        if len(level.found) < len(level.spans):  # which of them counts is up to who reads them
            raise ModificationError("An element is there more than once.")
        found = editor(level)
        new = {
            tag: level.encoding.element(tag, vr, padded(vr, value))
            for tag, (vr, value) in found.written.items()
            if tag not in level.found or value.rstrip(b" \0") != level.value(tag).rstrip(b" \0")
        }
        for tag, inner in found.entered.items():
            sequence = self._sequence(level, level.found[tag], inner, depth)
            if sequence is not None:
                new[tag] = sequence
        gone = {span.tag for span in level.spans if span.tag in found.gone}
        if not (new or gone):
            return None
        if not depth:
            self.changed += sorted({*new, *gone})
        kept = [span for span in level.spans if span.tag not in gone and span.tag & 0xFFFF]  # without the lengths of groups
        return list(spliced([(span.tag, (span.start, span.end)) for span in kept], new))

    def _sequence(self, level: Level, span: Span, inner: Editor, depth: int) -> bytes | None:
        """Write a sequence whose items are edited, of defined length; None when nothing in it changes."""
        data, items, is_changed = self.reader.data, list[bytes](), False
        for item in self.reader.items(span, level.encoding):
            pieces = self.edited(level_of(data, item.spans, item.encoding, level.character_set), inner, depth + 1)
            is_changed |= pieces is not None
            kept: Sequence[Piece] = [(one.start, one.end) for one in item.spans] if pieces is None else pieces
            content = b"".join(piece if isinstance(piece, bytes) else bytes(data[piece[0] : piece[1]]) for piece in kept)
            items.append((NESTED_IN_UN if span.vr == "UN" else level.encoding).item(content))
        return level.encoding.element(span.tag, "UN" if span.vr == "UN" else "SQ", b"".join(items)) if is_changed else None
