"""What can go wrong with settings and processes."""

from __future__ import annotations

import errno
import os
from pathlib import Path


class RuntimeProblem(Exception):
    """The program cannot run here."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (self.__doc__ or "").splitlines()[0])


class SettingsError(RuntimeProblem):
    """A setting has no meaning."""


class PortInUse(RuntimeProblem):
    """Another program listens on a port."""

    def __init__(self, port: int, purpose: str, setting: str) -> None:
        self.port = port
        super().__init__(
            f"Port {port} ({purpose}) is taken by another program; stop that program or choose another port: {setting}."
        )


class PortRefused(RuntimeProblem):
    """The system gives this process no such port."""

    def __init__(self, port: int, purpose: str, setting: str, why: str) -> None:
        self.port = port
        super().__init__(f"Port {port} ({purpose}) cannot be opened: {why}; choose another port or address: {setting}.")


def port_problem(error: OSError, port: int, purpose: str, setting: str) -> PortInUse | PortRefused:
    """Say why a port cannot be listened on; `setting` is where it is chosen."""
    if error.errno == errno.EADDRINUSE:
        return PortInUse(port, purpose, setting)
    return PortRefused(port, purpose, setting, os.strerror(error.errno) if error.errno else str(error))


class BadCertificate(RuntimeProblem):
    """A file of the TLS settings cannot be used."""

    def __init__(self, path: Path, why: str) -> None:
        self.path = path
        super().__init__(f"{path} cannot be used for TLS: {why}; see tls_certificate, tls_key and tls_client_authorities.")


class DataDirectoryUnusable(RuntimeProblem):
    """The data directory cannot be written."""


class NotReady(RuntimeProblem):
    """What was started did not become ready in time."""


class DataDirectoryInUse(RuntimeProblem):
    """Another process owns the data directory."""

    def __init__(self, directory: Path, pid: int | None) -> None:
        self.pid = pid
        owner = f"process {pid}" if pid else "another process"
        super().__init__(
            f"The data directory {directory} belongs to {owner}, which is running; stop it or use another one (--data)."
        )
