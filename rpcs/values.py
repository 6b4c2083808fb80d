"""What a caller's text means as a number or a FileMan day."""

from __future__ import annotations

from xwb import m_number

#: A FileMan day has seven digits.
LAST_DAY = 9999999
#: The largest number of a database's column.
LARGEST = 2**31 - 1


def entry_number(text: str) -> int:
    """Read an internal entry number as M's unary plus does; 0 for what is none, and for what no file can hold."""
    number = m_number(text)
    return int(number) if 0 < number <= LARGEST else 0
