"""Running a procedure's code, a pack's too: whatever it does, the caller gets an answer or an exception that says why not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from rpcs.call import Call
from rpcs.errors import ProcedureStopped, WrongValue
from rpcs.registry import Answer, Procedure
from xwb import LocalArray, ResultType

T = TypeVar("T")

#: The types whose value is one text; the others' are lines.
_TEXTS = (ResultType.SINGLE_VALUE, ResultType.GLOBAL_INSTANCE)


def handle(call: Call) -> Answer:
    """Run a call's handler. Raises what it raises, ProcedureStopped, and WrongValue for what its return type cannot carry."""
    given = _guarded(call.procedure.handler, call)
    answer = given if isinstance(given, Answer) else Answer(given)
    if type(answer.value) is not str or answer.returns is not None or call.procedure.returns is not ResultType.SINGLE_VALUE:
        _check(call.procedure, answer)
    return answer


def prepare(call: Call) -> object:
    """Run a call's preparation. Raises what it raises, and ProcedureStopped."""
    return None if call.procedure.prepare is None else _guarded(call.procedure.prepare, call)


def _guarded(code: Callable[[Call], T], call: Call) -> T:
    try:
        return code(call)
    except (Exception, KeyboardInterrupt):
        raise
    except BaseException as leaving:  # sys.exit, or a test's pytest.fail: it would end a thread, or leave the caller waiting
        raise ProcedureStopped(f"{call.procedure.name} must not end the broker: {leaving!r}") from leaving


def _check(procedure: Procedure, answer: Answer) -> None:
    """Raise WrongValue unless the value fits: a text, lines, or an array, all of text. An empty text is nothing, for any type."""
    value: object = answer.value
    returns: object = procedure.returns if answer.returns is None else answer.returns
    if not isinstance(returns, ResultType):
        raise WrongValue(f"{procedure.name} must choose a ResultType for its answer, not {returns!r}")
    if isinstance(value, str) and (returns in _TEXTS or not value):
        return
    if isinstance(value, LocalArray):
        parts = [*value.values(), "" if value.root is None else value.root]
    elif isinstance(value, list) and returns not in _TEXTS:
        parts = value
    else:
        raise _wrong(procedure, returns, type(value).__name__)
    try:
        "".join(parts)
    except TypeError:
        odd = next(part for part in parts if not isinstance(part, str))
        raise _wrong(procedure, returns, f"a {type(value).__name__} with {type(odd).__name__} in it") from None


def _wrong(procedure: Procedure, returns: ResultType, given: str) -> WrongValue:
    wanted = "a str" if returns in _TEXTS else "a list of str"
    return WrongValue(f"{procedure.name} must return {wanted} ({returns.name.replace('_', ' ')}), not {given}")
