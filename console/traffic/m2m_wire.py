"""The documents of the M-to-M broker, each ended by EOT; values stand in them with entities for markup characters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from console.traffic.wire import COMMAND, CRLF, Request
from xwb import (
    CHARSET,
    EOT,
    CannotEncode,
    Document,
    M2MAnswer,
    M2MDecoder,
    M2MRequest,
    Parameter,
    Violated,
    encode_m2m_answer_again,
    encode_m2m_call_again,
    encode_rpc_error,
    is_plain_answer,
    is_plain_call,
)
from xwb.m2m import CLOSED, RPC_MODE
from xwb.m2m_answer import END, find_text, parse_answer

CLOSE_SOCKET = f"{COMMAND}close socket"
BEGINNING = b"<?xml"
_REST = b"]]></results></vistalink>"
_ARRAY = b'<results type="array"'
#: The code of an error that VistA's broker has no code of its own for.
NO_CODE = 0
_FAILURES = {b"": "", b"security": "refused", b"system": "M error"}


@dataclass(frozen=True, slots=True)
class DocumentAnswer:
    """An answer: its document, and what stands in it; `lined` says that a line feed ends its last line."""

    message: bytes
    answer: M2MAnswer
    lined: bool

    @property
    def texts(self) -> tuple[bytes, ...]:
        """Give the lines, or the error's text, as one text."""
        if self.answer.error:
            return (self.answer.text,)
        return (_CRLF.join((*self.answer.lines, b"") if self.lined else self.answer.lines),)

    @property
    def failure(self) -> str:
        """Tell what kind of error it is."""
        return _FAILURES.get(self.answer.error, "error")

    def again(self, texts: Sequence[bytes]) -> bytes:
        """Write it with other lines, or another text of its error. Raises CannotEncode for another number of lines."""
        if self.answer.error:
            return encode_m2m_answer_again(self.message, replace(self.answer, text=texts[0]))
        lines = texts[0].split(_CRLF)[: -1 if self.lined else None]
        if len(lines) != len(self.answer.lines):
            raise CannotEncode("The lines of the answer would be others.")
        return encode_m2m_answer_again(self.message, replace(self.answer, lines=tuple(lines)))

    def shown(self) -> dict[str, Any]:
        """Give the data and its lines, or the error."""
        it = self.answer
        if it.error:
            return {"error": {"kind": it.error.decode(CHARSET), "code": it.code, "text": it.text.decode(CHARSET)}}
        lines = [line.decode(CHARSET) for line in it.lines]
        return {"data": "".join(f"{line}\n" for line in lines), "lines": lines} if self.lined else {"data": "\n".join(lines)}


_CRLF = CRLF.encode()


class M2MWire:
    """Calls and closes in XML; see `Wire`."""

    escapes = True
    end = EOT

    def decoder(self, limit_bytes: int) -> M2MDecoder:
        """Make what decodes a client's bytes."""
        return M2MDecoder(limit_bytes)

    def named(self, event: object) -> Request | None:
        """Give a document as a request; one whose reading is an M error, or that asks for nothing known, is none."""
        match event:
            case M2MRequest(Document.CALL, bytes(name), parameters, mode, fault="") if mode == RPC_MODE:
                return Request(name.decode(CHARSET), parameters)
            case M2MRequest(Document.CALL, bytes(name), parameters, mode, fault=""):
                return Request(name.decode(CHARSET), parameters, mode=mode)
            case M2MRequest(Document.CLOSE):
                return Request(CLOSE_SOCKET, command=True, last=True)
        return None

    def is_broken(self, event: object) -> bool:
        """Tell whether a document was longer than the limit."""
        return isinstance(event, Violated)

    def request_again(self, sent: bytes, parameters: Sequence[Parameter]) -> bytes:
        """Write a call with other parameters, in the client's own spelling."""
        return encode_m2m_call_again(sent, parameters)

    def is_plain(self, sent: bytes) -> bool:
        """Tell whether nothing but markup stands in the document besides."""
        return is_plain_call(sent)

    def answer(self, received: bytes) -> DocumentAnswer | None:
        """Decode an answer that is written as a broker writes it."""
        if not is_plain_answer(received):
            return None
        answer = parse_answer(received.removesuffix(EOT))
        return DocumentAnswer(received, answer, lined=bool(answer.lines) and _ARRAY in received)

    def is_whole(self, received: bytes) -> bool:
        """Tell whether the document is complete."""
        return received.endswith(END + EOT) or (received.endswith(EOT) and not received.startswith(BEGINNING))

    def first_end(self, data: bytes) -> int | None:
        """Take the first EOT after a complete document for the end."""
        end = EOT if data[: len(BEGINNING)] != BEGINNING[: len(data)] else END + EOT
        at = data.find(end)
        return at + len(end) if at >= 0 else None

    def mended(self, beginning: bytes) -> bytes:
        """End the lines and the document."""
        return beginning + _REST + EOT

    def comparable(self, received: bytes) -> bytes:
        """Give the document's beginning, its text as it is meant, and its end, each on lines of its own."""
        document = received.removesuffix(EOT)
        answer, found = self.answer(received), find_text(document)
        if answer is None or found is None:
            return received
        start, end = found.span("text")
        return _CRLF.join((document[:start], *answer.texts, document[end:]))

    def lines(self, comparable: bytes) -> list[str]:
        """Give the lines."""
        return comparable.decode(CHARSET).split(CRLF)

    def courtesy(self, request: Request) -> bytes | None:
        """Take leave of a client."""
        return CLOSED if request.rpc == CLOSE_SOCKET else None

    def refusal(self, request: Request, text: bytes) -> bytes:
        """Write an error of the procedure."""
        return encode_rpc_error(NO_CODE, request.rpc.encode(CHARSET), text)
