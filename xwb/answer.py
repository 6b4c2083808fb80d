"""What a client's user gives and gets: Python values as parameters, responses as answers or exceptions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xwb.array import Key, LocalArray, format_subscripts
from xwb.errors import ApplicationError, MError, SecurityRefused, SignOnRefused
from xwb.parameters import Empty, GlobalParameter, ListParameter, Literal, Parameter, Reference
from xwb.results import ResponseReceived

CHARSET = "iso-8859-1"

Value = str | int | bytes
Argument = Value | Mapping[Any, Value] | Sequence[Value] | LocalArray[bytes] | Parameter
"""A literal; a list parameter, or a parameter as it is.

A list parameter is a mapping of subscripts (see `xwb.array.Key`) to values, or a sequence of the values of 1, 2, 3...
"""

PARAMETER_TYPES = (Literal, Reference, ListParameter, GlobalParameter, Empty)


def _bytes(value: Value, charset: str) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode(charset, "replace")


def _subscript(key: Key, charset: str) -> bytes:
    parts = key if isinstance(key, tuple) else (key,)
    wire = tuple(str(part).encode(charset, "replace").decode("iso-8859-1") for part in parts)
    return format_subscripts(wire)


def to_parameter(argument: Argument, charset: str = CHARSET) -> Parameter:
    """Make the parameter that an argument stands for.

    Numbers in subscripts go bare, texts in M quotes; a tuple names a node below. A character that the character set
    lacks becomes a question mark. True and False are 1 and 0. Raises BadSubscript for an empty subscript.
    """
    if isinstance(argument, PARAMETER_TYPES):
        return argument
    if isinstance(argument, bool):
        return Literal(b"1" if argument else b"0")
    if isinstance(argument, str | int | bytes):
        return Literal(_bytes(argument, charset))
    if isinstance(argument, LocalArray):
        return ListParameter(argument.to_pairs())
    if isinstance(argument, Mapping):
        pairs = ((_subscript(key, charset), _bytes(value, charset)) for key, value in argument.items())
        return ListParameter(tuple(pairs))
    values = [it.encode(charset, "replace") if isinstance(it, str) else _bytes(it, charset) for it in argument]
    return ListParameter(tuple([(str(number).encode(), value) for number, value in enumerate(values, 1)]))


@dataclass(frozen=True, slots=True)
class Response:
    """The data of an answer, as it came."""

    data: bytes
    charset: str = CHARSET

    @property
    def text(self) -> str:
        """The data as text."""
        return self.data.decode(self.charset, "replace")

    @property
    def lines(self) -> list[str]:
        """The lines of an array, each ended by CR LF; none for empty data."""
        lines = self.text.split("\r\n")
        if not lines[-1]:
            lines.pop()
        return lines


@dataclass(frozen=True, slots=True)
class SignOn:
    """Who signed on: the DUZ (IEN of NEW PERSON #200) and the text that greets."""

    duz: int
    greeting: tuple[str, ...] = ()
    verify_must_change: bool = False


def interpret(response: ResponseReceived, charset: str = CHARSET) -> Response:
    """Give an answer's data, or raise the error that it reports: SecurityRefused, ApplicationError or MError."""
    if response.security:
        raise SecurityRefused(response.security.decode(charset, "replace"), response.data)
    if response.application:
        raise ApplicationError(response.application.decode(charset, "replace"), response.data)
    if error := response.m_error:
        raise MError(*(part.decode(charset, "replace") for part in error))
    return Response(response.data, charset)


def read_sign_on(response: Response) -> SignOn:
    """Read the lines of XUS AV CODE. Raises SignOnRefused with the message in line 3."""
    lines = [*response.lines, "", "", "", ""]
    duz = int(lines[0]) if lines[0].isascii() and lines[0].isdigit() else 0
    if not duz:
        raise SignOnRefused(lines[3], locked=lines[1] == "1", verify_must_change=lines[2] == "1")
    return SignOn(duz, tuple(line for line in response.lines[6:] if line), lines[2] == "1")
