"""Numbers as M reads and writes them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xwb import is_canonical, m_number, m_text


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("", "0"),
        ("abc", "0"),
        ("12x", "12"),
        ("-7.50", "-7.5"),
        ("--3", "3"),
        ("+-3", "-3"),
        (".5E1", "5"),
        ("1E-2", ".01"),
        ("007", "7"),
    ],
)
def test_a_text_is_the_number_that_it_begins_with(text: str, number: str) -> None:
    assert m_text(m_number(text)) == number


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**9), max_value=10**9))
def test_what_is_written_is_canonical_and_is_read_back(number: Decimal) -> None:
    text = m_text(number)
    assert is_canonical(text)
    assert m_number(text) == number
