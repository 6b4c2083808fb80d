"""What callers give as numbers and dates, read as M reads them."""

from __future__ import annotations

from decimal import Decimal

from xwb import is_canonical, m_number, m_text

#: An integer column holds no more.
LARGEST = 2**31 - 1
#: A FileMan day has seven digits.
LAST_DAY = 9999999
#: From it ^RADPT counts dates and times down, so that the newest comes first.
_LAST_MOMENT = Decimal("9999999.9999")


def whole(text: str) -> int:
    """Read the whole number that a text begins with, as M does; 0 when it begins with none, or with one that no file has."""
    number = int(m_number(text))
    return number if abs(number) <= LARGEST else 0


def count(text: str) -> int:
    """Read how many are wanted, or where to begin: the whole number that a text begins with, 0 for a negative one."""
    return max(whole(text), 0)


def entry_number(text: str) -> int:
    """Read the entry number that a text begins with; 0 for none, for a broken number, and for what no file can hold."""
    number = m_number(text)
    return int(number) if number == number.to_integral_value() and 0 < number <= LARGEST else 0


def subscript(text: str) -> int:
    """Read an entry number that is used as a subscript: 0 for a text that names no entry, as `5x` and `05` do not."""
    return entry_number(text) if is_canonical(text) else 0


def fileman_limit(text: str) -> str:
    """Write a number so that FileMan dates compare with it as texts: its whole part filled up to seven digits."""
    number = m_number(text)
    if number < 0:
        return ""
    if number >= 10**7:
        return "9" * 8
    day, point, time = m_text(number).partition(".")
    return f"{day:0>7}{point}{time}"


def inverse_date(date: str) -> str:
    """Give the subscript under which ^RADPT keeps an exam of a FileMan date (RADTI); and back again."""
    return m_text(_LAST_MOMENT - m_number(date))
