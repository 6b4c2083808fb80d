"""The messages of `[XWB]`. An answer has no frame: it ends with an EOT, and its data may hold EOTs too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from console.traffic.wire import COMMAND, CRLF, Request, only_event
from xwb import (
    BYE,
    CHARSET,
    CONNECT,
    EOT,
    CallReceived,
    CannotEncode,
    CommandReceived,
    NSDecoder,
    Parameter,
    ResponseDecoder,
    ResponseReceived,
    Violated,
    encode_again,
    encode_response,
)

_SHORTEST_ANSWER = 3


def decode_answer(received: bytes) -> ResponseReceived | None:
    """Decode the one whole answer that some bytes are; None for bytes that are anything else."""
    decoder = ResponseDecoder()
    decoder.receive_data(received)
    return decoder.next_event()


@dataclass(frozen=True, slots=True)
class NSAnswer:
    """An answer of three segments: what security says, what the application says, data."""

    response: ResponseReceived

    @property
    def texts(self) -> tuple[bytes, ...]:
        """Give the segments."""
        return self.response.security, self.response.application, self.response.data

    @property
    def failure(self) -> str:
        """Tell which segment reports a failure."""
        it = self.response
        return "refused" if it.security else "error" if it.application else "M error" if it.m_error else ""

    def again(self, texts: Sequence[bytes]) -> bytes:
        """Write it with other segments, their lengths made right; an M error has a second EOT."""
        security, application, data = texts
        return encode_response(data, security, application) + (EOT if self.response.m_error else b"")

    def shown(self) -> dict[str, Any]:
        """Give the segments, and the lines of an array."""
        data = (self.response.data + (EOT if self.response.m_error else b"")).decode(CHARSET)
        result: dict[str, Any] = {
            "security": self.response.security.decode(CHARSET),
            "app_error": self.response.application.decode(CHARSET),
            "data": data,
        }
        if CRLF in data:
            lines = data.split(CRLF)
            result["lines"] = lines if lines[-1] else lines[:-1]
        return result


class NSWire:
    """Calls and commands with length fields; see `Wire`."""

    escapes = False
    end = EOT

    def decoder(self, limit_bytes: int) -> NSDecoder:
        """Make what decodes a client's bytes."""
        return NSDecoder(limit_bytes=limit_bytes)

    def named(self, event: object) -> Request | None:
        """Give a call or a command as a request."""
        match event:
            case CallReceived():
                return Request(event.name.decode(CHARSET), event.parameters, wants_answer=event.reply)
            case CommandReceived():
                name = COMMAND + event.name.decode(CHARSET)
                return Request(name, event.parameters, command=True, wants_answer=event.reply, last=event.name == BYE)
        return None

    def is_broken(self, event: object) -> bool:
        """Tell whether the protocol was violated."""
        return isinstance(event, Violated)

    def request_again(self, sent: bytes, parameters: Sequence[Parameter]) -> bytes:
        """Write a request with other parameters; their lengths are made right."""
        event = only_event(self, sent)
        if not isinstance(event, CallReceived | CommandReceived):
            raise CannotEncode("The message is no request.")
        return encode_again(sent, event, parameters)

    def is_plain(self, _sent: bytes) -> bool:
        """Say so: every byte is decoded."""
        return True

    def answer(self, received: bytes) -> NSAnswer | None:
        """Decode an answer."""
        response = decode_answer(received)
        return None if response is None else NSAnswer(response)

    def is_whole(self, received: bytes) -> bool:
        """Tell whether the bytes that have come end as an answer does; its data may go on."""
        return decode_answer(received) is not None

    def first_end(self, data: bytes) -> int | None:
        """Take the first EOT after the segments for the end, an M error's second one."""
        if len(data) < _SHORTEST_ANSWER:
            return None
        at = 1 + data[0]
        if len(data) <= at:
            return None
        at += 1 + data[at]
        end = data.find(EOT, at)
        if end < 0:
            return None
        if ResponseReceived(b"", b"", data[at:end]).m_error is None:
            return end + 1
        return end + 2 if data[end + 1 : end + 2] == EOT else None

    def mended(self, beginning: bytes) -> bytes:
        """End the data."""
        return beginning + EOT

    def comparable(self, received: bytes) -> bytes:
        """Give the bytes: they are compared as they came."""
        return received

    def lines(self, comparable: bytes) -> list[str]:
        """Give the lines of an answer; the segments that report errors come first."""
        response = decode_answer(comparable)
        if response is None:
            return comparable.decode(CHARSET).split(CRLF)
        named = (("security: ", response.security), ("application: ", response.application))
        lines = [name + text.decode(CHARSET) for name, text in named if text]
        return [*lines, *response.data.decode(CHARSET).split(CRLF)]

    def courtesy(self, request: Request) -> bytes | None:
        """Accept a client, and take leave of one."""
        greetings = {CONNECT: b"accept", BYE: BYE}
        text = greetings.get(request.rpc.removeprefix(COMMAND).encode(CHARSET)) if request.command else None
        return None if text is None else encode_response(text)

    def refusal(self, _request: Request, text: bytes) -> bytes:
        """Write an application error."""
        return encode_response(b"", application=text)
