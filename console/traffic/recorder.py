"""A proxy that passes bytes on at once and unchanged, and records the exchanges that it sees."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IHalfCloseableProtocol,
    IReactorTCP,
    IReactorTime,
    ITCPTransport,
)
from twisted.internet.protocol import ClientFactory, Protocol, ServerFactory, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from console.addresses import listen
from console.errors import ConsoleError
from console.traffic.conversation import LIMIT_BYTES, Conversation
from console.traffic.exchange import Exchange, error_of, to_json
from console.traffic.masking import Masker
from xwb import Cipher

log = logging.getLogger(__name__)

QUIET_SECONDS = 0.25
"""After so long without a byte an answer that looks whole is written."""

CONNECTIONS_LIMIT = 100
CONNECT_SECONDS = 30.0


class ProxyReactor(IReactorTCP, IReactorTime):
    """What a proxy needs of the reactor."""


class Recording:
    """The file that a recording goes to: one line for each exchange, masked.

    A line is handed to the system before the next: it outlives the recorder, though not the machine.

    An existing file is not touched, since its pseudonyms are others'. When a line cannot be written (the disk is full)
    `failed` says why, and nothing more is written; the proxy goes on.
    """

    def __init__(self, path: Path, masker: Masker, cipher: Cipher) -> None:
        self.path = path
        self.failed = ""
        self._masker = masker
        self._cipher = cipher
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError as error:
            raise ConsoleError(
                f"{path} exists, and a recording is not mixed with another: name a new file with --out, or move this one away."
            ) from error
        except OSError as error:
            raise ConsoleError(f"{path} cannot be written: {error.strerror}.") from error
        self._file: IO[str] = os.fdopen(descriptor, "w", encoding="utf-8")

    def write(self, exchange: Exchange) -> Exchange:
        """Mask and write an exchange; give it as it was written."""
        masked = self._masker.mask(exchange)
        if not self.failed:
            try:
                self._file.write(to_json(masked, self._cipher) + "\n")
                self._file.flush()
            except OSError as error:
                self.failed = f"{self.path} cannot be written: {error.strerror}"
                log.error("%s; recording ends, the proxy goes on", self.failed)
        return masked

    def discard(self) -> None:
        """Close the file, and take it away while it is empty: it would stand in the way of the next try."""
        self.close()
        with suppress(OSError):
            if self.path.stat().st_size == 0:
                self.path.unlink()

    def close(self) -> None:
        """Close the file."""
        try:
            self._file.close()
        except OSError as error:
            self.failed = self.failed or f"{self.path} cannot be written: {error.strerror}"


@dataclass(slots=True)
class Summary:
    """What a recording has seen."""

    connections: int = 0
    exchanges: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)
    masked: Counter[str] = field(default_factory=Counter)

    def add(self, exchange: Exchange) -> None:
        """Count an exchange."""
        self.exchanges += 1
        name = exchange.rpc if exchange.rpc in self.calls or len(self.calls) < _NAMES_LIMIT else _OTHERS
        self.calls[name] += 1
        self.seconds[name] = self.seconds.get(name, 0.0) + exchange.elapsed
        self.errors[name] += bool(error_of(exchange))
        self.masked.update(kind for _, kind in exchange.masked)


_NAMES_LIMIT, _OTHERS = 1000, "(others)"


class Recorder:
    """Listens, connects each client to the upstream broker, and records.

    `told` is called with every exchange as it was written, and with every line about a connection. At most `most` clients
    are taken at a time.
    """

    def __init__(
        self,
        reactor: ProxyReactor,
        upstream: tuple[str, int],
        recording: Recording,
        told: Callable[[Exchange | str], None],
        limit_bytes: int = LIMIT_BYTES,
        most: int = CONNECTIONS_LIMIT,
    ) -> None:
        self.reactor = reactor
        self.upstream = upstream
        self.limit_bytes = limit_bytes
        self.most = most
        self.summary = Summary()
        self._recording = recording
        self._told = told
        self._sides: set[_Side] = set()
        self._port: Any = None

    def start(self, port: int, interface: str = "127.0.0.1") -> int:
        """Listen; give the port. Raises ConsoleError when it is taken; the recording is given up then."""
        try:
            self._port = listen(self.reactor, port, _Clients(self), interface)
        except ConsoleError:
            self._recording.discard()
            raise
        return int(self._port.getHost().port)

    def stop(self) -> None:
        """Close everything; what is not written yet is written."""
        if self._port is not None:
            self._port.stopListening()
        for side in list(self._sides):
            side.tape.end(by_server=False)
            side.abort()
        self._recording.close()

    @property
    def open(self) -> int:
        """How many clients are connected."""
        return sum(isinstance(side, ClientSide) for side in self._sides)

    def keep(self, exchanges: list[Exchange]) -> None:
        """Write exchanges that are over."""
        for exchange in exchanges:
            written = self._recording.write(exchange)
            self.summary.add(written)
            self._told(written)

    def say(self, text: str) -> None:
        """Tell something about a connection."""
        self._told(text)

    def joined(self, side: _Side) -> None:
        """Note a side of a connection."""
        self._sides.add(side)

    def left(self, side: _Side) -> None:
        """Forget a side of a connection."""
        self._sides.discard(side)


class _Tape:
    """The recording of one connection: its conversation, and the timer that ends an answer."""

    def __init__(self, recorder: Recorder, number: int) -> None:
        self.number = number
        self._recorder = recorder
        self._conversation = Conversation(number, recorder.limit_bytes)
        self._timer: IDelayedCall | None = None
        self._broken = False

    def client_sent(self, data: bytes) -> None:
        """Note what the client sent."""
        self._keep(lambda now: self._conversation.client_sent(data, now))

    def server_sent(self, data: bytes) -> None:
        """Note what the broker sent; a silence after it may end the answer."""
        self._keep(lambda now: self._conversation.server_sent(data, now))
        if not self._broken and self._conversation.settled:
            self._timer = self._recorder.reactor.callLater(QUIET_SECONDS, self._keep, self._conversation.quiet)

    def end(self, *, by_server: bool) -> None:
        """Note that the connection is over; saying it again changes nothing."""
        self._keep(lambda now: self._conversation.ended(now, by_server=by_server))

    def _keep(self, work: Callable[[float], list[Exchange]]) -> None:
        """Write what is over. Whatever fails here does not reach the connection, which goes on unrecorded."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        if self._broken:
            return
        try:
            self._recorder.keep(work(float(self._recorder.reactor.seconds())))
        except Exception:  # a fault of the recorder's own must not break what it only watches
            self._broken = True
            log.exception("connection %d is not recorded any more", self.number)
            self._recorder.say(f"connection {self.number} is not recorded any more: see the log")


@implementer(IHalfCloseableProtocol)
class _Side(Protocol):
    """One side of a proxied connection; the peer is the other.

    Either side's end of sending is passed on as such; an abort as an abort. A side that does not read stops the other
    from being read.
    """

    def __init__(self, recorder: Recorder, tape: _Tape) -> None:
        self.recorder = recorder
        self.tape = tape
        self.peer: _Side | None = None
        self.read_ended = False
        self.gone = False

    @property
    def wire(self) -> Any:
        """The transport; its interfaces are unknown to type checkers."""
        return self.transport

    def connectionMade(self) -> None:  # noqa: N802  Twisted's name
        """Send small messages at once."""
        if ITCPTransport.providedBy(self.wire):
            self.wire.setTcpNoDelay(True)
        self.recorder.joined(self)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802  Twisted's name
        """Pass bytes on, then note them."""
        if self.peer is not None:
            self.peer.wire.write(data)
        self.note(data)

    def note(self, data: bytes) -> None:
        """Note bytes of this side."""

    def readConnectionLost(self) -> None:  # noqa: N802  Twisted's name
        """Pass on that this side sends no more."""
        self.read_ended = True
        peer = self.peer
        if peer is None:
            self.abort()
            return
        peer.wire.unregisterProducer()
        if peer.read_ended:
            peer.wire.loseConnection()
            self.wire.loseConnection()
        else:
            peer.wire.loseWriteConnection()

    def writeConnectionLost(self) -> None:  # noqa: N802  Twisted's name
        """Nothing: this side still sends; Twisted says so too when we have closed our sending half."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802  Twisted's name
        """Pass on that this side is gone."""
        self.gone = True
        self.recorder.left(self)
        self.over()
        peer, self.peer = self.peer, None
        if peer is None:
            return
        peer.peer = None
        peer.wire.unregisterProducer()
        if isinstance(reason.value, ConnectionDone):
            peer.wire.loseConnection()
        else:
            peer.abort()

    def over(self) -> None:
        """Note that nothing more comes back to the client."""

    def abort(self) -> None:
        """Cut this side."""
        self.wire.abortConnection()


class ClientSide(_Side):
    """The side of the client. It is not read before the broker is connected."""

    _connector: Any = None

    def connectionMade(self) -> None:  # noqa: N802  Twisted's name
        """Connect to the upstream broker."""
        super().connectionMade()
        self.wire.pauseProducing()
        host, port = self.recorder.upstream
        self._connector = self.recorder.reactor.connectTCP(host, port, _Upstream(self), timeout=CONNECT_SECONDS)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802  Twisted's name
        """Give up connecting, or pass it on."""
        super().connectionLost(reason)
        if self._connector is not None and self._connector.state == "connecting":
            self._connector.stopConnecting()

    def note(self, data: bytes) -> None:
        """Note what the client sent."""
        self.tape.client_sent(data)

    def over(self) -> None:
        """End the recording: the client is gone."""
        self.tape.end(by_server=False)


class ServerSide(_Side):
    """The side of the broker, which joins its client when it is connected."""

    def __init__(self, client: ClientSide) -> None:
        super().__init__(client.recorder, client.tape)
        self._client = client

    def connectionMade(self) -> None:  # noqa: N802  Twisted's name
        """Begin to pass bytes, in both directions and with the pace of who reads."""
        super().connectionMade()
        client = self._client
        if client.gone:
            self.abort()
            return
        self.peer, client.peer = client, self
        self.wire.registerProducer(client.wire, True)
        client.wire.registerProducer(self.wire, True)
        client.wire.resumeProducing()

    def note(self, data: bytes) -> None:
        """Note what the broker sent."""
        self.tape.server_sent(data)

    def readConnectionLost(self) -> None:  # noqa: N802  Twisted's name
        """End the recording, and pass it on."""
        self.over()
        super().readConnectionLost()

    def over(self) -> None:
        """End the recording; the broker closed unless the client had done so."""
        self.tape.end(by_server=not (self._client.gone or self._client.read_ended))


class _Clients(ServerFactory):
    """Makes the client's side of a connection, up to a number of connections."""

    noisy = False

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder

    def buildProtocol(self, address: IAddress | None) -> Protocol | None:  # noqa: N802  Twisted's name
        """Take a client, or nobody when there are too many."""
        recorder = self.recorder
        if recorder.open >= recorder.most:
            recorder.say(f"refused a connection: {recorder.most} are open")
            return None
        recorder.summary.connections += 1
        number = recorder.summary.connections
        recorder.say(f"connection {number} from {getattr(address, 'host', 'unknown')}")
        return ClientSide(recorder, _Tape(recorder, number))


class _Upstream(ClientFactory):
    """Makes the server's side of a connection and joins it to the client's."""

    noisy = False

    def __init__(self, client: ClientSide) -> None:
        self.client = client

    def buildProtocol(self, address: IAddress | None) -> Protocol | None:  # noqa: N802  Twisted's name
        """Join both sides."""
        return ServerSide(self.client)

    def clientConnectionFailed(self, connector: object, reason: Failure) -> None:  # noqa: N802  Twisted's name
        """Cut the client: the broker would have."""
        if self.client.gone:
            return
        recorder = self.client.recorder
        host, port = recorder.upstream
        recorder.say(f"connection {self.client.tape.number}: {host}:{port} cannot be reached: {reason.getErrorMessage()}")
        self.client.abort()
