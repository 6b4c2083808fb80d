"""HL7 version 2 over MLLP: frames out of bytes, what a message's header says, and the acknowledgement of one.

Bytes and values, no I/O. Minimal lower layer protocol: VT, the message, FS, CR. Segments end with CR; LF is taken too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

START, END = b"\x0b", b"\x1c\r"
_LINES = re.compile("\r\n|\r|\n")
#: Character sets of MSH-18 that are not ISO-8859-1, which every byte string is.
_CHARSETS = {"UNICODE UTF-8": "utf-8", "ASCII": "ascii"}


class Hl7Error(Exception):
    """The bytes are no HL7 message."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (self.__doc__ or "").splitlines()[0])


@dataclass(frozen=True, slots=True)
class Hl7:
    """A message: its segments apart by CR, and of its header what an acknowledgement and the file need."""

    segments: str
    separator: str
    header: tuple[str, ...]

    def field(self, number: int) -> str:
        """Give a field of MSH by its number in the standard, MSH-1 being the separator."""
        return self.header[number - 1] if number <= len(self.header) else ""

    @property
    def type(self) -> str:
        """The message type, ORM of `ORM^O01`."""
        components = self.field(2)[:1] or "^"
        return self.field(9).partition(components)[0]

    @property
    def control(self) -> str:
        """The message control id."""
        return self.field(10)

    @property
    def fault(self) -> str:
        """Why the message cannot be filed, ever; empty when it can."""
        if not self.control or not self.type:
            return "message type (MSH-9) and control id (MSH-10) are needed"
        return "NUL is no character of a message" if "\0" in self.segments else ""


def parse(frame: bytes) -> Hl7:
    """Read a message. Raises Hl7Error for bytes that do not begin with a header segment of more than its name."""
    if not frame.startswith(b"MSH") or len(_LINES.split(frame[:8].decode("iso-8859-1"))[0]) < 8:
        raise Hl7Error("the message does not begin with MSH")
    text = frame.decode("iso-8859-1")
    name = _header(text).field(18).split(_header(text).field(2)[1:2] or "~")[0]
    try:
        text = frame.decode(_CHARSETS.get(name, "iso-8859-1"))
    except UnicodeDecodeError as error:
        raise Hl7Error(f"the message is not in {name}") from error
    return _header(text)


def _header(text: str) -> Hl7:
    segments = [line for line in _LINES.split(text) if line]
    separator = segments[0][3]
    fields = segments[0].split(separator)
    return Hl7("\r".join(segments), separator, (separator, *fields[1:]))


def acknowledge(message: Hl7, code: str, now: datetime, text: str = "") -> bytes:
    """Write the framed acknowledgement of a message: AA taken, AE not taken for what it holds, AR try again later."""
    one = message.separator
    event = message.field(9).split(message.field(2)[:1] or "^")[1:2]
    kind = (message.field(2)[:1] or "^").join(["ACK", *event])
    sender, receiver = (message.field(3), message.field(4)), (message.field(5), message.field(6))
    stamp = f"{now:%Y%m%d%H%M%S}"
    control = f"{now:%Y%m%d%H%M%S%f}"
    version = message.field(12) or "2.3"
    header = ["MSH", message.field(2), *receiver, *sender, stamp, "", kind, control, message.field(11) or "P", version]
    answer = ["MSA", code, message.control, *([_plain(text, message)] if text else [])]
    lines = [one.join(header), one.join(answer), ""]
    return START + "\r".join(lines).encode("utf-8", "replace") + END


def _plain(text: str, message: Hl7) -> str:
    """Give a text without what would separate anything in an answer to a message."""
    apart = {message.separator, *message.field(2)}
    return "".join(" " if character in apart or not character.isprintable() else character for character in text)


@dataclass(slots=True)
class MllpDecoder:
    """Cuts frames out of bytes. What stands between frames is thrown away, as the protocol says."""

    _buffer: bytearray = field(default_factory=bytearray)

    @property
    def held(self) -> int:
        """The bytes that wait for their end."""
        return len(self._buffer)

    def receive_data(self, data: bytes) -> None:
        """Take bytes."""
        self._buffer += data

    def next_frame(self) -> bytes | None:
        """Give the next whole frame without its marks; None when there is none yet."""
        begin = self._buffer.find(START)
        if begin < 0:
            self._buffer.clear()
            return None
        if begin:
            del self._buffer[:begin]
        end = self._buffer.find(END)
        if end < 0:
            return None
        frame = bytes(self._buffer[1:end])
        del self._buffer[: end + len(END)]
        return frame
