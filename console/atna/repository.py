"""The connection to the Audit Record Repository: TLS, TCP or UDP. What the peer's system has taken is known, by the socket."""

from __future__ import annotations

import fcntl
import logging
import select
import socket
import ssl
import struct
import termios
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from console.atna.syslog import framed
from console.errors import ConsoleError
from runtime import AtnaSettings

log = logging.getLogger(__name__)

#: Bytes of the longest datagram (RFC 5426 3.2: at least 2048, and never more than this).
LONGEST_DATAGRAM = 65_000
#: Seconds between two looks whether the peer's system has taken what was sent.
_TAKEN_EVERY = 0.01
_SHUT = b""


class NotReached(ConsoleError):
    """The Audit Record Repository is not reached."""


@dataclass(slots=True)
class Repository:
    """Sends messages; one thread uses it. A connection is opened when something is to be sent."""

    settings: AtnaSettings
    _socket: socket.socket | None = field(default=None)

    def send(self, messages: Sequence[bytes]) -> None:
        """Send messages, and wait until the peer's system has taken them. Raises NotReached, with the connection closed."""
        try:
            if self._socket is None:
                self._socket = self._connect()
            if self.settings.transport == "udp":
                self._send_datagrams(self._socket, messages)
                return
            self._socket.sendall(b"".join(framed(it) for it in messages))
            self._await_taken(self._socket)
            self._check(self._socket)
        except (OSError, ValueError) as error:
            self.close()
            where = f"{self.settings.host}, port {self.settings.port}"
            raise NotReached(f"The Audit Record Repository at {where}: {error or type(error).__name__}") from error

    def check(self) -> bool:
        """Tell whether the connection still stands."""
        if self._socket is None:
            return False
        if self.settings.transport == "udp":
            return True
        try:
            self._check(self._socket)
        except OSError:
            self.close()
            return False
        return True

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connect(self) -> socket.socket:
        settings = self.settings
        if settings.transport == "udp":
            family, kind, protocol, _name, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_DGRAM)[0]
            datagrams = socket.socket(family, kind, protocol)
            datagrams.connect(address)
            return datagrams
        connection = socket.create_connection((settings.host, settings.port), settings.timeout_seconds)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if settings.transport == "tls":
                return self._context().wrap_socket(connection, server_hostname=settings.host)
        except BaseException:
            connection.close()
            raise
        return connection

    def _context(self) -> ssl.SSLContext:
        settings = self.settings
        context = ssl.create_default_context(cafile=None if settings.authorities is None else str(settings.authorities))
        if settings.certificate is not None:
            context.load_cert_chain(settings.certificate, settings.key)
        return context

    def _send_datagrams(self, connection: socket.socket, messages: Sequence[bytes]) -> None:
        for message in messages:
            if len(message) > LONGEST_DATAGRAM:
                log.error("an audit message of %d bytes is too long for a datagram, and left out", len(message))
                continue
            connection.send(message)

    def _await_taken(self, connection: socket.socket) -> None:
        """Wait until the peer's system has acknowledged every byte. Raises TimeoutError."""
        until = time.monotonic() + self.settings.timeout_seconds
        while _unacknowledged(connection):
            if time.monotonic() > until:
                raise TimeoutError("what was sent is not acknowledged")
            time.sleep(_TAKEN_EVERY)

    def _check(self, connection: socket.socket) -> None:
        """See whether the peer has closed the connection. Raises ConnectionError."""
        pending = isinstance(connection, ssl.SSLSocket) and connection.pending()
        if not pending and not select.select([connection], [], [], 0)[0]:
            return
        connection.settimeout(0)
        try:
            if connection.recv(4096) == _SHUT:
                raise ConnectionResetError("the peer has closed the connection")
        except (BlockingIOError, ssl.SSLWantReadError):
            pass  # nothing but TLS's own messages
        finally:
            connection.settimeout(self.settings.timeout_seconds)


def _unacknowledged(connection: socket.socket) -> int:
    """Count the bytes that were sent and that the peer's system has not acknowledged (SIOCOUTQ)."""
    answer = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, struct.pack("i", 0))
    return int(struct.unpack("i", answer)[0])
