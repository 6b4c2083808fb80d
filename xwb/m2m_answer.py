"""What an M-to-M broker answers, as a client reads it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from xwb.events import EOT
from xwb.m2m import unescape
from xwb.results import RESPONSE_LIMIT

_KIND = re.compile(rb'<vistalink type="([^"]*)"')
_RESULTS = re.compile(rb'<results type="(string|array)" ><!\[CDATA\[(.*)\]\]></results></vistalink>\Z', re.DOTALL)
_ERROR = re.compile(rb'<error (?:type="([^"]*)" )?code="(\d{1,9})"[^>]*><msg>(.*?)</msg></error>', re.DOTALL)
_CDATA = re.compile(rb"<!\[CDATA\[(.*)\]\]>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class M2MAnswer:
    """An answer: its document type, its lines (one for a string), or the error's kind, code and text."""

    type: bytes
    lines: tuple[bytes, ...] = ()
    error: bytes = b""
    code: int = 0
    text: bytes = b""


def parse_answer(document: bytes) -> M2MAnswer:
    """Read one answer, its EOT taken off. What is no answer is one without type and lines."""
    found = _KIND.search(document)
    kind = found[1] if found else b""
    if results := _RESULTS.search(document):
        lines = results[2].split(b"\n")
        if results[1] == b"array":
            lines = lines[:-1] if not lines[-1] else lines
        return M2MAnswer(kind, tuple(map(unescape, lines)))
    if error := _ERROR.search(document):
        message = _CDATA.fullmatch(error[3])
        text = message[1] if message else unescape(error[3])
        return M2MAnswer(kind, (), error[1] or b"rpc", int(error[2]), text)
    return M2MAnswer(kind)


class M2MAnswerDecoder:
    """Decode a broker's answers, each ended by EOT; over `limit_bytes` `overflowed` is true and nothing more is decoded.

    An EOT that a variable-length record brings along ends the answer too early: the protocol offers no better.
    """

    __slots__ = ("_buffer", "limit_bytes", "overflowed")

    def __init__(self, limit_bytes: int = RESPONSE_LIMIT) -> None:
        self.limit_bytes = limit_bytes
        self.overflowed = False
        self._buffer = bytearray()

    @property
    def held(self) -> int:
        """The bytes of the unfinished answer."""
        return len(self._buffer)

    def receive_data(self, data: bytes) -> None:
        """Take bytes as they came from the broker."""
        if self.overflowed:
            return
        self._buffer += data
        if len(self._buffer) > self.limit_bytes:
            self.overflowed = True
            self._buffer.clear()

    def next_event(self) -> M2MAnswer | None:
        """Give the next answer, None when more bytes are needed."""
        document, found, rest = self._buffer.partition(EOT)
        if not found:
            return None
        self._buffer = rest
        return parse_answer(bytes(document))
