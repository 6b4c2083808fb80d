"""Nodes of lists are written as VistA writes subscripts, or without the quotes."""

from __future__ import annotations

import pytest

from console.errors import WrongUsage
from console.nodes import node_of, string_of


@pytest.mark.parametrize(
    ("entry", "subscripts", "value"),
    [
        ("1=a", ("1",), "a"),
        ("TEXT,1=a=b", ("TEXT", "1"), "a=b"),
        ('"TEXT",1=a', ("TEXT", "1"), "a"),
        ('"A=B,C"="quoted"', ("A=B,C",), '"quoted"'),
        ('"say ""x"""=', ('say "x"',), ""),
        ("CATCH UP=1", ("CATCH UP",), "1"),
    ],
)
def test_a_node_is_subscripts_and_a_value(entry: str, subscripts: tuple[str, ...], value: str) -> None:
    assert node_of(entry) == (subscripts, value)


@pytest.mark.parametrize("entry", ["", "1", "=a", "1,=a", ",1=a", '""=a'])
def test_anything_else_is_refused(entry: str) -> None:
    with pytest.raises(WrongUsage, match="is not written as KEY=VALUE"):
        node_of(entry)


def test_quotes_are_those_of_m() -> None:
    assert [string_of(text) for text in ('"^"', '""', '"', "a", '"a""b"')] == ["^", "", '"', "a", 'a"b']
