"""The cut of a reference's text, as VistA makes it."""

from __future__ import annotations

import pytest

from xwb import first_expression


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ('"a b,c",2', '"a b,c"'),
        ("$P(X,U,2) more", "$P(X,U,2)"),
        ("$P($G(^X(1,2)),U),3", "$P($G(^X(1,2)),U)"),
        ('"say ""hi, you""" x', '"say ""hi, you"""'),
        ("$H", "$H"),
        ("$F(1,2", "$F(1,2"),
        ("", ""),
    ],
)
def test_an_expression_ends_at_the_first_free_space_or_comma(text: str, first: str) -> None:
    assert first_expression(text, " ,") == first
