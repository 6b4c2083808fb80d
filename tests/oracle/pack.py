"""The ZZ ORACLE procedures that the records call: one per return type (their answers stand in the oracle's README)."""

from __future__ import annotations

from rpcs import Access, Answer, Call, Inactive, MError, Registry, ScratchGlobal, procedure
from xwb import LocalArray, ResultType, format_subscripts


def register(registry: Registry) -> None:
    """Add the procedures to a broker's registry."""

    def add(name: str, returns: ResultType, formals: int = 1, **options: object):
        return procedure(
            f"ZZ ORACLE {name}",
            returns=returns,
            access=Access.SESSION,
            routine=f"{name.replace(' ', '')}^ZZORACLE",
            parameters=("ARG1", "ARG2", "ARG3")[:formals],
            registry=registry,
            **options,
        )

    @add("SINGLE", ResultType.SINGLE_VALUE)
    def single(call: Call) -> str:
        return f"[{call.text(0)}]"

    @add("ARRAY", ResultType.ARRAY)
    def array(call: Call) -> LocalArray[str]:
        return LocalArray.from_mapping({1: "one", 2: "", 3: call.text(0), "x": "last"})

    @add("WP", ResultType.WORD_PROCESSING)
    def word_processing(call: Call) -> list[str]:
        return ["wp line 1", f"wp line 2 {call.text(0)}", ""]

    @add("WP NOWRAP", ResultType.WORD_PROCESSING, word_wrap=False)
    def word_processing_without_wrap(call: Call) -> list[str]:
        return ["wp line 1", f"wp line 2 {call.text(0)}", "x\r\n"]

    @add("GLOBAL", ResultType.GLOBAL_ARRAY)
    def global_array(call: Call) -> LocalArray[str]:
        return LocalArray.from_mapping({1: "g1", 2: call.text(0), (3, 0): "g3.0"})

    @add("GLOBAL NOWRAP", ResultType.GLOBAL_ARRAY, word_wrap=False)
    def global_array_without_wrap(call: Call) -> LocalArray[str]:
        return LocalArray.from_mapping({1: "g1\r\n", 2: call.text(0)})

    @add("INSTANCE", ResultType.GLOBAL_INSTANCE)
    def global_instance(call: Call) -> str:
        return f"instance {call.text(0)}"

    @add("VARLEN", ResultType.VARIABLE_LENGTH)
    def variable_length(call: Call) -> list[str]:
        return ["abc", "", call.text(0)]

    @add("PARAMS", ResultType.ARRAY, formals=3)
    def params(call: Call) -> list[str]:
        lines: list[str] = []
        for number in range(1, 4):
            value = call.arguments[number - 1] if number <= len(call.arguments) else None
            if value is None:
                lines.append(f"P{number} undefined")
            elif isinstance(value, str | ScratchGlobal):
                lines.append(f"P{number}={call.text(number - 1)}")
            else:
                lines.extend(f"P{number}={root}" for root in [value.root] if root is not None)
                lines.extend(f"P{number}({format_subscripts(key).decode('ascii')})={node}" for key, node in value.items())
        return lines

    @add("ERROR", ResultType.SINGLE_VALUE)
    def error(_call: Call) -> str:
        raise MError("ERR^ZZORACLE, Attempt to divide by zero,150373210,-%GTM-E-DIVZERO")

    @add("APPERR", ResultType.SINGLE_VALUE)
    def application_error(call: Call) -> Answer:
        return Answer("data after app error", application=f"application error {call.text(0)}")

    @add("INACTIVE", ResultType.SINGLE_VALUE, inactive=Inactive.INACTIVE)
    def inactive(call: Call) -> str:
        return call.text(0)
