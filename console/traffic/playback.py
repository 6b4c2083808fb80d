"""Which recorded answer fits a request: by name and parameters, in the order of the recording."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from console.traffic.exchange import CONTEXT_CALL, READ, Exchange
from console.traffic.masking import replaced_credentials
from console.traffic.wire import Request
from console.traffic.wires import WIRES
from xwb import CHARSET, BadSubscript, Cipher, GlobalParameter, ListParameter, Literal, Parameter, Reference, Transport

ENCIPHERED = {"XUS AV CODE": b"", CONTEXT_CALL: b"", "XUS CVC": b"^"}
"""Procedures whose first parameter is enciphered: whole, or each of the pieces between a separator."""

SOON = 1.0
"""A server that closes by itself within so many seconds of its answer closes because of it, not of the silence."""

Comparable = tuple[object, ...]
Key = tuple[str, Comparable | None]
"""What requests are compared by: the name and the parameters; None for parameters that anything matches."""

Place = tuple[Transport, int | None]
"""Where answers are looked for: a transport, and one recorded connection or all of them."""


def key_of(request: Request, cipher: Cipher) -> Key:
    """Give what a request is compared by: enciphered values in clear, lists in M's order, a command by its name alone.

    A client's address and name in `TCPConnect` differ from machine to machine.
    """
    if request.command:
        return request.rpc, None
    clear = [_clear(request.rpc, it, cipher) if number == 0 else it for number, it in enumerate(request.parameters)]
    return request.rpc, (request.mode, *map(_comparable, clear))


def _clear(rpc: str, parameter: Parameter, cipher: Cipher) -> Parameter:
    separator = ENCIPHERED.get(rpc)
    if separator is None or not isinstance(parameter, Literal):
        return parameter
    pieces = parameter.value.split(separator) if separator else [parameter.value]
    return Literal(separator.join(map(cipher.decipher, pieces)))


def _comparable(parameter: Parameter) -> object:
    match parameter:
        case Literal(value) | Reference(value):
            return type(parameter).__name__, value
        case ListParameter(pairs) | GlobalParameter(pairs):
            try:
                nodes: object = tuple(parameter.array().to_pairs())
            except BadSubscript:
                nodes = pairs
            return type(parameter).__name__, nodes
    return type(parameter).__name__


@dataclass(frozen=True, slots=True)
class Played:
    """What a mock answers: bytes, whether it closes then, and whether the request was in the recording."""

    answer: bytes
    close: bool = False
    recorded: bool = True


@dataclass(slots=True)
class Playback:
    """A recording, in the order in which it answers.

    The nth client of a transport gets the answers of its nth recorded connection; after the last recorded one they begin
    again. What that connection did not ask is answered from the others of the transport. Where a request has several answers
    they come in order, and the last one stays.
    """

    exchanges: Sequence[Exchange]
    cipher: Cipher
    clients: Counter[Transport] = field(default_factory=Counter)
    _connections: dict[Transport, list[int]] = field(default_factory=dict)
    _answers: dict[tuple[Place, Key], list[Exchange]] = field(default_factory=dict)
    _names: set[tuple[Transport, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Sort the recorded exchanges by what asks for them."""
        for exchange in _with_closes(self.exchanges):
            transport = exchange.transport
            connections = self._connections.setdefault(transport, [])
            if exchange.conn not in connections:
                connections.append(exchange.conn)
            request = exchange.request
            if request is None or exchange.received is None:
                continue
            rpc, parameters = key_of(request, self.cipher)
            self._names.add((transport, rpc))
            key = rpc, None if replaced_credentials(exchange) else parameters
            for conn in (exchange.conn, None):
                self._answers.setdefault(((transport, conn), key), []).append(exchange)

    @property
    def unservable(self) -> int:
        """How many exchanges are no requests and answers that are decoded, so that nobody can ask for them."""
        return sum(it.request is None or it.received is None for it in self.exchanges)

    def new_client(self, transport: Transport = Transport.NS) -> PlayedSession:
        """Begin a session."""
        connections = self._connections.get(transport)
        preferred = connections[self.clients[transport] % len(connections)] if connections else None
        self.clients[transport] += 1
        return PlayedSession(self, transport, preferred)

    def candidates(self, where: Place, keys: Iterable[Key]) -> tuple[Key, list[Exchange]] | None:
        """Find the answers to the first of some keys that has any."""
        for key in keys:
            if found := self._answers.get((where, key)):
                return key, found
        return None

    def knows(self, transport: Transport, rpc: str) -> bool:
        """Tell whether a procedure was recorded, with whatever parameters."""
        return (transport, rpc) in self._names


def _with_closes(exchanges: Sequence[Exchange]) -> Iterator[Exchange]:
    """Give the exchanges, those closed that the server closed soon after."""
    last: dict[int, int] = {}
    closing = set()
    for number, exchange in enumerate(exchanges):
        if exchange.rpc == READ and exchange.closed and exchange.elapsed <= SOON and exchange.conn in last:
            closing.add(last[exchange.conn])
        last[exchange.conn] = number
    for number, exchange in enumerate(exchanges):
        yield replace(exchange, closed=True) if number in closing else exchange


@dataclass(slots=True)
class PlayedSession:
    """One client's way through a recording."""

    playback: Playback
    transport: Transport
    preferred: int | None
    _next: dict[tuple[Place, Key], int] = field(default_factory=dict)

    def answer(self, request: Request) -> Played:
        """Answer a request as it was recorded; one that was not gets an error that names it."""
        rpc, parameters = key_of(request, self.playback.cipher)
        keys: tuple[Key, ...] = ((rpc, parameters), (rpc, None)) if parameters is not None else ((rpc, None),)
        for where in ((self.transport, self.preferred), (self.transport, None)):
            found = self.playback.candidates(where, keys)
            if found is not None:
                key, exchanges = found
                turn = self._next.get((where, key), 0)
                self._next[where, key] = min(turn + 1, len(exchanges) - 1)
                exchange = exchanges[turn]
                return Played(exchange.received or b"", exchange.closed or request.last)
        return self._unrecorded(request)

    def _unrecorded(self, request: Request) -> Played:
        wire, rpc = WIRES[self.transport], request.rpc
        if (courtesy := wire.courtesy(request)) is not None:
            return Played(courtesy, close=request.last)
        why = "with these parameters" if self.playback.knows(self.transport, rpc) else "at all"
        text = f"The recording does not hold {rpc or 'a request without a name'} {why}.".encode(CHARSET, "replace")
        wants_answer = request.command or request.wants_answer
        return Played(wire.refusal(request, text) if wants_answer else b"", recorded=False)
