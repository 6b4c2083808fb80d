"""The values of data elements as text (PS3.5 6.1 and 6.2): whatever stands there, nothing raises or warns."""

from __future__ import annotations

import struct
from functools import lru_cache

from pydicom.charset import decode_bytes, python_encoding

#: A value longer than this is not decoded: a header has no use for it.
VALUE_LIMIT = 65536
#: Values up to so many bytes are remembered, the latest of them: most are those of the image before.
_SHORT, _REMEMBERED = 256, 8192

_BINARY = {
    "US": "H", "SS": "h", "UL": "I", "SL": "i", "UV": "Q", "SV": "q", "FL": "f", "FD": "d",
}  # fmt: skip
_SINGLE_VALUED = {"LT", "ST", "UT", "UR"}
_LOCALIZED = {"LO", "LT", "PN", "SH", "ST", "UC", "UT"}
_TEXTS = _SINGLE_VALUED | _LOCALIZED | {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI"}

DEFAULT_ENCODINGS = ("iso8859",)
#: The escape sequence of ISO 2022 IR 58, which pydicom leaves in the text.
_ESCAPE_58 = "\x1b$)A"


@lru_cache(maxsize=256)
def encodings_of(value: bytes) -> tuple[str, ...]:
    """Give Python's names of the encodings in a Specific Character Set (0008,0005)."""
    terms = [term.strip() for term in value.decode("ascii", "replace").split("\\")]
    return tuple(python_encoding.get(term, "iso8859") for term in terms)


def decode_values(vr: str, value: bytes, order: str, encodings: tuple[str, ...]) -> tuple[str, ...]:
    """Give the values in a value field; none when it is empty, too long, or of a VR without a text form.

    The byte order is `<` or `>`.
    """
    return (_decode_known if len(value) <= _SHORT else _decode)(vr, value, order, encodings)


def _decode(vr: str, value: bytes, order: str, encodings: tuple[str, ...]) -> tuple[str, ...]:
    if len(value) > VALUE_LIMIT:
        return ()
    if vr in _TEXTS:
        text = (_text(vr, value, encodings) if vr in _LOCALIZED else value.decode("ascii", "replace")).rstrip(" \0")
        if vr in _SINGLE_VALUED:
            return (text,) if text else ()
        parts = tuple([part.strip(" \0") for part in text.split("\\")])
        return parts if any(parts) else ()
    if vr in _BINARY:
        return _numbers(_BINARY[vr], value, order)
    if vr == "AT":
        pairs = _numbers("H", value, order)
        return tuple(f"{int(group):04X}{int(element):04X}" for group, element in zip(pairs[::2], pairs[1::2], strict=False))
    return ()


_decode_known = lru_cache(maxsize=_REMEMBERED)(_decode)


def _numbers(code: str, value: bytes, order: str) -> tuple[str, ...]:
    count = len(value) // struct.calcsize(code)
    numbers = struct.unpack_from(f"{order}{count}{code}", value)
    return tuple([repr(number) if isinstance(number, float) else str(number) for number in numbers])


def _text(vr: str, value: bytes, encodings: tuple[str, ...]) -> str:
    if b"\x1b" in value or len(encodings) > 1:
        delimiters = {ord(character) for character in ("\\^=" if vr == "PN" else "\\\r\n\t\f")}
        try:
            return decode_bytes(value, encodings, delimiters).replace(_ESCAPE_58, "")
        except (UnicodeError, LookupError, ValueError, Warning):  # Warning: where warnings are errors
            pass
    return value.decode(encodings[0], "replace")
