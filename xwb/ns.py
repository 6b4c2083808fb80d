"""The server's half of `[XWB]`, the new-style protocol without call-back: bytes in, events out.

The decoder reads as `PRSP^XWBPRS`, `PRSM` and `PRS5` do, faults included: lengths are M numbers, the type byte is read
again only after an `f`, unknown types have no body. It knows no clock. VistA gives up a read that stays short for some
seconds; what the caller needs for that is `pending`, which tells what a silence would mean, and `receive_silence`,
which says that it came.
"""

from xwb.events import (
    BYE,
    EOT,
    LIMIT_BYTES,
    LIMIT_VALUE,
    PREFIX,
    CallReceived,
    Check,
    Checked,
    ChunkRefused,
    CommandReceived,
    Event,
    HeaderSkipped,
    ParameterFailed,
    Pending,
    Violated,
)
from xwb.numbers import m_number
from xwb.parameters import GlobalParameter, ListParameter, Literal, Pairs, Parameter, Reference

LIMIT_ITEMS = 500_000  # a pair of a few bytes takes some hundred in memory
HEADER_WANTED = "the header [XWB] or #BYE#"
_HEADER, _CHUNKS, _PARAMETERS = range(3)
_F, _T, _NEITHER = 0x66, 0x74, 0
_EOT = 4
_LITERAL, _REFERENCE, _LIST, _GLOBAL = b"0123"
_TOO_LONG = 10**9


def m_length(digits: bytes) -> int:
    """Read a length as M's unary plus does: its leading number, 0 when there is none, 100 for `1E2`, 12 for `12x`.

    Fractions are cut off; a length that no message can have is given as ten to the ninth.
    """
    if digits.isdigit():
        return int(digits)
    return max(0, min(int(m_number(digits.decode("iso-8859-1"))), _TOO_LONG))


class NSDecoder:
    """Decode what a client sends in one session, the first message included.

    Feed it with `receive_data`, then ask `next_event` until it gives None. One message may have `limit_bytes` bytes and
    `limit_items` parameters and pairs, one value `limit_value` bytes; what is longer is Violated as soon as a length says
    so. Data that came ahead is held as it is, so a caller who answers slowly should stop reading while `held` is large.
    Every byte is looked at once and copied at most three times, however it is cut.
    """

    __slots__ = (
        "_chunks_seen",
        "_closed",
        "_command",
        "_continuation",
        "_data",
        "_eot_seen",
        "_items",
        "_name",
        "_need",
        "_pairs",
        "_pairs_type",
        "_parameters",
        "_position",
        "_read_at",
        "_received",
        "_reply",
        "_run",
        "_searched",
        "_stage",
        "_start",
        "_tail",
        "_type",
        "_version",
        "_wanted",
        "_width",
        "check",
        "limit_bytes",
        "limit_items",
        "limit_value",
    )

    def __init__(
        self,
        limit_bytes: int = LIMIT_BYTES,
        limit_items: int = LIMIT_ITEMS,
        check: Check | None = None,
        limit_value: int = LIMIT_VALUE,
    ) -> None:
        self.limit_bytes = limit_bytes
        self.limit_value = limit_value
        self.limit_items = limit_items
        self.check = check
        self._data = b""
        self._position = 0
        self._tail = bytearray()  # what came after `_data`, joined to it once the read under way can be had
        self._closed = False
        self._received = 0
        self._reset(0)

    def _reset(self, position: int) -> None:
        """Begin a message at this place of the buffer."""
        if position == len(self._data):
            self._data, position = b"", 0
        self._position = self._start = self._read_at = position
        self._stage = _HEADER
        self._need = 5
        self._wanted = HEADER_WANTED
        self._searched = -1  # bytes of the tail searched for an EOT of the read under way; -1: not even `_data`
        self._eot_seen = False
        self._width = 3
        self._reply = True
        self._name: bytes | None = None
        self._version = b""
        self._command: bytes | None = None
        self._chunks_seen = False
        self._parameters: list[Parameter] = []
        self._pairs: list[tuple[bytes, bytes]] | None = None
        self._pairs_type = _LIST
        self._items = 0
        self._run = 1
        self._continuation = _F
        self._type = 0

    def receive_data(self, data: bytes) -> None:
        """Take bytes as they came from the peer, in any cut. After Violated they are thrown away."""
        if self._closed or not data:
            return
        self._received += len(data)
        if not self._tail and self._position == len(self._data):
            self._start -= self._position
            self._read_at -= self._position
            self._position = 0
            self._searched = -1
            self._data = bytes(data)
        else:
            self._tail += data

    def next_event(self) -> Event | None:
        """Give the next event, None when more bytes are needed."""
        while self.held >= self._need and not self._closed:
            event = self._parse()
            if event is not None:
                return event
            if self._closed or not self._tail or self.held < self._need:
                return None
            self._join()
        return None

    @property
    def held(self) -> int:
        """The bytes that are held and not decoded yet."""
        return len(self._data) - self._position + len(self._tail)

    @property
    def retained(self) -> int:
        """The bytes in memory: what is held, and what was decoded of a message that is not whole yet."""
        return len(self._data) - self._start + len(self._tail)

    @property
    def items(self) -> int:
        """The parameters and pairs that were decoded of a message that is not whole yet."""
        return self._items

    @property
    def unread(self) -> bytes:
        """The bytes that are not decoded yet."""
        self._join()
        return self._data[self._position :]

    @property
    def pending(self) -> Pending:
        """What the decoder waits for; worth asking when `next_event` gave None."""
        if self._stage == _HEADER and not self.held:
            return Pending.MESSAGE
        if self._searched < 0:
            self._eot_seen = self._data.find(EOT, self._read_at) >= 0
            self._searched = 0
        self._eot_seen = self._eot_seen or self._tail.find(EOT, self._searched) >= 0
        self._searched = len(self._tail)
        return Pending.CUT if self._eot_seen else Pending.REST

    def receive_silence(self) -> Violated | None:
        """Say that no more bytes come in time, or at all.

        Gives Violated when that leaves a read short; VistA closes without an answer then (error U411). None between
        messages.
        """
        if self._closed or self.pending is Pending.MESSAGE:
            return None
        length = self._need - (self._read_at - self._position)
        self._join()
        found = self._data[self._read_at : self._read_at + length]
        got = f"{found[:40]!r}{'...' if len(found) > 40 else ''}" if found else "nothing"
        return self._violated(
            f"Expected {self._wanted % length if '%d' in self._wanted else self._wanted}, got {got}.", self._read_at
        )

    def discard_through_eot(self) -> bool:
        """Throw away what is held through the next EOT (`CLRBUF^XWBPRS`), and begin a new message.

        False when there was no EOT: everything is gone, and what comes next may belong to it as well.
        """
        self._join()
        end = self._data.find(EOT, self._position)
        self._reset(len(self._data) if end < 0 else end + 1)
        return end >= 0

    def _join(self) -> None:
        if self._tail:
            rest = self._position
            self._data = b"".join((self._data[rest:], self._tail))
            self._tail.clear()
            self._searched = -1
            self._position = 0
            self._start -= rest
            self._read_at -= rest

    def _offset(self, position: int) -> int:
        """Count a place of the buffer from the first byte of the connection."""
        return self._received - (len(self._data) - position + len(self._tail))

    def _violated(self, reason: str, position: int | None = None) -> Violated:
        where = "" if position is None else f" At byte {self._offset(position)} of the connection."
        reason += where
        self._closed = True
        self._data = b""
        self._tail.clear()
        self._reset(0)
        return Violated(reason)

    def _too_long(self, after: int, length: int) -> Violated:
        if after - self._start > self.limit_bytes:
            return self._violated(f"A message is longer than {self.limit_bytes} bytes.")
        return self._violated(f"A value of {length} bytes is longer than {self.limit_value}.")

    def _short(self, position: int, read_at: int, length: int, wanted: str) -> Violated | None:
        """Wait: decoding goes on at `position` once the read of `length` bytes at `read_at` can be had."""
        end = read_at + length
        if end - self._start > self.limit_bytes:
            return self._violated(f"A message is longer than {self.limit_bytes} bytes.")
        self._position = position
        self._read_at = read_at
        self._searched = -1
        self._need = end - position
        self._wanted = wanted
        return None

    def _parse(self) -> Event | None:
        data = self._data
        position = self._position
        end = len(data)
        if self._stage == _HEADER:
            header = data[position : position + 5]
            if len(header) < 5:
                return self._short(position, position, 5, HEADER_WANTED)
            if header != PREFIX:
                skipped = HeaderSkipped(header, self._offset(position))
                self._reset(position + 5)
                if header == BYE:
                    return CommandReceived(BYE, has_parameter_chunk=False)
                return skipped
            position += 9
            if position > end:
                return self._short(position - 9, position - 4, 4, "the four digits of the header")
            width = data[position - 2] - 48
            self._width = width if 1 <= width <= 9 else 3
            self._reply = not 49 <= data[position - 1] <= 57
            self._stage = _CHUNKS
        if self._stage == _CHUNKS:
            while True:
                if position >= end:
                    return self._short(position, position, 1, "a chunk number, 1 to 5")
                chunk = data[position]
                if chunk == 0x35:  # 5, parameters
                    position += 1
                    self._stage = _PARAMETERS
                    break
                if chunk not in b"1234":
                    self._position = position + 1
                    return self._finished(False, data[position : position + 1])
                packs = _SHORT_PACKS[chunk]
                values = []
                at = position + 1
                for _ in range(packs):
                    if at >= end:
                        return self._short(position, at, 1, "the length byte of a name or version")
                    after = at + 1 + data[at]
                    if after > end:
                        return self._short(position, at + 1, data[at], "%d bytes of a name or version")
                    values.append(data[at + 1 : after])
                    at = after
                position = at
                self._chunks_seen = True
                if chunk == 0x32:  # 2, remote procedure
                    self._version, self._name = values
                elif chunk == 0x34:  # 4, command
                    self._command = values[0]
                if position - self._start > self.limit_bytes:
                    return self._violated(f"A message is longer than {self.limit_bytes} bytes.")
        return self._parse_parameters(data, position, end)

    def _parse_parameters(self, data: bytes, position: int, end: int) -> Event | None:
        """Read parameters one item at a time; an item is what stands between two continuation bytes."""
        width = self._width
        continuation = self._continuation
        kind = self._type
        parameters = self._parameters
        limit = self._start + self.limit_bytes
        while True:
            at = position
            new_kind = kind
            if continuation == _F:
                if at >= end:
                    return self._paused(position, at, 1, continuation, kind, "a parameter type or EOT")
                new_kind = data[at]
                at += 1
                if new_kind == _EOT:
                    self._close_pairs()
                    self._close_run()
                    self._position = at
                    return self._finished(True, EOT)
            if new_kind not in b"0123":
                # Neither a body nor an argument: the next f, wherever it stands, ends it.
                stop = data.find(b"f", at)
                kind = new_kind
                self._close_pairs()
                self._close_run()
                if stop < 0:
                    return self._paused(end, end, 1, _NEITHER, kind, "an f to end a parameter of unknown type")
                position, continuation = stop + 1, _F
                continue
            # L_PACK: the value of a literal or reference, the subscript of a pair.
            if at + width > end:
                return self._paused(position, at, width, continuation, kind, "a length of %d digits")
            digits = data[at : at + width]
            at += width
            after = at + (int(digits) if digits.isdigit() else m_length(digits))
            if after > limit or after - at > self.limit_value:
                return self._too_long(after, after - at)
            if after > end:
                return self._paused(position, at, after - at, continuation, kind, "a value of %d bytes")
            text = data[at:after]
            value = b""
            if new_kind in b"23" and text:
                at = after
                if at + width > end:
                    return self._paused(position, at, width, continuation, kind, "a length of %d digits")
                digits = data[at : at + width]
                at += width
                after = at + (int(digits) if digits.isdigit() else m_length(digits))
                if after > limit or after - at > self.limit_value:
                    return self._too_long(after, after - at)
                if after > end:
                    return self._paused(position, at, after - at, continuation, kind, "a value of %d bytes")
                value = data[at:after]
            if self.check is not None and (failed := self._checked(new_kind, text, after)):
                return failed
            if after >= end:
                return self._paused(position, after, 1, continuation, kind, "f or t after a value")
            same = continuation == _T
            kind = new_kind
            if not same:
                self._close_pairs()
                self._close_run()
            if kind in b"01":
                parameters.append(Literal(text) if kind == _LITERAL else Reference(text))
                self._run += same
            else:
                if self._pairs is None:
                    self._pairs, self._pairs_type = [], kind
                if text:
                    self._pairs.append((text, value))
            self._items += 1
            if self._items > self.limit_items:
                return self._violated(f"A message has more than {self.limit_items} parameters and pairs.")
            continuation = data[after]
            position = after + 1

    def _paused(self, position: int, read_at: int, length: int, continuation: int, kind: int, wanted: str) -> Violated | None:
        self._continuation = continuation
        self._type = kind
        return self._short(position, read_at, length, wanted)

    def _checked(self, kind: int, text: bytes, after: int) -> ParameterFailed | None:
        if self.check is None or kind == _LITERAL or (kind != _REFERENCE and not text):
            return None
        reason = self.check(Checked.REFERENCE if kind == _REFERENCE else Checked.SUBSCRIPT, text)
        if reason is None:
            return None
        failed = ParameterFailed(self._name or b"", text, reason, self._reply)
        self._reset(after)
        return failed

    def _close_pairs(self) -> None:
        if self._pairs is not None:
            pairs: Pairs = tuple(self._pairs)
            self._parameters.append(ListParameter(pairs) if self._pairs_type == _LIST else GlobalParameter(pairs))
            self._pairs = None

    def _close_run(self) -> None:
        """End a run of literals joined by `t`: VistA keeps the last value only, and passes it for each of them."""
        if self._run > 1:
            self._parameters[-self._run :] = self._parameters[-1:] * self._run
            self._run = 1

    def _finished(self, has_parameter_chunk: bool, last: bytes) -> Event:
        if self._position - self._start > self.limit_bytes:
            return self._violated(f"A message is longer than {self.limit_bytes} bytes.")
        parameters = tuple(self._parameters)
        event: Event
        if self._name is None and self._command is None and not self._chunks_seen and not has_parameter_chunk:
            event = ChunkRefused(last, self._reply)
        elif self._command is not None and (self._name is None or self._command == BYE):
            event = CommandReceived(self._command, parameters, self._reply, has_parameter_chunk)
        else:
            name, command = self._name or b"", self._command or b""
            event = CallReceived(name, self._version, parameters, self._reply, has_parameter_chunk, command)
        self._reset(self._position)
        return event


_SHORT_PACKS = {0x31: 2, 0x32: 2, 0x33: 0, 0x34: 1}
"""How many S_PACKs follow each chunk's number."""
