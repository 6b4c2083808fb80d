"""Brokers for tests: procedures are Python functions, sign-on and contexts are taken as they come.

`InMemoryBroker` needs no port and no reactor, `ScriptedBroker` is a thread with a socket for clients that block.
"""

import contextlib
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure
from twisted.test import iosim

from xwb.answer import CHARSET, Argument, Response, SignOn
from xwb.array import LocalArray
from xwb.cipher import Cipher
from xwb.errors import ApplicationError, BadSubscript, CannotEncode, ConnectionLost, MError, SecurityRefused
from xwb.events import BYE, CONNECT, CallReceived, CommandReceived, Event, HeaderSkipped, Violated
from xwb.ns import NSDecoder
from xwb.parameters import GlobalParameter, ListParameter, Literal, Parameter, Reference
from xwb.results import ResultType, encode_m_error, encode_response, render
from xwb.twisted_client import BrokerProtocol

_iosim: Any = iosim  # it has no types

ScriptedArgument = str | dict[str | tuple[str, ...], str]
Answer = str | bytes | Sequence[str] | None
"""A single value, bytes as they go on the wire, lines (each ends with CR LF), or nothing."""

InMemoryHandler = Callable[[list[str | LocalArray[str]]], Answer]
ScriptedHandler = Callable[[list[Any]], Answer]


def _array(parameter: ListParameter | GlobalParameter) -> LocalArray[str]:
    return parameter.array().decoded(CHARSET)


def _as_dict(array: LocalArray[str]) -> dict[str | tuple[str, ...], str]:
    """Give a dictionary: the key of a first-level node is its subscript, that of a deeper one a tuple."""
    return {key[0] if len(key) == 1 else key: value for key, value in array.items()}


def python_value(parameter: Parameter) -> ScriptedArgument | None:
    """Give what a call was sent: text, or a list as a dictionary; None for what cannot be read."""
    match parameter:
        case Literal(value) | Reference(value):
            return value.decode(CHARSET)
        case ListParameter() | GlobalParameter():
            with contextlib.suppress(BadSubscript):
                return _as_dict(_array(parameter))
    return None


@dataclass
class ScriptedSession:
    """One session of a scripted broker without any I/O: bytes in, bytes out.

    `users` maps `ACCESS;VERIFY` to a DUZ; None takes any codes for DUZ 1. `as_dict` hands lists over as dictionaries. A
    procedure may raise SecurityRefused, ApplicationError or MError, which are sent as such, and ConnectionLost, which
    closes without an answer; what else it raises is answered as an M error. `closed` tells that the connection is to be
    closed.
    """

    handlers: Mapping[str, Callable[[list[Any]], Answer]]
    users: Mapping[str, int] | None = None
    as_dict: bool = False
    calls: list[tuple[str, list[Any]]] = field(default_factory=list)
    closed: bool = False
    duz: int = 0
    context: str = ""
    _decoder: NSDecoder = field(default_factory=NSDecoder)

    def receive_data(self, data: bytes) -> bytes:
        """Take bytes from the client and give those that answer them."""
        self._decoder.receive_data(data)
        answers = []
        while not self.closed and (event := self._decoder.next_event()) is not None:
            answers.append(self._answer(event))
        return b"".join(answers)

    def _answer(self, event: Event) -> bytes:
        match event:
            case CommandReceived(name) if name == BYE:
                self.closed = True
                return encode_response(BYE)
            case CommandReceived(name) if name == CONNECT:
                return encode_response(b"accept")
            case CallReceived(reply=reply):
                answer = self._call(event)
                return answer if reply else b""
            case Violated():
                self.closed = True
                return b""
            case HeaderSkipped():
                return b""
        return encode_response(b"", security=b"No RPC sent")

    def _call(self, event: CallReceived) -> bytes:
        name = event.name.decode(CHARSET)
        try:
            arguments = [self._argument(parameter) for parameter in event.parameters]
            self.calls.append((name, arguments))
            handler = self.handlers.get(name) or self._sign_on_handlers().get(name)
            if handler is None:
                raise SecurityRefused(f"Remote Procedure '{name}' doesn't exist on the server.")
            return encode_response(_data(handler(arguments)))
        except SecurityRefused as error:
            return encode_response(error.data, security=_encoded(error.text))
        except ApplicationError as error:
            return encode_response(error.data, application=_encoded(error.text))
        except MError as error:
            return encode_m_error(_encoded(error.text), _encoded(error.last_reference))
        except ConnectionLost:
            self.closed = True
            return b""
        except Exception as error:  # whatever a test's procedure raises is what a faulty procedure does: an M error
            return encode_m_error(_encoded(f"{type(error).__name__}: {error}"))

    def _argument(self, parameter: Parameter) -> Any:
        match parameter:
            case Literal(value) | Reference(value):
                return value.decode(CHARSET)
            case ListParameter() | GlobalParameter():
                array = _array(parameter)
                return _as_dict(array) if self.as_dict else array
        raise CannotEncode("An empty parameter is no argument.")

    def _sign_on_handlers(self) -> dict[str, Callable[[list[Any]], Answer]]:
        return {
            "XUS SIGNON SETUP": lambda _: ["TEST", "ROU", "VAH", "/dev/null", "5", "0", "TEST.EXAMPLE", "0"],
            "XUS INTRO MSG": lambda _: ["A broker for tests"],
            "XUS AV CODE": self._sign_on,
            "XWB CREATE CONTEXT": self._create_context,
            "XWB IM HERE": lambda _: "1",
            "XWB GET BROKER INFO": lambda _: ["180"],
            "XUS GET USER INFO": lambda _: [str(self.duz), "TESTER,TERRY", "Terry Tester", "", "", "", "", "300"],
        }

    def _sign_on(self, arguments: list[Any]) -> Answer:
        codes = Cipher.standard().decipher(str(arguments[0]).encode(CHARSET)).decode(CHARSET)
        self.duz = 1 if self.users is None else self.users.get(codes, 0)
        if not self.duz:
            return ["0", "0", "0", "Not a valid ACCESS CODE/VERIFY CODE pair.", "0", "0"]
        return [str(self.duz), "0", "0", "", "0", "0", "", "Good morning"]

    def _create_context(self, arguments: list[Any]) -> Answer:
        self.context = Cipher.standard().decipher(str(arguments[0]).encode(CHARSET)).decode(CHARSET)
        return "1"


def _encoded(text: str) -> bytes:
    return text.encode(CHARSET, "replace")


def _data(answer: Answer) -> bytes:
    if answer is None:
        return b""
    if isinstance(answer, bytes):
        return answer
    if isinstance(answer, str):
        return _encoded(answer)
    return render(ResultType.ARRAY, False, [_encoded(line) for line in answer])


class _SessionProtocol(Protocol):
    """A scripted session on a Twisted transport."""

    def __init__(self, session: ScriptedSession) -> None:
        self._session = session

    def dataReceived(self, data: bytes) -> None:  # noqa: N802  # Twisted's name
        """Answer what came."""
        transport: Any = self.transport
        if answer := self._session.receive_data(data):
            transport.write(answer)
        if self._session.closed:
            transport.loseConnection()


@dataclass
class InMemoryBroker(Factory):
    """A Twisted factory of scripted sessions, for `connect_in_memory` or a real listener.

    Lists reach a procedure as LocalArray of text; `calls` collects every call with its arguments.
    """

    procedures: Mapping[str, InMemoryHandler]
    users: Mapping[str, int] | None = None
    calls: list[tuple[str, list[Any]]] = field(default_factory=list)
    noisy = False

    def buildProtocol(self, addr: object) -> Protocol:  # noqa: N802  # Twisted's name
        """Begin a session."""
        return _SessionProtocol(ScriptedSession(self.procedures, self.users, calls=self.calls))

    def connect(self) -> "InMemoryConnection":
        """Give a connected client."""
        return connect_in_memory(self)


class InMemoryConnection:
    """A client and a server protocol joined without a network.

    The methods are those of the blocking client: each passes bytes to and fro until the answer is there, and raises
    ConnectionLost when it will not come by itself (a server that waits for a clock or a thread: use `client` and `pump`
    then).
    """

    def __init__(self, client: BrokerProtocol, server: IProtocol, pump: Any) -> None:
        self.client = client
        self.server = server
        self.pump = pump

    def call(self, name: str, *arguments: Argument) -> Response:
        """Call a remote procedure."""
        response: Response = self.result(self.client.call(name, *arguments))
        return response

    def sign_on(self, access: str, verify: str) -> SignOn:
        """Sign on with access and verify code."""
        signed_on: SignOn = self.result(self.client.sign_on(access, verify))
        return signed_on

    def create_context(self, name: str) -> None:
        """Enter a context."""
        self.result(self.client.create_context(name))

    def bye(self) -> None:
        """Take leave."""
        self.result(self.client.bye())

    def flush(self) -> None:
        """Pass on everything that waits in either direction."""
        self.pump.flush()

    def result(self, deferred: "Deferred[Any]") -> Any:
        """Pass bytes to and fro and give what the Deferred gives."""
        outcome: list[Any] = []
        deferred.addBoth(outcome.append)
        self.pump.flush()
        if not outcome:
            raise ConnectionLost("The answer does not come without a clock or a thread.")
        if isinstance(outcome[0], Failure):
            outcome[0].raiseException()
        return outcome[0]


def connect_in_memory(factory: Any, *, cipher: Cipher | None = None, address: str = "127.0.0.1") -> InMemoryConnection:
    """Connect a Twisted client to a protocol of a server factory through memory, and introduce it.

    `address` is the peer address that the server sees. Raises ConnectionRejected when the server does not accept.
    """
    client_address, server_address = IPv4Address("TCP", address, 49152), IPv4Address("TCP", "127.0.0.1", 9430)
    server = factory.buildProtocol(client_address)
    if server is None:
        raise ConnectionLost("The factory takes no connection.")
    client = BrokerProtocol(cipher=cipher)
    pump = _iosim.connect(
        server,
        _iosim.FakeTransport(server, isServer=True, hostAddress=server_address, peerAddress=client_address),
        client,
        _iosim.FakeTransport(client, isServer=False, hostAddress=client_address, peerAddress=server_address),
    )
    connection = InMemoryConnection(client, server, pump)
    connection.result(client.introduce())
    return connection


class ScriptedBroker:
    """A broker on a loopback port of its own, in threads; a context manager.

    Lists reach a handler as dictionaries. Handlers run in the connection's thread, so one may block to keep an answer
    back. `calls` collects every call with its arguments, sign-on included; `sessions` tell DUZ and context.
    """

    def __init__(self, handlers: Mapping[str, ScriptedHandler] | None = None, users: Mapping[str, int] | None = None) -> None:
        self.handlers: dict[str, ScriptedHandler] = dict(handlers or {})
        self.users = users
        self.calls: list[tuple[str, list[Any]]] = []
        self.sessions: list[ScriptedSession] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host, self.port = self._listener.getsockname()[:2]
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def calls_of(self, name: str) -> list[list[Any]]:
        """Give the arguments of every call of one procedure."""
        return [arguments for called, arguments in list(self.calls) if called == name]

    def drop_connections(self) -> None:
        """Close every connection as a broker that dies does; new ones are taken."""
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            _shut(connection)

    def close(self) -> None:
        """Stop listening, close every connection and wait for the threads."""
        self._closing.set()
        _shut(self._listener)
        self._listener.close()
        self.drop_connections()
        for thread in list(self._threads):
            thread.join(timeout=10)

    def _start(self, target: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True, name="scripted-broker")
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._connections.add(connection)
            if self._closing.is_set():
                _shut(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        session = ScriptedSession(self.handlers, self.users, as_dict=True, calls=self.calls)
        self.sessions.append(session)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while not session.closed and (data := connection.recv(65536)):
                connection.sendall(session.receive_data(data))
        except OSError:
            pass  # the client or `drop_connections` closed it
        finally:
            with self._lock:
                self._connections.discard(connection)
            connection.close()


def _shut(connection: socket.socket) -> None:
    """Wake whoever waits on a socket, and say the end to its peer."""
    with contextlib.suppress(OSError):  # it is shut already
        connection.shutdown(socket.SHUT_RDWR)
