"""What a procedure gives back either fits its return type or is named as its mistake."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, cast

import pytest

from rpcs import Access, Answer, Call, Procedure, ProcedureStopped, Session, SiteData, WrongValue, handle, prepare
from xwb import LocalArray, ResultType

TEXT, LINES = ResultType.SINGLE_VALUE, ResultType.ARRAY


def give(value: object) -> Callable[[Call], Any]:
    return lambda _call: value


def call_of(handler: Callable[[Call], Any], returns: ResultType = TEXT, prepares: Callable[[Call], object] | None = None) -> Call:
    procedure = Procedure("ZZ INT", handler, returns, Access.SESSION, "INT^ZZ", prepare=prepares)
    return Call(procedure, Session(), (), cast(Any, None), cast(SiteData, None))


def coroutine() -> object:
    async def value() -> str:
        return ""

    made = value()
    made.close()
    return made


@pytest.mark.parametrize(
    ("returns", "value"),
    [
        (TEXT, "x"),
        (TEXT, ""),
        (TEXT, LocalArray.from_mapping({1: "x"}, root="y")),
        (TEXT, LocalArray.from_mapping({1: "x"})),  # nothing is seen of it, as in M
        (ResultType.GLOBAL_INSTANCE, "x"),
        (LINES, ["x", ""]),
        (LINES, []),
        (LINES, ""),  # the value of an Answer that has only a text for a segment
        (ResultType.WORD_PROCESSING, ["x"]),
        (ResultType.GLOBAL_ARRAY, LocalArray.from_mapping({1: "x"})),
        (ResultType.VARIABLE_LENGTH, ["x"]),
        (LINES, Answer("x", returns=TEXT)),  # chosen for this answer
    ],
)
def test_a_value_that_fits_goes_through(returns: ResultType, value: object) -> None:
    assert handle(call_of(give(value), returns)) == (value if isinstance(value, Answer) else Answer(cast(Any, value)))


@pytest.mark.parametrize(
    ("returns", "value", "said"),
    [
        (TEXT, 5, "a str (SINGLE VALUE), not int"),
        (TEXT, None, "a str (SINGLE VALUE), not NoneType"),
        (TEXT, b"x", "a str (SINGLE VALUE), not bytes"),
        (TEXT, b"", "a str (SINGLE VALUE), not bytes"),
        (TEXT, {}, "a str (SINGLE VALUE), not dict"),
        (TEXT, ["x"], "a str (SINGLE VALUE), not list"),
        (TEXT, [], "a str (SINGLE VALUE), not list"),
        (TEXT, (one for one in "x"), "a str (SINGLE VALUE), not generator"),
        (TEXT, coroutine(), "a str (SINGLE VALUE), not coroutine"),
        (TEXT, Answer(cast(Any, 5)), "a str (SINGLE VALUE), not int"),
        (TEXT, Answer("x", returns=LINES), "a list of str (ARRAY), not str"),
        (ResultType.GLOBAL_INSTANCE, ["x"], "a str (GLOBAL INSTANCE), not list"),
        (LINES, "x", "a list of str (ARRAY), not str"),
        (LINES, ("x",), "a list of str (ARRAY), not tuple"),
        (LINES, ["x", 5], "a list of str (ARRAY), not a list with int in it"),
        (ResultType.GLOBAL_ARRAY, "x", "a list of str (GLOBAL ARRAY), not str"),
        (
            ResultType.GLOBAL_ARRAY,
            LocalArray.from_mapping({1: b"x"}),
            "a list of str (GLOBAL ARRAY), not a LocalArray with bytes",
        ),
        (TEXT, LocalArray.from_mapping({1: "x"}, root=cast(Any, 5)), "a str (SINGLE VALUE), not a LocalArray with int in it"),
    ],
)
def test_a_value_that_does_not_fit_is_named(returns: ResultType, value: object, said: str) -> None:
    with pytest.raises(WrongValue) as raised:
        handle(call_of(give(value), returns))
    assert str(raised.value).startswith(f"ZZ INT must return {said}")


def test_an_answer_chooses_among_return_types_only() -> None:
    with pytest.raises(WrongValue, match="ZZ INT must choose a ResultType for its answer, not 'ARRAY'"):
        handle(call_of(give(Answer("x", returns=cast(Any, "ARRAY")))))


def test_who_wants_to_end_the_program_is_stopped() -> None:
    def leave(_call: Call) -> Any:
        sys.exit(3)

    with pytest.raises(ProcedureStopped, match=r"ZZ INT must not end the broker: SystemExit\(3\)"):
        handle(call_of(leave))
    with pytest.raises(ProcedureStopped):
        prepare(call_of(give(""), prepares=leave))
    with pytest.raises(ProcedureStopped, match="not to be called"):  # what a test says in a procedure is for its caller, too
        handle(call_of(lambda _call: pytest.fail("not to be called")))


def test_a_persons_interrupt_is_not_kept_back() -> None:
    def interrupted(_call: Call) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        handle(call_of(interrupted))
