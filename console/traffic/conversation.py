"""A proxied connection, cut into exchanges: bytes of both directions in, exchanges out. No socket and no clock is here.

An answer of `[XWB]` has no frame around it: it ends with an EOT, and its data may hold EOTs too. A client takes an answer
for whole where the bytes that have come end with one; so does the recorder, but it goes on adding to the answer until the
client sends its next request, somebody closes, or nothing comes for a while (`quiet`). When a client sends requests ahead,
answers are parted at their first end.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

from console.traffic.exchange import RAW, READ, Exchange
from console.traffic.wire import Decoder, Wire
from console.traffic.wires import WIRES
from xwb import HeaderSkipped, Transport, first_five

LIMIT_BYTES = 4 * 1024 * 1024
"""What is kept of one request, and of one answer."""

PENDING_LIMIT = 1000
"""Requests that a client may send ahead before they are recorded without their answers."""


@dataclass(slots=True, eq=False)
class _Open:
    """An exchange that is not over."""

    seq: int
    rpc: str
    at: float
    limit: int
    heard: float = 0.0
    cut: bool = False
    sent: bytearray = field(default_factory=bytearray)
    received: bytearray = field(default_factory=bytearray)
    last: bytes = b""

    def send(self, data: bytes, now: float) -> None:
        self.at = now
        self._keep(self.sent, data)

    def receive(self, data: bytes, now: float) -> None:
        self.heard = now
        self.last = data[-1:] or self.last
        self._keep(self.received, data)

    def _keep(self, part: bytearray, data: bytes) -> None:
        room = self.limit - len(part)
        self.cut = self.cut or len(data) > room
        part += data[: max(room, 0)]

    def is_whole(self, wire: Wire) -> bool:
        if self.last != wire.end:
            return False
        return self.cut or wire.is_whole(bytes(self.received))


class Conversation:
    """Cut one connection into exchanges.

    Each method gives the exchanges that are over by what it was told. Times are seconds of any clock. Memory is bounded:
    of each message `limit_bytes` are kept, and twice as many of all the requests that wait for an answer.
    """

    def __init__(self, conn: int, limit_bytes: int = LIMIT_BYTES) -> None:
        self.conn = conn
        self.limit_bytes = limit_bytes
        self._seq = 0
        self._transport: Transport | None = None
        self._wire = WIRES[Transport.NS]
        self._decoder: Decoder | None = None
        self._raw = bytearray()
        self._junk = b""
        self._waiting: deque[_Open] = deque()
        self._heard = 0.0
        self._over = False

    @property
    def settled(self) -> bool:
        """Whether an answer looks whole, so that a silence would end it."""
        return bool(self._waiting) and (
            self._waiting[0].is_whole(self._wire) or (self._is_raw and bool(self._waiting[0].received))
        )

    @property
    def _is_raw(self) -> bool:
        return self._transport is not None and self._decoder is None

    def client_sent(self, data: bytes, now: float) -> list[Exchange]:
        """Take what the client sent."""
        if self._over:
            return []
        self._heard = now
        done = self.quiet(now) if len(self._waiting) == 1 else []
        self._raw += data
        if self._transport is None:
            data = bytes(self._raw)
            self._transport = first_five(data)
            if self._transport is None:
                return done
            if wire := WIRES.get(self._transport):
                self._wire, self._decoder = wire, wire.decoder(self.limit_bytes)
        if self._decoder is None:
            self._raw.clear()
            return done + self._raw_sent(data, now)
        self._decoder.receive_data(data)
        return done + self._decode(self._decoder, now)

    def server_sent(self, data: bytes, now: float) -> list[Exchange]:
        """Take what the server sent."""
        done: list[Exchange] = []
        if self._over:
            return done
        self._heard = now
        if not self._waiting:
            self._open(RAW if self._is_raw else READ, b"", now)
        while len(self._waiting) > 1 and data:
            first = self._waiting[0]
            came = bytes(first.received)
            end = self._wire.first_end(came + data)
            if end is None:
                break
            first.received.clear()
            first.receive((came + data)[:end], now)
            data = (came + data)[end:]
            done.append(self._finish(now))
        if data:
            self._waiting[0].receive(data, now)
        return done

    def quiet(self, now: float) -> list[Exchange]:
        """Say that nothing came for a while, or that the client goes on: an answer that looks whole is over."""
        return [self._finish(now)] if self.settled else []

    def ended(self, now: float, *, by_server: bool) -> list[Exchange]:
        """Say that one side closed; the second time it is said nothing is left.

        A server that closes after a whole answer is an exchange of its own, with the seconds of silence before it.
        """
        if self._over:
            return []
        self._over = True
        done = self._drop_junk()
        if self._raw:
            self._open(RAW, bytes(self._raw), now)
            self._raw.clear()
        while self._waiting:
            done.append(self._finish(now, closed=by_server and not self._waiting[0].is_whole(self._wire)))
        if by_server and not any(it.closed for it in done):
            self._open(READ, b"", self._heard)
            done.append(self._finish(now, closed=True))
        self._decoder = None
        return done

    def _decode(self, decoder: Decoder, now: float) -> list[Exchange]:
        """Take the requests that are whole; `_raw` keeps the bytes of what is not."""
        done: list[Exchange] = []
        start = 0
        while (event := decoder.next_event()) is not None:
            end = len(self._raw) - decoder.held
            done += self._take(event, bytes(self._raw[start:end]), now)
            start = end
            if self._wire.is_broken(event):
                self._decoder = None
                break
        del self._raw[:start]
        return done

    def _take(self, event: object, message: bytes, now: float) -> list[Exchange]:
        if isinstance(event, HeaderSkipped):
            self._junk += message
            return self._drop_junk() if len(self._junk) >= self.limit_bytes else []
        done = self._drop_junk()
        request = self._wire.named(event)
        if request is not None and not request.wants_answer:
            return [*done, self._alone(request.rpc, message)]
        return done + self._open(request.rpc if request else RAW, message, now)

    def _drop_junk(self) -> list[Exchange]:
        junk, self._junk = self._junk, b""
        return [self._alone(RAW, junk)] if junk else []

    def _raw_sent(self, data: bytes, now: float) -> list[Exchange]:
        """Join what the client sends until the server answers; then a new exchange begins."""
        done: list[Exchange] = []
        if self._waiting and self._waiting[-1].received:
            done.append(self._finish(now))
        if not self._waiting:
            return done + self._open(RAW, data, now)
        self._waiting[-1].send(data, now)
        return done

    def _open(self, rpc: str, sent: bytes, now: float) -> list[Exchange]:
        done: list[Exchange] = []
        while self._waiting and (len(self._waiting) >= PENDING_LIMIT or self._waiting_bytes + len(sent) > 2 * self.limit_bytes):
            done.append(self._finish(now))
        self._waiting.append(_Open(self._next(), rpc, now, self.limit_bytes))
        self._waiting[-1].send(sent, now)
        return done

    @property
    def _waiting_bytes(self) -> int:
        return sum(len(it.sent) for it in self._waiting)

    def _finish(self, now: float, *, closed: bool = False) -> Exchange:
        """End the oldest exchange; without an answer it lasted until now."""
        it = self._waiting.popleft()
        heard = it.heard if it.received else now
        sent, received = bytes(it.sent), bytes(it.received)
        return replace(self._made(it.seq, it.rpc, sent, received), elapsed=heard - it.at, closed=closed, cut=it.cut)

    def _alone(self, rpc: str, sent: bytes) -> Exchange:
        """Make the exchange of a request that gets no answer."""
        return self._made(self._next(), rpc, sent, b"")

    def _made(self, seq: int, rpc: str, sent: bytes, received: bytes) -> Exchange:
        return Exchange(self.conn, seq, rpc, sent, received, transport=self._transport or Transport.NS)

    def _next(self) -> int:
        self._seq += 1
        return self._seq
