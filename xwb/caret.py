r"""The caret transport: a broker session as lines of text, for people, scripts and netcat.

A request is one line, its parts set off by carets:

    SIGNON^access^verify
    CONTEXT^name
    PROCEDURE NAME^argument^argument
    BYE

An argument that is just `@` stands for a list. The lists follow the line in the order of their `@`, each as lines
`subscript=value` and an empty line. Subscripts are M's: numbers bare, texts in quotes, levels set off by commas.

An answer is a status line, `OK n` before n lines of result or `ERROR kind text`. Carets in results stay as they are.

Escapes, understood everywhere: `\c` caret, `\e` equals sign, `\a` at sign, `\r` CR, `\n` LF, `\\` backslash. A line ends
with LF or CR LF. Bytes are bytes; the character set is the broker's.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from xwb.errors import CannotEncode
from xwb.parameters import Empty, GlobalParameter, ListParameter, Literal, Parameter, Reference

LIST = b"@"
SIGN_ON, CONTEXT, BYE = b"SIGNON", b"CONTEXT", b"BYE"
KEYWORDS = (SIGN_ON, CONTEXT, BYE)

_LETTERS = {b"\\": b"\\", b"c": b"^", b"e": b"=", b"a": b"@", b"r": b"\r", b"n": b"\n"}
_ESCAPES = {char: b"\\" + letter for letter, char in _LETTERS.items()}
_ESCAPED = re.compile(rb"\\(.?)", re.DOTALL)
_ARGUMENT = re.compile(rb"[\\^\r\n]")
_SUBSCRIPT = re.compile(rb"[\\=\r\n]")
_TEXT = re.compile(rb"[\\\r\n]")


class ErrorKind(StrEnum):
    """The first word after ERROR."""

    SYNTAX = "SYNTAX"
    LIMIT = "LIMIT"
    SIGN_ON = "SIGNON"
    SECURITY = "SECURITY"
    APPLICATION = "APPLICATION"
    M = "M"


@dataclass(frozen=True, slots=True)
class SignOnRequested:
    """Sign on with these codes, in clear."""

    access: bytes
    verify: bytes


@dataclass(frozen=True, slots=True)
class ContextRequested:
    """Enter this context."""

    name: bytes


@dataclass(frozen=True, slots=True)
class CallRequested:
    """Call this procedure; parameters are literals and lists only."""

    name: bytes
    parameters: tuple[Literal | ListParameter, ...] = ()


@dataclass(frozen=True, slots=True)
class ByeRequested:
    """End the session."""


@dataclass(frozen=True, slots=True)
class RequestRefused:
    """A request was not understood; answer an error that says what was expected.

    After a `fatal` one nothing more is decoded: a bound was passed, and the place where the next request begins is
    unknown.
    """

    kind: ErrorKind
    text: str
    fatal: bool = False


Request = SignOnRequested | ContextRequested | CallRequested | ByeRequested
CaretEvent = Request | RequestRefused


def _escape(text: bytes, special: re.Pattern[bytes]) -> bytes:
    return special.sub(lambda match: _ESCAPES[match[0]], text)


def unescape(text: bytes) -> bytes:
    """Resolve escapes; raises CannotEncode for one that does not exist."""

    def resolve(match: re.Match[bytes]) -> bytes:
        try:
            return _LETTERS[match[1]]
        except KeyError:
            shown = match[0].decode("iso-8859-1")
            raise CannotEncode(rf"{shown} is no escape; expected \c \e \a \r \n or \\ .") from None

    return _ESCAPED.sub(resolve, text) if b"\\" in text else text


def _argument(text: bytes) -> bytes:
    return b"\\a" if text == LIST else _escape(text, _ARGUMENT)


def encode_request(request: Request) -> bytes:
    """Write a request, its lists included. Raises CannotEncode for an empty name, or one that is a keyword."""
    match request:
        case SignOnRequested(access, verify):
            return b"^".join((SIGN_ON, _argument(access), _argument(verify))) + b"\n"
        case ContextRequested(name):
            return b"^".join((CONTEXT, _argument(name))) + b"\n"
        case ByeRequested():
            return BYE + b"\n"
        case CallRequested(name, parameters):
            return _encode_call(name, parameters)


def encode_caret_call(name: bytes, parameters: Sequence[Parameter] = ()) -> bytes:
    """Write a call. Raises CannotEncode for references, globals and empty parameters, which are not for text."""
    plain: list[Literal | ListParameter] = []
    for parameter in parameters:
        if isinstance(parameter, Reference | GlobalParameter | Empty):
            raise CannotEncode("The caret transport has literals and lists only.")
        plain.append(parameter)
    return _encode_call(name, plain)


def _encode_call(name: bytes, parameters: Iterable[Literal | ListParameter]) -> bytes:
    if not name or name in KEYWORDS:
        raise CannotEncode(f"{name.decode('iso-8859-1')!r} cannot be called over the caret transport.")
    parts, lines = [_escape(name, _ARGUMENT)], []
    for parameter in parameters:
        if isinstance(parameter, Literal):
            parts.append(_argument(parameter.value))
            continue
        parts.append(LIST)
        for subscript, value in parameter.pairs:
            lines.append(_escape(subscript, _SUBSCRIPT) + b"=" + _escape(value, _TEXT))
        lines.append(b"")
    return b"\n".join((b"^".join(parts), *lines, b""))


def answer_lines(data: bytes) -> list[bytes]:
    """Cut a result's data into lines at CR LF, whatever its return type; the end of the last line adds no line."""
    lines = data.split(b"\r\n")
    if not lines[-1]:
        lines.pop()
    return lines


def encode_ok(lines: Sequence[bytes] = ()) -> bytes:
    """Write the answer to a request that went well."""
    return b"\n".join((b"OK %d" % len(lines), *(_escape(line, _TEXT) for line in lines), b""))


def encode_error(kind: ErrorKind, text: bytes) -> bytes:
    """Write the answer to a request that failed."""
    return b"ERROR %b %b\n" % (kind.value.encode("ascii"), _escape(text, _TEXT))


@dataclass(frozen=True, slots=True)
class AnswerReceived:
    """The lines of a request that went well."""

    lines: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class ErrorReceived:
    """The error of a request that failed; `kind` is one of ErrorKind, or of a newer broker's."""

    kind: str
    text: bytes


@dataclass(frozen=True, slots=True)
class AnswerBroken:
    """The broker sent what is no answer; nothing more is decoded."""

    reason: str


Answer = AnswerReceived | ErrorReceived | AnswerBroken
