"""A client for Twisted: calls give Deferreds and are answered in order."""

import typing
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.error import TimeoutError as ConnectTimeout
from twisted.internet.interfaces import ITCPTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from xwb.answer import CHARSET, Argument, Response, SignOn, interpret, read_sign_on, to_parameter
from xwb.cipher import Cipher
from xwb.client import TIMEOUT
from xwb.encode import encode_bye, encode_call, encode_connect
from xwb.errors import AnswerTooLong, ConnectionLost, ConnectionRejected, TimedOut, XWBError
from xwb.results import RESPONSE_LIMIT, ResponseDecoder, ResponseReceived


class Timer(typing.Protocol):
    """What a clock gives for a call to come."""

    def active(self) -> bool:
        """Tell whether the call is still to come."""

    def cancel(self) -> None:
        """Take the call back."""


class Clock(typing.Protocol):
    """The part of a reactor that keeps time (IReactorTime), or a `task.Clock`."""

    def callLater(  # noqa: N802  # Twisted's name
        self, delay: float, callable: Callable[..., object], *args: object
    ) -> typing.Any:
        """Call back after so many seconds."""


class Endpoint(typing.Protocol):
    """Where to connect to (IStreamClientEndpoint)."""

    def connect(self, protocolFactory: typing.Any) -> "Deferred[typing.Any]":  # noqa: N803  # Twisted's name
        """Connect and give the factory's protocol."""


@dataclass(frozen=True, slots=True, eq=False)
class _Request:
    data: bytes
    answered: "Deferred[ResponseReceived]"


class BrokerProtocol(Protocol):
    """Talk to a broker over `[XWB]`.

    One request is on its way at a time; the others wait in order. The loss of the connection fails them all with
    ConnectionLost. With a `clock` an exchange may take `timeout` seconds; then the connection is dropped and the
    requests fail with TimedOut. Cancelling a call that has been sent leaves its answer to be thrown away. `closed`
    fires once when the connection is gone.
    """

    def __init__(
        self,
        *,
        cipher: Cipher | None = None,
        clock: Clock | None = None,
        timeout: float = TIMEOUT,
        limit_bytes: int = RESPONSE_LIMIT,
        name: str = "xwb",
        charset: str = CHARSET,
    ) -> None:
        self.name = name
        self.charset = charset
        self.timeout = timeout
        self.closed: Deferred[None] = Deferred()
        self._cipher = cipher or Cipher.standard()
        self._clock = clock
        self._decoder = ResponseDecoder(limit_bytes)
        self._waiting: deque[_Request] = deque()
        self._sent: _Request | None = None
        self._timer: Timer | None = None
        self._lost: XWBError | None = None

    def connectionMade(self) -> None:  # noqa: N802  # Twisted's name
        """Send small messages at once."""
        if ITCPTransport.providedBy(self._wire):
            self._wire.setTcpNoDelay(True)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802  # Twisted's name
        """Hand a whole response to the request that it answers."""
        if self._sent is None:
            self._drop(ConnectionLost("The broker sent data that nobody asked for."))
            return
        self._decoder.receive_data(data)
        if self._decoder.overflowed:
            self._drop(AnswerTooLong())
            return
        response = self._decoder.next_event()
        if response is not None:
            request, self._sent = self._sent, None
            self._stop_timer()
            if not request.answered.called:
                request.answered.callback(response)
            self._send_next()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802  # Twisted's name
        """Fail what waits for an answer."""
        self._stop_timer()
        if self._lost is None:
            ended = isinstance(reason.value, ConnectionDone)
            self._lost = ConnectionLost(None if ended else f"The connection to the broker was lost: {reason.value}")
        requests = [*([self._sent] if self._sent else []), *self._waiting]
        self._sent = None
        self._waiting.clear()
        for request in requests:
            if not request.answered.called:
                request.answered.errback(self._lost)
        self.closed.callback(None)

    def introduce(self) -> "Deferred[BrokerProtocol]":
        """Send the first message of a connection; fails with ConnectionRejected when the broker takes nobody."""
        host = getattr(self._wire.getHost(), "host", "127.0.0.1")
        request = encode_connect(str(host).encode("ascii", "replace"), self.name.encode(self.charset, "replace"))

        def accepted(response: ResponseReceived) -> BrokerProtocol:
            if response.data != b"accept":
                error = ConnectionRejected()
                self._drop(error)
                raise error
            return self

        return self._exchange(request).addCallback(accepted)

    def sign_on(self, access: str, verify: str) -> "Deferred[SignOn]":
        """Sign on with access and verify code; fails with SignOnRefused."""
        codes = self._cipher.encipher(f"{access};{verify}".encode(self.charset, "replace"))
        setup = self.call("XUS SIGNON SETUP")
        return setup.addCallback(lambda _: self.call("XUS AV CODE", codes)).addCallback(read_sign_on)

    def create_context(self, name: str) -> "Deferred[None]":
        """Enter a context; fails with SecurityRefused."""
        created = self.call("XWB CREATE CONTEXT", self._cipher.encipher(name.encode(self.charset, "replace")))
        return created.addCallback(lambda _: None)

    def call(self, name: str, *arguments: Argument) -> "Deferred[Response]":
        """Call a remote procedure; fails with SecurityRefused, ApplicationError, MError or ConnectionLost.

        Raises CannotEncode or BadSubscript at once for arguments that have no form on the wire.
        """
        parameters = [to_parameter(argument, self.charset) for argument in arguments]
        request = encode_call(name.encode(self.charset, "replace"), parameters)
        return self._exchange(request).addCallback(interpret, self.charset)

    def bye(self) -> "Deferred[None]":
        """Take leave; the Deferred fires when the connection is gone, also when it was gone already."""

        def gone(_: object) -> Deferred[None]:
            if not self.closed.called:
                self._wire.loseConnection()
            ended: Deferred[None] = Deferred()
            self.closed.addCallback(lambda _: ended.callback(None))
            return ended

        return self._exchange(encode_bye()).addBoth(gone)

    def _exchange(self, data: bytes) -> "Deferred[ResponseReceived]":
        answered: Deferred[ResponseReceived] = Deferred(self._cancelled)
        if self._lost is not None:
            answered.errback(self._lost)
            return answered
        self._waiting.append(_Request(data, answered))
        self._send_next()
        return answered

    def _cancelled(self, answered: "Deferred[ResponseReceived]") -> None:
        self._waiting = deque(request for request in self._waiting if request.answered is not answered)

    def _send_next(self) -> None:
        if self._sent is not None or not self._waiting or self._lost is not None:
            return
        self._sent = self._waiting.popleft()
        if self._clock is not None:
            self._timer = self._clock.callLater(self.timeout, self._drop, TimedOut())
        self._wire.write(self._sent.data)

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def _drop(self, error: XWBError) -> None:
        """Give the connection up; whatever waits fails with this error once the transport says that it is gone."""
        if self._lost is None:
            self._lost = error
        getattr(self._wire, "abortConnection", self._wire.loseConnection)()

    @property
    def _wire(self) -> typing.Any:
        """The transport; its interfaces are unknown to type checkers."""
        return self.transport


def connect_broker(endpoint: Endpoint, **settings: typing.Any) -> "Deferred[BrokerProtocol]":
    """Connect through an endpoint and introduce the client; `settings` are those of BrokerProtocol.

    Fails with ConnectionLost, or ConnectionRejected when the broker takes nobody.
    """

    def introduce(protocol: BrokerProtocol) -> "Deferred[BrokerProtocol]":
        return protocol.introduce()

    def failed(failure: Failure) -> typing.NoReturn:
        error = failure.value
        if isinstance(error, XWBError):
            raise error
        if isinstance(error, ConnectTimeout):
            raise TimedOut from error
        raise ConnectionLost(f"No connection: {error}") from error

    connected = endpoint.connect(Factory.forProtocol(lambda: BrokerProtocol(**settings)))
    return connected.addCallbacks(introduce, failed)
