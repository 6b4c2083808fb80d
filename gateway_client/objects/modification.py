"""A data set is changed: some attributes get new values, all else stays as it is, byte for byte.

What was there before is kept in Original Attributes Sequence (PS3.3 C.12.1.1.9). Private elements that no dictionary knows may
tell of the attributes that changed, and are removed. Pixel data are never read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pydicom.datadict import get_private_entry

from gateway_client.errors import ModificationError
from gateway_client.objects.patient_name import keeping
from gateway_client.objects.repertoire import carry, extended, terms_of
from gateway_client.objects.scanning import known_vr
from gateway_client.objects.spans import NESTED_IN_UN, NESTING, Bytes, Encoding, Reader, Span, as_written
from gateway_client.objects.splicing import PATIENT_NAME, SPECIFIC_CHARACTER_SET, Modified, Piece, spliced
from gateway_client.objects.values import decode_values, encodings_of

ORIGINAL_ATTRIBUTES = 0x04000561
_MODIFIED_ATTRIBUTES, _MODIFIED_AT, _MODIFYING_SYSTEM = 0x04000550, 0x04000562, 0x04000563
_SOURCE, _REASON = 0x04000564, 0x04000565
_TEXT_VRS = {"LO", "LT", "PN", "SH", "ST", "UC", "UT"}


@dataclass(frozen=True, slots=True)
class Provenance:
    """Who changes a data set, when (in local time, with its zone), and why: COERCE or CORRECT."""

    system: str
    at: datetime
    reason: str = "CORRECT"
    source: str = ""


def modify(data: Bytes, encoding: Encoding, values: Mapping[int, str], provenance: Provenance) -> Modified | None:
    """Give a data set with new values of some attributes; None when it has these values already.

    Of a person name the alphabetic group is compared; a new name takes the place of all groups, and of the one that was kept when
    it was normalised. Raises ModificationError for
    what cannot be read, or written.
    """
    for value in values.values():
        if not value.isprintable() or "\\" in value:
            raise ModificationError(f"{value!r} has characters that no name or number has.")
    reader, encoding = Reader(data), as_written(data, encoding)
    spans = reader.data_set(encoding)
    work = Work(reader, {span.tag: span for span in spans}, encoding)
    changed = {tag: value for tag, value in sorted(values.items()) if not _is(work.value(tag), tag, value, work.character_set)}
    if not changed:
        return None
    kept_names = keeping(data, spans) if PATIENT_NAME in changed else []
    pieces = work.cleaned([span for span in spans if span.tag not in kept_names], encoding)
    written = written_texts(work, spans, changed)
    written[ORIGINAL_ATTRIBUTES] = work.original_attributes(written, provenance)
    rest = spans[-1].end if spans else 0
    new = {tag: encoding.element(tag, _vr(tag), value) for tag, value in written.items()}
    return Modified((*spliced(pieces, new), (rest, len(data))), tuple(changed), tuple(work.removed))


def _is(raw: bytes, tag: int, value: str, character_set: bytes) -> bool:
    text = "\\".join(decode_values(_vr(tag), raw, "<", encodings_of(character_set)))
    return (text.partition("=")[0].rstrip("^ ") == value.rstrip("^ ")) if tag == PATIENT_NAME else text == value


def _vr(tag: int) -> str:
    return known_vr(tag) or "UN"


def written_texts(work: Work, spans: Sequence[Span], changed: Mapping[int, str]) -> dict[int, bytes]:
    """Encode new values, and the character set that carries them where the present one does not. Raises ModificationError."""
    terms = terms_of(work.character_set)
    encoded = {tag: carry(value, terms) for tag, value in changed.items()}
    if all(value is not None for value in encoded.values()):
        return {tag: value for tag, value in encoded.items() if value is not None}
    others = [span for span in spans if span.tag not in changed]
    only_ascii = all(work.texts_are_ascii(others, work.encoding))
    terms = extended(tuple(changed.values()), terms, only_ascii=only_ascii)
    written = {SPECIFIC_CHARACTER_SET: "\\".join(terms).encode("ascii")}
    return written | {tag: carry(value, terms) or b"" for tag, value in changed.items()}


@dataclass(slots=True)
class Work:
    """A data set while it is changed."""

    reader: Reader
    found: Mapping[int, Span]
    encoding: Encoding
    removed: list[str] = field(default_factory=list)

    def value(self, tag: int) -> bytes:
        """Give an element's bytes; none when it is missing."""
        span = self.found.get(tag)
        return b"" if span is None else self.reader.data[span.value : span.after]

    @property
    def character_set(self) -> bytes:
        """Give the Specific Character Set as it is written."""
        return self.value(SPECIFIC_CHARACTER_SET)

    def original_attributes(self, written: Mapping[int, bytes], provenance: Provenance) -> bytes:
        """Give the items of Original Attributes Sequence: those that are there, and one with what was there before."""
        span = self.found.get(ORIGINAL_ATTRIBUTES)
        encoding = NESTED_IN_UN if span is not None and span.vr == "UN" else self.encoding
        before = b"".join(encoding.element(tag, _vr(tag), self.value(tag)) for tag in sorted(written))
        texts = {
            _MODIFIED_AT: provenance.at.strftime("%Y%m%d%H%M%S.%f%z"),
            _MODIFYING_SYSTEM: provenance.system,
            _SOURCE: provenance.source,
            _REASON: provenance.reason,
        }
        item = encoding.element(_MODIFIED_ATTRIBUTES, "SQ", encoding.item(before))
        item += b"".join(encoding.element(tag, _vr(tag), text.encode("ascii", "replace")) for tag, text in texts.items())
        kept = b"" if span is None else b"".join(_joined(self.reader.data, self.clean_sequence(span, self.encoding)))
        return kept + encoding.item(item)

    def cleaned(self, spans: Sequence[Span], encoding: Encoding, above: str = "") -> list[tuple[int, Piece]]:
        """Give the elements of a data set or item without the unknown private ones, which are noted."""
        data = self.reader.data
        creators = {
            span.tag >> 16 << 16 | (span.tag & 0xFF) << 8: data[span.value : span.after].decode("latin-1").strip(" \0")
            for span in spans
            if span.tag >> 16 & 1 and 0x10 <= span.tag & 0xFFFF <= 0xFF
        }
        if above.count(">") > 2 * NESTING:
            raise ModificationError(f"More than {NESTING} sequences lie in one another.")
        kept, lost = set[int](), set[int]()
        pieces: list[tuple[int, Piece]] = []
        for span in spans:
            block, name = span.tag & 0xFFFFFF00, f"{above}({span.tag >> 16:04X},{span.tag & 0xFFFF:04X})"
            if span.tag >> 16 & 1 and span.tag & 0xFFFF > 0xFF:
                creator = creators.get(block, "")
                if not _is_known(span.tag, creator):
                    self.removed.append(f"{name} {creator}".rstrip())
                    lost.add(block)
                    continue
                kept.add(block)
            pieces.append((span.tag, self._cleaned_element(span, encoding, f"{name}>")))
        changed = {block >> 16 for block in lost} | {tag >> 16 for tag, piece in pieces if isinstance(piece, bytes)}
        return [(tag, piece) for tag, piece in pieces if not _is_superfluous(tag, changed, lost - kept)]

    def _cleaned_element(self, span: Span, encoding: Encoding, above: str) -> Piece:
        """Give an element as it is, unless it is a sequence in which something was removed."""
        known = len(self.removed)
        if span.vr != "SQ" and not (span.vr == "UN" and span.end != span.after):
            return span.start, span.end
        try:
            content = self.clean_sequence(span, encoding, above)
        except ModificationError:  # its items cannot be read; where it ends is known
            return span.start, span.end
        if len(self.removed) == known:
            return span.start, span.end
        joined, data = b"".join(_joined(self.reader.data, content)), self.reader.data
        if span.end == span.after:
            return encoding.element(span.tag, "SQ", joined)
        return data[span.start : span.value] + joined + data[span.after : span.end]

    def clean_sequence(self, span: Span, encoding: Encoding, above: str = "") -> list[Piece]:
        """Give the items of a sequence without unknown private elements, all of defined length."""
        pieces: list[Piece] = []
        for number, item in enumerate(self.reader.items(span, encoding), 1):
            kept = [piece for _, piece in self.cleaned(item.spans, item.encoding, f"{above}{number}>")]
            pieces.append(item.encoding.item(b"".join(_joined(self.reader.data, kept))))
        return pieces

    def texts_are_ascii(self, spans: Sequence[Span], encoding: Encoding, depth: int = 0) -> Iterator[bool]:
        """Tell of each text, and of those in sequences without a character set of their own, whether it is ASCII."""
        if depth > NESTING:
            raise ModificationError(f"More than {NESTING} sequences lie in one another.")
        for span in spans:
            if span.vr == "SQ":
                for item in self.reader.items(span, encoding):
                    if not any(one.tag == SPECIFIC_CHARACTER_SET for one in item.spans):
                        yield from self.texts_are_ascii(item.spans, item.encoding, depth + 1)
            elif span.vr in _TEXT_VRS or (span.tag >> 16 & 1 and span.vr in ("", "UN")):
                value = self.reader.data[span.value : span.after]
                yield value.isascii() and b"\x1b" not in value


def _joined(data: Bytes, pieces: Sequence[Piece]) -> Iterator[bytes]:
    for piece in pieces:
        yield piece if isinstance(piece, bytes) else bytes(data[piece[0] : piece[1]])


def _is_known(tag: int, creator: str) -> bool:
    """Tell whether a dictionary says what a private element is; what it calls Unknown it does not know."""
    try:
        return bool(get_private_entry(tag, creator)[2] != "Unknown")
    except KeyError:
        return False


def _is_superfluous(tag: int, changed: set[int], empty: set[int]) -> bool:
    """Tell the length of a group that changed, and the creator of a block of which everything was removed."""
    group, number = tag >> 16, tag & 0xFFFF
    return group in changed if number == 0 else number <= 0xFF and group << 16 | number << 8 in empty
