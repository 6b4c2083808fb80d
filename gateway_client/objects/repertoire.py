"""Which Specific Character Set (0008,0005) can carry a value (PS3.3 C.12.1.1.2, PS3.5 6.1)."""

from __future__ import annotations

from gateway_client.errors import ModificationError
from gateway_client.objects.values import decode_values, encodings_of

#: Single-byte sets that code extensions add to another one: the term, the escape sequence of its upper half, Python's name.
_EXTENSIONS = (
    ("ISO 2022 IR 100", b"\x1b-A", "latin_1"),
    ("ISO 2022 IR 101", b"\x1b-B", "iso8859_2"),
    ("ISO 2022 IR 109", b"\x1b-C", "iso8859_3"),
    ("ISO 2022 IR 110", b"\x1b-D", "iso8859_4"),
    ("ISO 2022 IR 144", b"\x1b-L", "iso8859_5"),
    ("ISO 2022 IR 127", b"\x1b-G", "iso8859_6"),
    ("ISO 2022 IR 126", b"\x1b-F", "iso8859_7"),
    ("ISO 2022 IR 138", b"\x1b-H", "iso8859_8"),
    ("ISO 2022 IR 148", b"\x1b-M", "iso8859_9"),
    ("ISO 2022 IR 166", b"\x1b-T", "tis_620"),
)
#: Sets of which a data set has one only, and no extension.
_ALONE = {"ISO_IR 192": "utf-8", "GB18030": "gb18030", "GBK": "gbk"}
_DELIMITERS = "^=\\"


def terms_of(character_set: bytes) -> tuple[str, ...]:
    """Give the terms of a Specific Character Set as it is written; one empty term where there is none."""
    return tuple(term.strip() for term in character_set.decode("ascii", "replace").rstrip("\0 ").split("\\"))


def carry(value: str, terms: tuple[str, ...]) -> bytes | None:
    """Write a value in one of the character sets; None when they cannot carry it."""
    try:
        return b"".join(_component(part, terms) for part in _parts(value))
    except UnicodeEncodeError:
        return None


def extended(values: tuple[str, ...], terms: tuple[str, ...], *, only_ascii: bool) -> tuple[str, ...]:
    """Give the Specific Character Set that carries some values too, and changes the least for all that is written already.

    Where all of that is ASCII another set takes its place: ISO_IR 100, or ISO_IR 192 for what is not Latin. Else a code extension
    is added, under which the bytes that are there mean what they meant. Raises ModificationError where none can be.
    """
    if only_ascii:
        candidates: list[tuple[str, ...]] = [("ISO_IR 100",), ("ISO_IR 192",)]
    elif terms[0] in _ALONE or terms[0] == "ISO 2022 GBK":
        candidates = []
    else:
        first = terms[0].replace("ISO_IR", "ISO 2022 IR")
        candidates = [(first, *terms[1:], term) for term, _, _ in _EXTENSIONS if term not in (first, *terms[1:])]
    for candidate in candidates:
        if all(_reads_back(value, candidate) for value in values):
            return candidate
    written = "\\".join(terms)
    raise ModificationError(f"The character set {written} cannot carry the new value, nor can it be extended.")


def _reads_back(value: str, terms: tuple[str, ...]) -> bool:
    written = carry(value, terms)
    return written is not None and "".join(decode_values("PN", written, "<", encodings_of("\\".join(terms).encode()))) == value


def _parts(value: str) -> list[str]:
    """Part a value at the delimiters, each a part of its own: behind one the first character set is in force again."""
    parts = [""]
    for character in value:
        if character in _DELIMITERS:
            parts += [character, ""]
        else:
            parts[-1] += character
    return parts


def _component(text: str, terms: tuple[str, ...]) -> bytes:
    if text.isascii():
        return text.encode("ascii")
    first, *others = terms
    try:
        return text.encode(_codec(first))
    except UnicodeEncodeError:
        for term, escape, codec in _EXTENSIONS:
            if term in others:
                try:
                    return escape + text.encode(codec)
                except UnicodeEncodeError:
                    continue
        raise


def _codec(term: str) -> str:
    """Give Python's name of the set that is in force at the beginning of a value; of those that are not written, ASCII."""
    if term in _ALONE:
        return _ALONE[term]
    number = term.rpartition(" ")[2]
    return next((codec for known, _, codec in _EXTENSIONS if known.endswith(f" {number}")), "ascii")
