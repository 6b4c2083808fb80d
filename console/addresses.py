"""Hosts and ports as people write them, and listening with an error that they can read."""

from __future__ import annotations

from typing import Any

from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IReactorTCP
from twisted.internet.protocol import ServerFactory

from console.errors import ConsoleError, WrongUsage

LAST_PORT = 65535


class BadAddress(WrongUsage):
    """An address is written as HOST:PORT."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(f"{text!r} is no address: write HOST:PORT, for example 127.0.0.1:9430 or [::1]:9430.")


def parse_address(text: str) -> tuple[str, int]:
    """Read `HOST:PORT`; an IPv6 address stands in brackets. Raises BadAddress."""
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise BadAddress(text)
    if not (host and colon and port.isascii() and port.isdigit() and 0 < int(port) <= LAST_PORT):
        raise BadAddress(text)
    return host, int(port)


def listen(reactor: IReactorTCP, port: int, factory: ServerFactory, interface: str) -> Any:
    """Listen on a port, 0 lets the system choose; give Twisted's listening port. Raises ConsoleError when it is taken."""
    if not 0 <= port <= LAST_PORT:
        raise ConsoleError(f"{port} is no port: ports are numbers up to {LAST_PORT}, and 0 lets the system choose.")
    try:
        return reactor.listenTCP(port, factory, interface=interface)
    except CannotListenError as error:
        raise ConsoleError(f"Port {port} cannot be listened on: {error.socketError}.") from error
