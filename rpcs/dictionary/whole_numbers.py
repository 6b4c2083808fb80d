"""Entry numbers as M reads them out of text."""

from __future__ import annotations

from xwb import m_number

#: The largest number of a database's column.
_LARGEST = 2**31 - 1


def whole_number(text: str) -> int:
    """Give the entry number that a text begins with; 0 for none, for a broken number, and for what no file can hold."""
    number = m_number(text)
    return int(number) if number == number.to_integral_value() and 0 < number <= _LARGEST else 0
