"""What can go wrong when a broker starts."""

from __future__ import annotations


class BrokerError(Exception):
    """The broker cannot run."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (self.__doc__ or "").splitlines()[0])


class PortTaken(BrokerError):
    """Another program listens on the port."""

    def __init__(self, port: int) -> None:
        self.port = port
        super().__init__(f"Port {port} is taken by another program; choose another one for the broker (--port, --text-port).")
