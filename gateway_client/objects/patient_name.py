"""Patient's Name (0010,0010) in one form for all equipment, and back again.

The name as it came is kept in (0091,xx20) of a block that is reserved for SIENET; both ways nothing else changes. In a bare
(0091,0020), outside of any block, older systems kept it: that is read, and never written.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from gateway_client.objects.repertoire import carry, terms_of
from gateway_client.objects.spans import Bytes, Encoding, Reader, Span, as_written
from gateway_client.objects.splicing import PATIENT_NAME, SPECIFIC_CHARACTER_SET, Modified, spliced
from gateway_client.objects.values import decode_values, encodings_of

log = logging.getLogger(__name__)

CREATOR = "SIENET"
_GROUP, _ELEMENT, _BARE = 0x0091, 0x20, 0x00910020
_SOP_INSTANCE_UID = 0x00080018
_FIRST_BLOCK, _LAST_BLOCK = 0x10, 0xFF


def normalised(name: str) -> str:
    """Give the alphabetic group of a name as VistA has names: capitals, `last^first^middle`, no blanks where none belong.

    A comma may part the last name from the others, as in names that were typed.
    """
    parts = [" ".join(part.split()) for part in name.upper().split("^")]
    if len(parts) == 1 and "," in parts[0]:
        last, _, others = parts[0].partition(",")
        first, _, middle = others.strip().partition(" ")
        parts = [last.strip(), first, middle]
    return "^".join(parts).rstrip("^")


def normalise(data: Bytes, encoding: Encoding) -> Modified | None:
    """Give a data set whose name is normalised and kept as it came; None when there is nothing to do.

    That is so too where the name was kept before, no block is free, or the character set has not the capitals.
    Raises ModificationError for what cannot be read.
    """
    encoding = as_written(data, encoding)
    spans = Reader(data).data_set(encoding)
    name = _find(spans, PATIENT_NAME)
    if name is None or _kept(data, spans) is not None:
        return None
    raw = data[name.value : name.after]
    written = _written(raw, _character_set(data, spans))
    block = _free_block(data, spans)
    if written is None or written.rstrip() == raw.rstrip(b" \0") or block is None:
        return None
    number, is_new = block
    kept, creator = _GROUP << 16 | number << 8 | _ELEMENT, _GROUP << 16 | number
    new = {PATIENT_NAME: encoding.element(PATIENT_NAME, "PN", written), kept: encoding.element(kept, "PN", raw)}
    if is_new:
        new[creator] = encoding.element(creator, "LO", CREATOR.encode("ascii"))
    return _changed(data, spans, new, [])


def restore(data: Bytes, encoding: Encoding) -> Modified | None:
    """Give a data set with the name as it came, and without what kept it; None when none was kept. Raises ModificationError.

    A name that somebody else changed since stays: what was kept may be another patient's.
    """
    encoding = as_written(data, encoding)
    spans = Reader(data).data_set(encoding)
    kept, name = _kept(data, spans), _find(spans, PATIENT_NAME)
    if kept is None or name is None:
        return None
    if _form(data, spans, kept) != _form(data, spans, name):
        uid = _find(spans, _SOP_INSTANCE_UID)
        told = () if uid is None else decode_values("UI", data[uid.value : uid.after], "<", ())
        log.error("the name that is kept in %s is not that of its patient; it is not restored", *told or ("an object",))
        return None
    original = encoding.element(PATIENT_NAME, "PN", data[kept.value : kept.after])
    return _changed(data, spans, {PATIENT_NAME: original}, keeping(data, spans) if kept.tag != _BARE else [])


def keeping(data: Bytes, spans: Sequence[Span]) -> list[int]:
    """Name the elements that keep the name as it came, with the creator of their block when nothing else lies in it."""
    kept = _kept(data, spans)
    if kept is None or kept.tag == _BARE:
        return [kept.tag] if kept is not None else []
    block = [span.tag for span in spans if span.tag >> 8 == kept.tag >> 8]
    creator = _GROUP << 16 | (kept.tag >> 8 & 0xFF)
    return [kept.tag, creator] if len(block) == 1 else [kept.tag]


def _find(spans: Sequence[Span], tag: int) -> Span | None:
    return next((span for span in spans if span.tag == tag), None)


def _kept(data: Bytes, spans: Sequence[Span]) -> Span | None:
    """Find the name as it came: in a block of SIENET's, or bare."""
    for number in _blocks(data, spans):
        found = _find(spans, _GROUP << 16 | number << 8 | _ELEMENT)
        if found is not None:
            return found
    bare = _find(spans, _BARE)
    return bare if bare is not None and bare.vr in ("PN", "UN", "") else None


def _blocks(data: Bytes, spans: Sequence[Span]) -> list[int]:
    """Give the numbers of the blocks that are reserved for SIENET."""
    creators = [span for span in spans if span.tag >> 16 == _GROUP and _FIRST_BLOCK <= span.tag & 0xFFFF <= _LAST_BLOCK]
    name = CREATOR.encode("ascii")
    return [span.tag & 0xFF for span in creators if data[span.value : span.after].strip(b" \0") == name]


def _free_block(data: Bytes, spans: Sequence[Span]) -> tuple[int, bool] | None:
    """Give a block of SIENET's, or one that nobody has reserved or uses; and whether it is to be reserved."""
    if blocks := _blocks(data, spans):
        return blocks[0], False
    group = [span.tag & 0xFFFF for span in spans if span.tag >> 16 == _GROUP]
    taken = {number if number <= _LAST_BLOCK else number >> 8 for number in group}
    return next(((number, True) for number in range(_FIRST_BLOCK, _LAST_BLOCK + 1) if number not in taken), None)


def _character_set(data: Bytes, spans: Sequence[Span]) -> bytes:
    span = _find(spans, SPECIFIC_CHARACTER_SET)
    return b"" if span is None else data[span.value : span.after]


def _written(raw: bytes, character_set: bytes) -> bytes | None:
    """Write the normalised name before the other groups, which stay; None where its character set does not carry it.

    A name whose first group has escape sequences stays as it is too: there the byte of = may be part of a letter.
    """
    group, mark, others = raw.partition(b"=")
    if b"\x1b" in group:
        return None
    text = "\\".join(decode_values("PN", group, "<", encodings_of(character_set)))
    written = carry(normalised(text), terms_of(character_set))
    return None if written is None else written + mark + others


def _form(data: Bytes, spans: Sequence[Span], name: Span) -> str:
    """Give the alphabetic group of a name that stands in an element, normalised."""
    values = decode_values("PN", data[name.value : name.after], "<", encodings_of(_character_set(data, spans)))
    return normalised("\\".join(values).partition("=")[0])


def _changed(data: Bytes, spans: Sequence[Span], new: Mapping[int, bytes], gone: Sequence[int]) -> Modified:
    pieces = [(span.tag, (span.start, span.end)) for span in spans if span.tag not in gone]
    return Modified((*spliced(pieces, new), (spans[-1].end, len(data))), (PATIENT_NAME,))
