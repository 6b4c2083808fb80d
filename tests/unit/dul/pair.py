"""Two exchanges joined in memory: a listener's and a requestor's, over transports whose bytes move when a test says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure

from dul import (
    AssociateAccept,
    AssociateReject,
    AssociateRequest,
    Command,
    CommandField,
    DulError,
    Exchange,
    InMemory,
    Listener,
    Listening,
    Policy,
    ProposedContext,
    Request,
    Response,
    Service,
    Sink,
    Timeouts,
    connect,
    echo,
    encode_command,
    negotiate,
)
from dul.connection import Connection
from dul.endpoint import DEFAULT_TIMEOUTS
from dul.pdata import split
from tests.unit.dul.feeding import CT, EXPLICIT, IMPLICIT, VERIFICATION

ECHO, STORE = CommandField.C_ECHO_RQ, CommandField.C_STORE_RQ
FIND, GET, REPORT = CommandField.C_FIND_RQ, CommandField.C_GET_RQ, CommandField.N_EVENT_REPORT_RQ
ECHO_COMMAND = Command(field=ECHO, sop_class=VERIFICATION)
STORE_COMMAND = Command(field=STORE, sop_class=CT, sop_instance="1.2.3", priority=0)
FIND_COMMAND = Command(field=FIND, sop_class=CT, priority=0)
CONTEXTS = (ProposedContext(1, VERIFICATION, (IMPLICIT,)), ProposedContext(3, CT, (EXPLICIT,)))
#: Operations at a time, and performed by the requestor.
UNLIMITED = (0, 0)


def sent(command: Command, context: int = 1, data: bytes | None = None) -> bytes:
    """Give a message as it goes over the wire."""
    return b"".join(split(context, encode_command(command), data, 16384))


class Transport:
    """One end: what is written waits in `out` until it is moved."""

    def __init__(self, host: str, room: int) -> None:
        self.host, self.room = host, room
        self.out = bytearray()
        self.reading, self.closing, self.cut = True, False, False
        self.other: Transport
        self.producer: Any = None
        self.held_up = False

    def write(self, data: bytes) -> None:
        self.writeSequence([data])

    def writeSequence(self, pieces: list[bytes]) -> None:
        assert not self.closing, "nothing is written after the close"
        self.out += b"".join(pieces)
        if len(self.out) > self.room and self.producer is not None and not self.held_up:
            self.held_up = True
            self.producer.pauseProducing()

    def moved(self) -> None:
        """Hear that all was taken."""
        if self.held_up:
            self.held_up = False
            if self.producer is not None:
                self.producer.resumeProducing()

    def getPeer(self) -> SimpleNamespace:
        return SimpleNamespace(host=self.other.host)

    def registerProducer(self, producer: object, streaming: bool) -> None:
        assert streaming
        self.producer = producer

    def unregisterProducer(self) -> None:
        self.producer = None

    def loseConnection(self) -> None:
        self.closing = True

    def abortConnection(self) -> None:
        self.out.clear()
        self.closing = self.cut = True

    def pauseProducing(self) -> None:
        self.reading = False

    def resumeProducing(self) -> None:
        self.reading = True


class Held:
    """A service that keeps requests, for a test to answer."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.data: list[bytes] = []

    def __call__(self, request: Request) -> Sink:
        def whole(data: bytes) -> None:
            self.requests.append(request)
            self.data.append(data)

        return InMemory(whole)


class Memory:
    """A source of bytes in memory; it fails to read after so many bytes, if it is told to."""

    def __init__(self, data: bytes, fails_after: int | None = None) -> None:
        self.data, self.size, self.closed = data, len(data), 0
        self._fails_after = fails_after

    def read(self, count: int) -> bytes:
        at = len(self.data) - self.size
        if self._fails_after is not None and at + count > self._fails_after:
            raise OSError(5, "Input/output error")
        self.size -= count
        return self.data[at : at + count]

    def close(self) -> None:
        self.closed += 1


class Waiter:
    """What a Deferred comes to."""

    def __init__(self, deferred: Any) -> None:
        self.result: Any = None
        self.done = False
        deferred.addBoth(self._fired)

    def _fired(self, result: object) -> None:
        self.done = True
        self.result = result.value if isinstance(result, Failure) else result


def take_all(peer_policy: Policy) -> Callable[[AssociateRequest, str], AssociateAccept | AssociateReject]:
    """Give what answers requests by a policy."""
    return lambda request, _peer: negotiate(request, peer_policy)


class Pair:
    """A requestor and an acceptor. `pump` moves bytes, `chunk` of them at a time, until none move any more."""

    def __init__(
        self,
        services: Mapping[CommandField, Service] | None = None,
        *,
        served_by_requestor: Mapping[CommandField, Service] | None = None,
        window: tuple[int, int] | None = None,
        taken_window: tuple[int, int] = UNLIMITED,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        response_seconds: float = 30.0,
        maximum_pdu: int = 16384,
        room: int = 1 << 18,
        chunk: int = 1 << 16,
        policy: Policy | None = None,
        listener: Listener | None = None,
        reactor: Any = None,
        contexts: tuple[ProposedContext, ...] = CONTEXTS,
    ) -> None:
        self.reactor = reactor or MemoryReactorClock()
        self.chunk = chunk
        roles = {CT: (True, True)} if served_by_requestor else {}
        policy = policy or Policy(
            choose=lambda _syntax, proposed: proposed[0],
            roles=lambda _sop_class, proposed: proposed,
            maximum_length=maximum_pdu,
            operations_window=taken_window,
        )
        self.listener = listener or Listener(
            Listening(
                take_all(policy),
                {ECHO: echo, **(services or {})},
                maximum_pdu=maximum_pdu,
                timeouts=timeouts,
                response_seconds=response_seconds,
            ),
            self.reactor,
        )
        asked = AssociateRequest("ARCHIVE", "CT1", contexts, maximum_length=maximum_pdu, operations_window=window, roles=roles)
        before = set(self.listener.exchanges)
        accepting = self.listener.buildProtocol(None)
        self.taken = accepting is not None
        if accepting is None:
            return
        self.answer = Waiter(
            connect(
                self.reactor,
                ("archive", 104),
                asked,
                services=served_by_requestor,
                timeouts=timeouts,
                response_seconds=response_seconds,
            )
        )
        (self.acceptor,) = self.listener.exchanges - before
        self.ends = [Transport("ct1", room), Transport("archive", room)]
        self.ends[0].other, self.ends[1].other = self.ends[1], self.ends[0]
        requesting: Connection = self.reactor.tcpClients[-1][2].buildProtocol(None)
        self.connections = [requesting, accepting]
        self.closed = [False, False]
        self.requestor_ended: Waiter
        self.acceptor_ended = Waiter(self.acceptor.closed())
        accepting.makeConnection(self.ends[1])
        requesting.makeConnection(self.ends[0])

    @classmethod
    def established(cls, *arguments: Any, **named: Any) -> Pair:
        """Make a pair with an association."""
        pair = cls(*arguments, **named)
        pair.pump()
        assert pair.answer.done
        assert isinstance(pair.answer.result, Exchange), pair.answer.result
        pair.requestor_ended = Waiter(pair.requestor.closed())
        return pair

    @property
    def requestor(self) -> Exchange:
        exchange = self.answer.result
        assert isinstance(exchange, Exchange)
        return exchange

    def exchange(self, side: int) -> Exchange:
        """Give the exchange of a side: 0 the requestor's, 1 the acceptor's."""
        return (self.requestor, self.acceptor)[side]

    def ended(self, side: int) -> Any:
        """Give why the association ended at a side, which it has."""
        waiter = (self.requestor_ended, self.acceptor_ended)[side]
        assert waiter.done
        return waiter.result

    def pump(self) -> None:
        """Move everything that moves."""
        while self.step(0) | self.step(1):
            self.reactor.advance(0)

    def step(self, side: int) -> bool:
        """Move a chunk from one side to the other, or its close; tell whether something moved."""
        end, other = self.ends[side], self.ends[1 - side]
        if end.out and end.other.reading and not other.closing and not self.closed[1 - side]:
            data = bytes(end.out[: self.chunk])
            del end.out[: self.chunk]
            self.connections[1 - side].dataReceived(data)
            if not end.out:
                end.moved()
            return True
        if end.closing and (not end.out or other.closing) and not all(self.closed):
            self.lose(ConnectionLost() if end.cut else ConnectionDone())
            return True
        return False

    def lose(self, reason: Exception | None = None) -> None:
        """Close the connection for both sides."""
        for number, connection in enumerate(self.connections):
            if not self.closed[number]:
                self.closed[number] = True
                connection.connectionLost(Failure(reason or ConnectionDone()))

    def say(self, data: bytes, side: int = 0) -> bytes:
        """Have a side hear bytes, as if its peer had sent them; give what it writes."""
        self.ends[side].out.clear()
        self.connections[side].dataReceived(data)
        return bytes(self.ends[side].out)


def status_of(result: object) -> int | None:
    """Give the status of a response that came."""
    assert isinstance(result, Response), result
    return result.command.status


def failed_with(waiter: Waiter, kind: type[DulError]) -> bool:
    """Tell whether a Deferred failed with an error of a kind."""
    return waiter.done and type(waiter.result) is kind
