"""Syslog messages (RFC 5424), and their framing on a stream (RFC 5425 4.3, RFC 6587 3.4.1): both directions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from console.errors import ConsoleError

#: The facility of security messages, and the severities notice and warning (PS3.15 A.6).
FACILITY, NOTICE, WARNING = 10, 5, 4
#: What names an audit message of DICOM (PS3.15 A.6).
MSGID = "DICOM+RFC3881"
#: Begins a text that is UTF-8 (RFC 5424 6.4).
BOM = b"\xef\xbb\xbf"
#: Digits that the length of a frame may have.
_LENGTH_DIGITS = 7
_HEADER = re.compile(rb"<(\d{1,3})>1 (\S+) (\S{1,255}) (\S{1,48}) (\S{1,128}) (\S{1,32}) -(?: |$)")


class BadSyslog(ConsoleError):
    """These bytes are no syslog message."""


@dataclass(frozen=True, slots=True)
class Record:
    """One message: its severity, when it was (seconds since the epoch), whose it is, and its text as UTF-8."""

    at: float
    host: str
    application: str
    process: str
    text: bytes
    severity: int = NOTICE
    facility: int = FACILITY
    name: str = MSGID

    def encode(self) -> bytes:
        """Write it."""
        moment = datetime.fromtimestamp(self.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        fields = (_field(self.host, 255), _field(self.application, 48), _field(self.process, 128), _field(self.name, 32))
        head = f"<{self.facility * 8 + self.severity}>1 {moment} {' '.join(fields)} - "
        return head.encode("ascii") + BOM + self.text

    @classmethod
    def decode(cls, data: bytes) -> Record:
        """Read one that has no structured data. Raises BadSyslog."""
        found = _HEADER.match(data)
        if found is None or int(found[1]) > 191:
            raise BadSyslog
        try:
            moment = datetime.fromisoformat(found[2].decode().replace("Z", "+00:00"))
        except ValueError as error:
            raise BadSyslog from error
        facility, severity = divmod(int(found[1]), 8)
        host, application, process, name = (found[number].decode("ascii", "replace") for number in range(3, 7))
        text = data[found.end() :].removeprefix(BOM)
        return cls(moment.timestamp(), host, application, process, text, severity, facility, name)


def _field(text: str, most: int) -> str:
    """Give a text as a field of the header has it: visible ASCII, `-` for nothing."""
    return "".join(it for it in text if "!" <= it <= "~")[:most] or "-"


def framed(message: bytes) -> bytes:
    """Put the length of a message before it."""
    return b"%d %s" % (len(message), message)


@dataclass(slots=True)
class Frames:
    """Takes messages out of a stream as it comes."""

    limit: int = 1 << 20
    _held: bytes = b""
    _broken: bool = False

    @property
    def held(self) -> int:
        """Count the bytes that wait for more."""
        return len(self._held)

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes; give the messages that are whole. Raises BadSyslog for what has no length, or too great a one: the messages
        before it are given first, and it is raised by the next call.
        """
        if self._broken:
            raise BadSyslog
        self._held += data
        found: list[bytes] = []
        try:
            self._take(found)
        except BadSyslog:
            self._broken, self._held = True, b""
            if not found:
                raise
        return found

    def _take(self, found: list[bytes]) -> None:
        while self._held:
            digits, blank, rest = self._held.partition(b" ")
            if not digits.isdigit() or len(digits) > _LENGTH_DIGITS or digits.startswith(b"0"):
                raise BadSyslog
            if not blank:
                break
            length = int(digits)
            if length > self.limit:
                raise BadSyslog
            if len(rest) < length:
                break
            found.append(rest[:length])
            self._held = rest[length:]
