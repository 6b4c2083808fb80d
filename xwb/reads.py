"""Reading as `BREAD^XWBRW` does: so many bytes, then so many, each number told by what came before.

A protocol of that kind is written down as a generator, which asks for bytes and gives events; `ReadDecoder` feeds it from
a connection, whatever the cuts, and keeps the bounds.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Generic, TypeVar

from xwb.events import EOT, LIMIT_BYTES, LIMIT_VALUE, Pending, Violated

E = TypeVar("E")

_READS_A_PAIR = 4


@dataclass(frozen=True, slots=True)
class Read:
    """Ask for bytes. `begins` says that a message begins with them, `wanted` names them in a log.

    `lenient` takes fewer for an answer, when no more come in time or an EOT is among them: then that ends the read.
    """

    length: int
    wanted: str
    begins: bool = False
    lenient: bool = False


Reading = Generator[Read | E, bytes, None]
"""What a protocol is written down as: it gives reads, and is sent their bytes, and events, and is sent nothing of use."""


class ReadDecoder(Generic[E]):
    """Decode what a peer sends. Feed it with `receive_data`, then ask `next_event` until it gives None.

    One message may have `limit_bytes` bytes, one read `limit_value`; a longer one is Violated as soon as its length is
    known. Nothing is decoded after Violated, nor when the reading has come to its end.
    """

    __slots__ = (
        "_buffer",
        "_closed",
        "_read",
        "_reading",
        "_reads",
        "_received",
        "_started",
        "_taken",
        "limit_bytes",
        "limit_value",
    )

    def __init__(self, reading: Reading[E], limit_bytes: int = LIMIT_BYTES, limit_value: int = LIMIT_VALUE) -> None:
        self.limit_bytes = limit_bytes
        self.limit_value = limit_value
        self._reading = reading
        self._buffer = bytearray()
        self._taken = 0
        self._reads = 0
        self._received = 0
        self._closed = False
        self._started = False
        self._read: Read | None = None

    def receive_data(self, data: bytes) -> None:
        """Take bytes as they came, in any cut. When nothing more is decoded they are thrown away."""
        if not self._closed:
            self._received += len(data)
            self._buffer += data

    def next_event(self) -> E | Violated | None:
        """Give the next event, None when more bytes are needed."""
        while not self._closed:
            read = self._read
            if read is None:
                event = self._resume(b"")
            else:
                end = self._end(read)
                if end is None:
                    return None
                event = self._take(end)
            if event is not None:
                return event
        return None

    def receive_silence(self) -> E | Violated | None:
        """Say that no more bytes come in time.

        Gives the event that a lenient read ends with, if there is one then, or Violated; None between messages.
        """
        if self._closed or self._read is None or self.pending is Pending.MESSAGE:
            return None
        if self._read.lenient:
            event = self._take(len(self._buffer))
            return self.next_event() if event is None else event
        got = bytes(self._buffer[:40])
        return self._violated(f"Expected {self._read.wanted}, got {got!r}.")

    def discard_through_eot(self) -> bool:
        """Throw away all that is held; False, since no EOT divides messages here and what comes next may belong to it."""
        self._buffer.clear()
        return False

    @property
    def held(self) -> int:
        """The bytes that are held and not decoded yet."""
        return len(self._buffer)

    @property
    def retained(self) -> int:
        """The bytes in memory: what is held, and what was decoded of a message that is not whole yet."""
        return self._taken + len(self._buffer)

    @property
    def items(self) -> int:
        """The pairs that a message which is not whole yet may hold by now: each takes four reads."""
        return self._reads // _READS_A_PAIR

    @property
    def lenient(self) -> bool:
        """Whether a silence now ends a read instead of the connection."""
        return self._read is not None and self._read.lenient

    @property
    def pending(self) -> Pending:
        """What is waited for; worth asking when `next_event` gave None."""
        if not self._buffer and (self._closed or self._read is None or self._read.begins):
            return Pending.MESSAGE
        return Pending.CUT if EOT in self._buffer else Pending.REST

    def _end(self, read: Read) -> int | None:
        """Tell how many bytes answer a read; None when they are not there yet."""
        if read.lenient and (found := self._buffer.find(EOT, 0, read.length)) >= 0:
            return found + 1
        return read.length if len(self._buffer) >= read.length else None

    def _take(self, length: int) -> E | Violated | None:
        data = bytes(self._buffer[:length])
        del self._buffer[:length]
        self._taken += length
        return self._resume(data)

    def _resume(self, data: bytes) -> E | Violated | None:
        """Go on with the bytes asked for, to the next read or event."""
        self._read = None
        try:
            given = self._reading.send(data) if self._started else next(self._reading)
        except StopIteration:
            self._close()
            return None
        self._started = True
        self._reads += 1
        if not isinstance(given, Read):
            self._taken = self._reads = 0
            return given
        if given.begins:
            self._taken = self._reads = 0
        if given.length > self.limit_value:
            return self._violated(f"A value of {given.length} bytes is longer than {self.limit_value}.")
        if self._taken + given.length > self.limit_bytes:
            return self._violated(f"A message is longer than {self.limit_bytes} bytes.")
        self._read = given
        return None

    def _violated(self, reason: str) -> Violated:
        at = self._received - len(self._buffer)
        self._close()
        return Violated(f"{reason} At byte {at} of the connection.")

    def _close(self) -> None:
        self._closed = True
        self._reading.close()
        self._buffer.clear()
        self._taken = 0
        self._read = None
