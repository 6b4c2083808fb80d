"""What an M-to-M broker answers, as a client reads it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from xwb.errors import BadMarkup
from xwb.events import EOT
from xwb.markup import ENTITIES, unescape
from xwb.results import RESPONSE_LIMIT

_KIND = re.compile(rb'<vistalink type="([^"]*)"')
_RESULTS = re.compile(rb'<results type="(string|array)" ><!\[CDATA\[(?P<text>.*)\]\]></results></vistalink>\Z', re.DOTALL)
_ERROR = re.compile(
    rb'<error (?:type="([^"]*)" )?code="(\d{1,9})"[^>]*>'
    rb"<msg>(?P<section><!\[CDATA\[)?(?P<text>.*?)(?(section)\]\]>)</msg></error>",
    re.DOTALL,
)
END = b"</vistalink>"
_ENTITY = re.compile(b"|".join(ENTITIES.values()))


@dataclass(frozen=True, slots=True)
class M2MAnswer:
    """An answer: its document type, its lines (one for a string), or the error's kind, code and text."""

    type: bytes
    lines: tuple[bytes, ...] = ()
    error: bytes = b""
    code: int = 0
    text: bytes = b""


def clear(value: bytes) -> bytes:
    """Put characters for entities; the bytes of a variable-length record may only look like one."""
    try:
        return unescape(value)
    except BadMarkup:
        return _ENTITY.sub(lambda found: unescape(found[0]), value)


def find_lines(document: bytes) -> re.Match[bytes] | None:
    """Find a result in a document: group `text` is its lines, each ended by a line feed if it is an array."""
    return _RESULTS.search(document)


def find_error(document: bytes) -> re.Match[bytes] | None:
    """Find an error in a document: group `text` is its message, in a CDATA section if there is a group `section`."""
    return _ERROR.search(document)


def find_text(document: bytes) -> re.Match[bytes] | None:
    """Find what an answer says: the lines of its result, or its error's message."""
    return find_lines(document) or find_error(document)


def parse_answer(document: bytes) -> M2MAnswer:
    """Read one answer, its EOT taken off. What is no answer is one without type and lines."""
    found = _KIND.search(document)
    kind = found[1] if found else b""
    if results := find_lines(document):
        lines = results["text"].split(b"\n")
        if results[1] == b"array":
            lines = lines[:-1] if not lines[-1] else lines
        return M2MAnswer(kind, tuple(map(clear, lines)))
    if error := find_error(document):
        text = error["text"] if error["section"] else clear(error["text"])
        return M2MAnswer(kind, (), error[1] or b"rpc", int(error[2]), text)
    return M2MAnswer(kind)


class M2MAnswerDecoder:
    """Decode a broker's answers, each ended by EOT; over `limit_bytes` `overflowed` is true and nothing more is decoded.

    An EOT may stand in a variable-length record, so it ends a document only where that is complete. What is no document
    ends with the first one.
    """

    __slots__ = ("_buffer", "_searched", "limit_bytes", "overflowed")

    def __init__(self, limit_bytes: int = RESPONSE_LIMIT) -> None:
        self.limit_bytes = limit_bytes
        self.overflowed = False
        self._buffer = bytearray()
        self._searched = 0

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
        buffer = self._buffer
        while (end := buffer.find(EOT, self._searched)) >= 0:
            if not buffer.startswith(b"<?xml") or buffer.endswith(END, 0, end):
                document = bytes(buffer[:end])
                del buffer[: end + 1]
                self._searched = 0
                return parse_answer(document)
            self._searched = end + 1
        self._searched = len(buffer)
        return None
