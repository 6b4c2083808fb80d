"""A client that blocks: one socket, one call at a time."""

import select
import socket
import ssl
from collections.abc import Callable
from time import perf_counter
from types import TracebackType
from typing import Self

from xwb.answer import CHARSET, Argument, Response, SignOn, interpret, read_sign_on, to_parameter
from xwb.cipher import Cipher
from xwb.encode import encode_bye, encode_call, encode_connect
from xwb.errors import AnswerTooLong, ConnectionLost, ConnectionRejected, TimedOut
from xwb.results import RESPONSE_LIMIT, ResponseDecoder, ResponseReceived

TIMEOUT = 30.0
"""Seconds for one exchange; VA clients use the same limit."""

Observe = Callable[[bytes, bytes, float], None]
"""Is told of each exchange: what was sent, what came, whole or not, and the seconds that it took."""


class BrokerClient:
    """Talk to a broker over `[XWB]`.

    Use it as a context manager, or call `connect` and `bye`. One thread may use it at a time. After ConnectionLost, or
    its kinds TimedOut and AnswerTooLong, it is closed; `connect` starts over with a new, unsigned session. `timeout` is
    in seconds and for each exchange, `limit_bytes` for each answer. With `tls` the connection is TLS from the first
    byte. `observe` sees the bytes, codes included.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        timeout: float = TIMEOUT,
        limit_bytes: int = RESPONSE_LIMIT,
        cipher: Cipher | None = None,
        name: str = "xwb",
        charset: str = CHARSET,
        tls: ssl.SSLContext | None = None,
        observe: Observe | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.timeout = timeout
        self.limit_bytes = limit_bytes
        self.name = name
        self.charset = charset
        self._cipher = cipher or Cipher.standard()
        self._tls = tls
        self._observe = observe
        self._socket: socket.socket | None = None
        self._decoder = ResponseDecoder(limit_bytes)

    def __enter__(self) -> Self:
        return self if self.connected else self.connect()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if kind is None:
            self.bye()
        else:
            self.close()

    @property
    def connected(self) -> bool:
        """Whether there is a connection, as far as this end knows."""
        return self._socket is not None

    def was_left(self) -> bool:
        """Tell whether the broker closed the connection since the last answer, as it does with sessions that are idle."""
        if self._socket is None:
            return True
        readable, _, _ = select.select([self._socket], [], [], 0)  # nothing is to come now, but an end
        return bool(readable)

    def connect(self) -> Self:
        """Connect and introduce the client. Raises ConnectionLost, or ConnectionRejected by a full broker."""
        self.close()
        try:
            connection = socket.create_connection((self.host, self.port), timeout=self.timeout)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_hostname=self.host)
        except TimeoutError as error:
            raise TimedOut from error
        except OSError as error:
            raise ConnectionLost(f"No connection to {self.host}:{self.port}: {error}") from error
        self._socket = connection
        address = connection.getsockname()[0].encode("ascii")
        answer = self._exchange(encode_connect(address, self.name.encode(self.charset, "replace")))
        if answer.data != b"accept":
            self.close()
            raise ConnectionRejected
        return self

    def sign_on(self, access: str, verify: str) -> SignOn:
        """Sign on with access and verify code. Raises SignOnRefused; the session can try again then."""
        self.call("XUS SIGNON SETUP")
        codes = self._cipher.encipher(f"{access};{verify}".encode(self.charset, "replace"))
        return read_sign_on(self.call("XUS AV CODE", codes))

    def create_context(self, name: str) -> None:
        """Enter a context, an OPTION of type B; an empty name leaves the present one. Raises SecurityRefused."""
        self.call("XWB CREATE CONTEXT", self._cipher.encipher(name.encode(self.charset, "replace")))

    def call(self, name: str, *arguments: Argument) -> Response:
        """Call a remote procedure. Raises SecurityRefused, ApplicationError or MError, and ConnectionLost."""
        parameters = [to_parameter(argument, self.charset) for argument in arguments]
        request = encode_call(name.encode(self.charset, "replace"), parameters)
        return interpret(self._exchange(request), self.charset)

    def bye(self) -> None:
        """Take leave and close; a connection that is gone already is no error."""
        if self._socket is None:
            return
        try:
            self._exchange(encode_bye())
        except ConnectionLost:
            pass
        finally:
            self.close()

    def close(self) -> None:
        """Close without a word."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._decoder = ResponseDecoder(self.limit_bytes)

    def _exchange(self, request: bytes) -> ResponseReceived:
        if self._socket is None:
            raise ConnectionLost("There is no connection to the broker.")
        began, received = perf_counter(), bytearray()
        try:
            self._socket.settimeout(self.timeout)
            self._socket.sendall(request)
            return self._read(self._socket, received)
        except TimeoutError as error:
            self.close()
            raise TimedOut from error
        except OSError as error:
            self.close()
            raise ConnectionLost(f"The connection to the broker was lost: {error}") from error
        except KeyboardInterrupt:  # the answer would be taken for the next one's
            self.close()
            raise
        finally:
            if self._observe is not None:
                self._observe(request, bytes(received), perf_counter() - began)

    def _read(self, connection: socket.socket, received: bytearray) -> ResponseReceived:
        while (response := self._decoder.next_event()) is None:
            data = connection.recv(65536)
            if not data:
                self.close()
                raise ConnectionLost
            if self._observe is not None:
                received += data
            self._decoder.receive_data(data)
            if self._decoder.overflowed:
                self.close()
                raise AnswerTooLong
        return response
