"""Numbers as M reads and writes them."""

from __future__ import annotations

import re
from decimal import Decimal

_NUMBER = re.compile(r"([+-]*)([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:E([+-]?[0-9]{1,2}))?")
#: Digits of an M number that count.
_DIGITS = 18


def m_number(text: str) -> Decimal:
    """Read a text as M's unary plus does: the number that it begins with, 0 when there is none, 12 for `12x`."""
    if not text or (len(text) <= _DIGITS and text.isdecimal() and text.isascii()):  # as nearly all
        return Decimal(text or 0)
    found = _NUMBER.match(text)
    if found is None:
        return Decimal(0)
    signs, digits, exponent = found.groups()
    value = Decimal(digits[: _DIGITS + 1]).scaleb(int(exponent or 0) + max(0, len(digits.partition(".")[0]) - _DIGITS - 1))
    return -value if signs.count("-") % 2 else value


def m_text(number: Decimal) -> str:
    """Write a number as M does: no leading zero before the point, no trailing one after it, no exponent."""
    plain = format(number, "f")
    if "." in plain:
        plain = plain.rstrip("0").rstrip(".")
    if plain in ("", "-", "-0", "0"):
        return "0"
    sign = "-" if plain.startswith("-") else ""
    return sign + plain.removeprefix("-").lstrip("0")
