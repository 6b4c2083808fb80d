"""The lines of the text transport, each ended by LF; values stand in them with escapes.

It has no mark of its own: whatever begins like no other transport is taken for it. A request whose name is no procedure's is
recorded as bytes, so that what is something else altogether has none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from console.traffic.wire import COMMAND, CRLF, Request, only_event
from xwb import (
    CHARSET,
    AnswerReceived,
    ByeRequested,
    CallRequested,
    CannotEncode,
    CaretAnswerDecoder,
    CaretDecoder,
    ContextRequested,
    ErrorKind,
    ErrorReceived,
    ListParameter,
    Literal,
    Parameter,
    RequestRefused,
    SignOnRequested,
    encode_error,
    encode_ok,
    encode_request,
)

SIGN_ON, CONTEXT, BYE = (f"{COMMAND}{keyword}" for keyword in ("SIGNON", "CONTEXT", "BYE"))
LF = b"\n"
TextRequest = SignOnRequested | ContextRequested | CallRequested

_CRLF = CRLF.encode()
_NAME = re.compile(rb"[A-Za-z0-9][A-Za-z0-9 .,_&()-]{0,63}")
_STATUS = re.compile(rb"OK (\d{1,9})\r?\Z")
_KINDS = frozenset(kind.value for kind in ErrorKind)
_FAILURES = {ErrorKind.SIGN_ON.value: "refused", ErrorKind.SECURITY.value: "refused", ErrorKind.M.value: "M error"}


@dataclass(frozen=True, slots=True)
class LinesAnswer:
    """An answer: its lines, or an error."""

    answer: AnswerReceived | ErrorReceived

    @property
    def texts(self) -> tuple[bytes, ...]:
        """Give the lines, or the error's text, as one text."""
        match self.answer:
            case ErrorReceived(_, text):
                return (text,)
            case AnswerReceived(lines):
                return (b"".join(line + _CRLF for line in lines),)

    @property
    def failure(self) -> str:
        """Tell what kind of error it is."""
        match self.answer:
            case ErrorReceived(kind):
                return _FAILURES.get(kind, "error")
        return ""

    def again(self, texts: Sequence[bytes]) -> bytes:
        """Write it with other lines, or another text of its error. Raises CannotEncode for another number of lines."""
        match self.answer:
            case ErrorReceived(kind):
                if kind not in _KINDS:
                    raise CannotEncode("The error is of no known kind.")
                return encode_error(ErrorKind(kind), texts[0])
            case AnswerReceived(lines):
                made = texts[0].split(_CRLF)[:-1]
                if len(made) != len(lines):
                    raise CannotEncode("The lines of the answer would be others.")
                return encode_ok(made)

    def shown(self) -> dict[str, Any]:
        """Give the lines, or the error."""
        match self.answer:
            case ErrorReceived(kind, text):
                return {"error": {"kind": kind, "text": text.decode(CHARSET)}}
            case AnswerReceived(lines):
                return {"lines": [line.decode(CHARSET) for line in lines]}


class TextWire:
    """Calls and keywords as lines; see `Wire`."""

    escapes = True
    end = LF

    def decoder(self, limit_bytes: int) -> CaretDecoder:
        """Make what decodes a client's bytes."""
        return CaretDecoder(limit_bytes=limit_bytes)

    def named(self, event: object) -> Request | None:
        """Give a request by its procedure's name, or by its keyword."""
        match event:
            case CallRequested(name, parameters) if _NAME.fullmatch(name):
                return Request(name.decode(CHARSET), parameters)
            case SignOnRequested(access, verify):
                return Request(SIGN_ON, (Literal(access), Literal(verify)), command=True)
            case ContextRequested(name):
                return Request(CONTEXT, (Literal(name),))
            case ByeRequested():
                return Request(BYE, command=True, last=True)
        return None

    def is_broken(self, event: object) -> bool:
        """Tell whether a bound was passed."""
        return isinstance(event, RequestRefused) and event.fatal

    def request_again(self, sent: bytes, parameters: Sequence[Parameter]) -> bytes:
        """Write a request with other parameters, in the spelling of our own clients."""
        event = _with(only_event(self, sent), parameters)
        made = encode_request(event)
        if only_event(self, made) != event:
            raise CannotEncode("The lines cannot hold these parameters.")
        return made

    def is_plain(self, _sent: bytes) -> bool:
        """Say so: every byte is decoded."""
        return True

    def answer(self, received: bytes) -> LinesAnswer | None:
        """Decode an answer."""
        decoder = CaretAnswerDecoder()
        decoder.receive_data(received)
        event = decoder.next_event()
        return LinesAnswer(event) if isinstance(event, AnswerReceived | ErrorReceived) and not decoder.held else None

    def is_whole(self, received: bytes) -> bool:
        """Tell whether as many lines have come as were promised."""
        return received.count(LF) > _promised(received)

    def first_end(self, data: bytes) -> int | None:
        """Find the end of the last line that is promised."""
        if not self.is_whole(data):
            return None
        at = data.index(LF)
        for _ in range(_promised(data)):
            at = data.index(LF, at + 1)
        return at + 1

    def mended(self, beginning: bytes) -> bytes:
        """Promise the lines that are whole; of an error end the text."""
        status, found, lines = beginning.rpartition(LF)[0].partition(LF)
        if not _STATUS.match(status):
            return beginning.removesuffix(LF) + LF
        return b"OK %d\n" % (lines.count(LF) + 1 if found else 0) + (lines + LF if found else b"")

    def comparable(self, received: bytes) -> bytes:
        """Give what kind of answer it is, and its text as it is meant, on lines."""
        answer = self.answer(received)
        if answer is None:
            return received
        kind = f"ERROR {answer.answer.kind}" if isinstance(answer.answer, ErrorReceived) else "OK"
        return _CRLF.join((kind.encode(CHARSET, "replace"), *answer.texts))

    def lines(self, comparable: bytes) -> list[str]:
        """Give the lines."""
        return comparable.decode(CHARSET).split(CRLF)

    def courtesy(self, request: Request) -> bytes | None:
        """Take leave of a client."""
        return encode_ok() if request.rpc == BYE else None

    def refusal(self, _request: Request, text: bytes) -> bytes:
        """Write an application error."""
        return encode_error(ErrorKind.APPLICATION, text)


def _promised(answer: bytes) -> int:
    """Tell how many lines an answer's first line promises after it."""
    found = _STATUS.match(answer[: max(answer.find(LF), 0)])
    return int(found[1]) if found else 0


def _with(event: object, parameters: Sequence[Parameter]) -> TextRequest:
    """Give a request with other parameters. Raises CannotEncode for others than it can have."""
    match event, tuple(parameters):
        case SignOnRequested(), (Literal(access), Literal(verify)):
            return SignOnRequested(access, verify)
        case ContextRequested(), (Literal(name),):
            return ContextRequested(name)
        case CallRequested(name), of:
            plain = tuple(it for it in of if isinstance(it, Literal | ListParameter))
            if len(plain) == len(of):
                return CallRequested(name, plain)
    raise CannotEncode("The request has other parameters.")
