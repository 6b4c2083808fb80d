"""Texts that begin with another text are a range, in the order of code points and in that of their bytes in UTF-8."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fileman import beginning

#: What a database of UTF-8 holds, but for the last code point, which is no character and stands behind all texts.
TEXTS = st.text(st.characters(exclude_categories=("Cs",), max_codepoint=0x10FFFE), max_size=4)


@given(TEXTS, TEXTS)
def test_a_text_is_in_the_range_when_it_begins_so_and_only_then(start: str, other: str) -> None:
    first, behind = beginning(start)["beginning"], beginning(start)["behind"]
    for text in (start + other, other):
        assert (first <= text < behind) == text.startswith(start)
        assert (first.encode() <= text.encode() < behind.encode()) == text.startswith(start)


@pytest.mark.parametrize(
    ("start", "behind"),
    [("SMITH", "SMITI"), ("", "\U0010ffff"), ("A\ud7ff", "A\ue000"), ("A\U0010ffff", "B"), ("\U0010ffff", "\U0010ffff" * 2)],
)
def test_the_range_ends_before_the_next_text_that_a_database_holds(start: str, behind: str) -> None:
    assert beginning(start)["behind"] == behind
