"""A procedure that no broker could run is refused where it is declared, with what to do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from rpcs import STANDARD, Access, BadProcedure, Call, Pack, Registry, procedure


def without_call() -> str:
    return ""


def with_two(_call: Call, _more: str) -> str:
    return ""


async def asynchronous(_call: Call) -> str:
    return ""


def generating(_call: Call) -> Iterator[str]:
    yield ""


def good(_call: Call, _more: str = "") -> str:
    return ""


@pytest.mark.parametrize(
    ("name", "handler", "options", "said"),
    [
        ("", good, {}, "a name has 1 to 255 characters"),
        ("X" * 256, good, {}, "a name has 1 to 255 characters"),
        ("ZZ €", good, {}, "of ISO-8859-1"),
        (5, good, {}, "a name has 1 to 255 characters"),
        ("ZZ A", good, {"returns": "ARRAY"}, "returns='ARRAY' is no ResultType; write for example returns=ResultType.ARRAY"),
        ("ZZ A", good, {"returns": 2}, "returns=2 is no ResultType"),
        ("ZZ A", good, {"access": "READS"}, "access='READS' is no Access"),
        ("ZZ A", good, {"inactive": True}, "inactive=True is no Inactive"),
        ("ZZ A", good, {"parameters": "PATIENT"}, 'write for example parameters=("PATIENT",)'),
        ("ZZ A", good, {"parameters": (1,)}, "is no tuple of names"),
        ("ZZ A", without_call, {}, "write def without_call(call)"),
        ("ZZ A", with_two, {}, "write def with_two(call)"),
        ("ZZ A", asynchronous, {}, "asynchronous has to return its value at once"),
        ("ZZ A", generating, {}, "generating has to return its value at once"),
        ("ZZ A", "text", {}, "'text' is no function"),
    ],
)
def test_a_mistake_is_named_with_what_to_do(name: Any, handler: Any, options: dict[str, Any], said: str) -> None:
    pack = Pack("ZZ")
    with pytest.raises(BadProcedure) as raised:
        pack.procedure(name, **options)(handler)
    assert str(raised.value).startswith(f"procedure {str(name)[:60]!r}: ")
    assert said in str(raised.value)
    assert len(pack.procedures) == 0


@pytest.mark.parametrize("handler", [good, str, lambda call: call.text(0)])
def test_whatever_takes_a_call_will_do(handler: Any) -> None:
    pack = Pack("ZZ")
    pack.procedure("X" * 255, access=Access.READS)(handler)
    assert len(pack.procedures) == 1


def test_a_procedure_that_two_modules_declare_is_refused() -> None:
    ours = STANDARD.get("XWB IM HERE")
    declare = procedure("XWB IM HERE", access=Access.NOTHING, routine="A^ZZ")
    with pytest.raises(BadProcedure, match=r"XWB IM HERE.*declared twice"):
        declare(good)
    assert STANDARD.get("XWB IM HERE") is ours


def test_a_pack_has_one_procedure_of_a_name_and_may_replace_others() -> None:
    pack, other = Pack("ZZ"), Pack("YY")
    pack.procedure("XWB IM HERE")(good)
    with pytest.raises(BadProcedure, match="the pack declares it twice"):
        pack.procedure("XWB IM HERE")(lambda _call: "")
    other.procedure("XWB IM HERE")(good)
    registry = STANDARD.copy()
    for declared in (pack, other):
        declared.register(registry.for_pack())
    assert registry.get("XWB IM HERE") is other.procedures.get("XWB IM HERE")
    seen = registry.for_pack()
    pack.register(seen)
    pack.register(seen)  # the same ones
    with pytest.raises(BadProcedure, match="the pack declares it twice"):
        other.register(seen)
    both = Registry()
    pack.register(both)
    other.register(both)
    assert len(both) == 1
