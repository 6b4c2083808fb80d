"""Which recorded answer fits a request: by name and parameters, in the order of the recording."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from console.traffic.exchange import CONTEXT_CALL, READ, Exchange, Request, decode_request, rpc_of
from console.traffic.masking import replaced_credentials
from xwb import (
    BYE,
    CONNECT,
    BadSubscript,
    CallReceived,
    Cipher,
    CommandReceived,
    GlobalParameter,
    ListParameter,
    Literal,
    Parameter,
    Reference,
    encode_response,
)

ENCIPHERED = {"XUS AV CODE": b"", CONTEXT_CALL: b"", "XUS CVC": b"^"}
"""Procedures whose first parameter is enciphered: whole, or each of the pieces between a separator."""

SOON = 1.0
"""A server that closes by itself within so many seconds of its answer closes because of it, not of the silence."""

Comparable = tuple[object, ...]
Key = tuple[str, Comparable | None]
"""What requests are compared by: the name and the parameters; None for parameters that anything matches."""


def key_of(request: Request, cipher: Cipher) -> Key:
    """Give what a request is compared by: enciphered values in clear, lists in M's order, a command by its name alone.

    A client's address and name in `TCPConnect` differ from machine to machine.
    """
    rpc = rpc_of(request)
    if isinstance(request, CommandReceived):
        return rpc, None
    clear = [_clear(rpc, it, cipher) if number == 0 else it for number, it in enumerate(request.parameters)]
    return rpc, tuple(map(_comparable, clear))


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

    The nth client gets the answers of the nth recorded connection; after the last recorded one they begin again. What that
    connection did not ask is answered from the others. Where a request has several answers they come in order, and the
    last one stays.
    """

    exchanges: Sequence[Exchange]
    cipher: Cipher
    clients: int = 0
    _connections: list[int] = field(init=False)
    _answers: dict[tuple[int | None, Key], list[Exchange]] = field(init=False)
    _names: set[str] = field(init=False)

    def __post_init__(self) -> None:
        """Sort the recorded exchanges by what asks for them."""
        self._answers, self._names = {}, set()
        connections: dict[int, None] = {}
        for exchange in _with_closes(self.exchanges):
            connections[exchange.conn] = None
            request = decode_request(exchange.sent)
            if request is None or exchange.received is None:
                continue
            rpc, parameters = key_of(request, self.cipher)
            self._names.add(rpc)
            key = rpc, None if replaced_credentials(exchange) else parameters
            for where in (exchange.conn, None):
                self._answers.setdefault((where, key), []).append(exchange)
        self._connections = list(connections)

    @property
    def unservable(self) -> int:
        """How many exchanges are no requests and answers of `[XWB]`, so that nobody can ask for them."""
        return sum(decode_request(it.sent) is None or it.received is None for it in self.exchanges)

    def new_client(self) -> PlayedSession:
        """Begin a session."""
        count = len(self._connections)
        preferred = self._connections[self.clients % count] if count else None
        self.clients += 1
        return PlayedSession(self, preferred)

    def candidates(self, where: int | None, keys: Iterable[Key]) -> tuple[Key, list[Exchange]] | None:
        """Find the answers to the first of some keys that has any."""
        for key in keys:
            if found := self._answers.get((where, key)):
                return key, found
        return None

    def knows(self, rpc: str) -> bool:
        """Tell whether a procedure was recorded, with whatever parameters."""
        return rpc in self._names


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
    preferred: int | None
    _next: dict[tuple[int | None, Key], int] = field(default_factory=dict)

    def answer(self, request: Request) -> Played:
        """Answer a request as it was recorded; one that was not gets an application error that names it."""
        rpc, parameters = key_of(request, self.playback.cipher)
        keys: tuple[Key, ...] = ((rpc, parameters), (rpc, None)) if parameters is not None else ((rpc, None),)
        for where in (self.preferred, None):
            found = self.playback.candidates(where, keys)
            if found is not None:
                key, exchanges = found
                turn = self._next.get((where, key), 0)
                self._next[where, key] = min(turn + 1, len(exchanges) - 1)
                exchange = exchanges[turn]
                return Played(exchange.received or b"", exchange.closed or request.name == BYE)
        return self._unrecorded(request, rpc)

    def _unrecorded(self, request: Request, rpc: str) -> Played:
        if isinstance(request, CommandReceived):
            if request.name == BYE:
                return Played(encode_response(BYE), close=True)
            if request.name == CONNECT:
                return Played(encode_response(b"accept"))
        why = "with these parameters" if self.playback.knows(rpc) else "at all"
        text = f"The recording does not hold {rpc or 'a request without a name'} {why}.".encode("iso-8859-1", "replace")
        wants_answer = not isinstance(request, CallReceived) or request.reply
        return Played(encode_response(b"", application=text) if wants_answer else b"", recorded=False)
