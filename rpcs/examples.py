"""The procedures that the Broker brings for trying clients out (`XWBZ1`, `XWBEXMPL`)."""

from __future__ import annotations

from decimal import Decimal

from rpcs.call import Call
from rpcs.errors import undefined
from rpcs.registry import Access, listed, literal, procedure
from xwb import Key, LocalArray, ResultType, m_number, m_text

#: What HI sorts subtract from.
_HIGH = Decimal(99999999)
#: Lines of a list, or kilobytes of one, that a caller gets at most.
MOST = 100_000
_MINUS_PLUS = "-+" * 127 + " "

#: The description of file #8994, as its dictionary has it.
REMOTE_PROCEDURE_DESCRIPTION = (
    "This file is used as a repository of server-based procedures in the context"
    "of the Client/Server architecture.  By using the Remote Procedure Call (RPC)"
    "Broker, applications running on client workstations can invoke (call) the"
    "procedures in this file to be executed by the server and the results will be"
    "returned to the client application."
    "Each remote procedure entry is associated with an entry point (ROUTINE with"
    "optional TAG).  Calls to these procedures can include parameters of different"
    "value types.  The resulting value of the call can be either a string, a list"
    "of strings or a word processing string as indicated by the RETURN VALUE TYPE"
    "field (.04)."
    "The remote procedure may be available for use by anyone or its use may be"
    "restricted to one or more application.  The range of availability is indicated"
    "by the AVAILABILITY field.  IF THERE IS NO ENTRY IN THE AVAILABILITY FIELD,"
    "then the procedure is assumed to be PUBLIC."
    "A remote procedure may be removed from service for a period of time by setting"
    "the INACTIVE field.  A request for use of a procedure which is marked inactive"
    "will result in an error being returned to the originating application."
)


def _given(call: Call, index: int) -> str:
    """Give an argument that the routine reads unguarded."""
    return call.text(index, default=None)


@procedure("XWB EGCHO STRING", access=Access.NOTHING, routine="ECHO1^XWBZ1", parameters=(literal("INP", 255, formal="X"),))
def egcho_string(call: Call) -> str:
    """Answer the string that was sent."""
    return _given(call, 0)


@procedure("XWB EGCHO LIST", returns=ResultType.ARRAY, access=Access.NOTHING, routine="LIST^XWBZ1")
def egcho_list(_call: Call) -> list[str]:
    """Answer 28 lines."""
    return [f"List Item #{number}" for number in range(1, 29)]


@procedure("XWB EGCHO BIG LIST", returns=ResultType.GLOBAL_ARRAY, access=Access.NOTHING, routine="BIG^XWBZ1")
def egcho_big_list(_call: Call) -> list[str]:
    """Answer 2048 lines of 15 letters."""
    return ["D" * 15] * 2048


@procedure(
    "XWB EGCHO SORT LIST",
    returns=ResultType.ARRAY,
    access=Access.NOTHING,
    routine="SRT^XWBZ1",
    parameters=(
        literal("DIRECTION", 2, required=True, formal="D"),
        listed("ARRAY", formal="X"),
    ),
)
def egcho_sort_list(call: Call) -> list[str]:
    """Answer the subscripts of a list, in order for LO, the other way round for HI."""
    subscripts = [subscript for subscript, _ in call.list(1).first_level()]
    return {"LO": subscripts, "HI": subscripts[::-1]}.get(_given(call, 0), [])


@procedure(
    "XWB EGCHO MEMO", returns=ResultType.GLOBAL_ARRAY, access=Access.NOTHING, routine="MEMO^XWBZ1", parameters=(listed("X"),)
)
def egcho_memo(call: Call) -> LocalArray[str]:
    """Answer a heading and the list that was sent."""
    heading: dict[Key, str] = {-9000: "DHCP RECEIVED:"}
    return LocalArray.from_mapping(heading | dict(call.list(0).items()))


@procedure(
    "XWB EXAMPLE ECHO STRING",
    access=Access.NOTHING,
    routine="ECHOSTR^XWBEXMPL",
    parameters=(literal("INP", 255, formal="OSTRING"),),
)
def example_echo_string(call: Call) -> str:
    """Answer the string that was sent."""
    return _given(call, 0)


@procedure(
    "XWB EXAMPLE GET LIST",
    returns=ResultType.GLOBAL_ARRAY,
    access=Access.NOTHING,
    routine="GETLIST^XWBEXMPL",
    parameters=(
        literal("ITEMS", required=True, formal="WHAT"),
        literal("QUANTITY", formal="QTY"),
    ),
)
def example_get_list(call: Call) -> list[str]:
    """Answer as many LINES, or KILOBYTES of 64 lines, as were asked for."""
    lines = _given(call, 0) == "LINES"
    count = min(int(m_number(_given(call, 1))), MOST if lines else MOST // 64)
    if lines:
        return [_line(number, count) for number in range(1, count + 1)]
    return [f"{number}-Kilobyte******"[:16] for number in range(1, count + 1) for _ in range(64)]


def _line(number: int, count: int) -> str:
    """Write a line; those whose number is greater than their length are filled up with minus and plus."""
    text = f"Line #{number}"
    if number <= len(text):
        return text
    return text + _MINUS_PLUS[: max(0, (255 if count + len(text) > 255 else count) - len(text))]


@procedure(
    "XWB EXAMPLE WPTEXT", returns=ResultType.WORD_PROCESSING, access=Access.NOTHING, routine="WPTEXT^XWBEXMPL", word_wrap=False
)
def example_word_processing(_call: Call) -> list[str]:
    """Answer a text without line ends."""
    return [REMOTE_PROCEDURE_DESCRIPTION]


@procedure(
    "XWB EXAMPLE SORT NUMBERS",
    returns=ResultType.ARRAY,
    access=Access.NOTHING,
    routine="SORTNUM^XWBEXMPL",
    parameters=(
        literal("DIRCTN"),
        listed("ARRAY"),
    ),
)
def example_sort_numbers(call: Call) -> LocalArray[str]:
    """Answer the numbers of a list from low to high for LO, from high to low otherwise; equal ones once."""
    return _sorted(_given(call, 0), [value for _, value in call.list(1).first_level() if value is not None], call)


@procedure(
    "XWB EXAMPLE GLOBAL SORT",
    returns=ResultType.GLOBAL_ARRAY,
    access=Access.NOTHING,
    routine="GSORT^XWBEXMPL",
    parameters=(
        literal("DIRCTN"),
        listed("ROOT"),
    ),
)
def example_global_sort(call: Call) -> LocalArray[str]:
    """Sort numbers as XWB EXAMPLE SORT NUMBERS does, given and answered as nodes of a global; empty ones are left out."""
    return _sorted(_given(call, 0), [value for _, value in call.list(1).first_level() if value], call)


def _sorted(direction: str, values: list[str], call: Call) -> LocalArray[str]:
    if direction == "LO":
        if "" in values:
            raise undefined(call.procedure.routine.replace("^", "+4^"), "RESULT()")
        return LocalArray.from_mapping({value: value for value in values})
    return LocalArray.from_mapping({m_text(_HIGH - m_number(value)): value for value in values})


@procedure("XWB EXAMPLE BIG TEXT", access=Access.NOTHING, routine="BIGTXT^XWBEXMPL", parameters=(listed("ARRAY"),))
def example_big_text(call: Call) -> str:
    """Answer how many characters and lines were sent: `characters^lines`."""
    lines = [value or "" for _, value in call.list(0).first_level()]
    return f"{sum(map(len, lines))}^{len(lines)}"
