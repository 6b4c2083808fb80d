"""The desk of the broker that runs on a data directory, for the directory's owner: each request is a line over its socket."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from console.errors import ConsoleError
from console.tasks.refusals import refused
from runtime import SOCKET, read_run_file

#: Seconds that an answer may take.
TIMEOUT = 60.0


def connect_to_owners_socket(data: Path, timeout: float | None = TIMEOUT) -> socket.socket:
    """Connect to the socket in a data directory, by a path that no directory is too deep for. Raises OSError."""
    directory = os.open(data, os.O_DIRECTORY | os.O_RDONLY)
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        peer.settimeout(timeout)
        peer.connect(f"/proc/self/fd/{directory}/{SOCKET}")
    except OSError:
        peer.close()
        raise
    finally:
        os.close(directory)
    return peer


class OverSocket(HTTPConnection):
    """HTTP over the owner's socket."""

    def __init__(self, directory: Path, timeout: float = TIMEOUT) -> None:
        super().__init__("localhost", timeout=timeout)
        self._directory = directory

    def connect(self) -> None:
        """Connect."""
        self.sock = connect_to_owners_socket(self._directory, self.timeout)


@dataclass(frozen=True, slots=True)
class SocketDesk:
    """Asks the running broker as the owner of its data directory."""

    directory: Path

    def ask(self, procedure: str, asked: Mapping[str, str] | None = None) -> Any:
        """Have the broker carry an action out."""
        body = json.dumps({"procedure": procedure, "request": dict(asked or {})})
        connection = OverSocket(self.directory)
        try:
            connection.request("POST", "/api/call", body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = json.loads(response.read())
        except PermissionError as error:
            raise ConsoleError(
                f"Only the owner of {self.directory} may ask the broker there; sign on with --access and --verify."
            ) from error
        except (OSError, HTTPException, ValueError) as error:
            raise ConsoleError(f"The broker on {self.directory} did not answer: {error}. Is it being stopped?") from error
        finally:
            connection.close()
        if response.status != 200:
            raise refused(answer["error"], answer["message"])
        return answer


def running_at(directory: Path) -> SocketDesk | None:
    """Give the desk of the broker that runs on a data directory; None when none does."""
    running = read_run_file(directory)
    return SocketDesk(directory) if running is not None and (directory / SOCKET).exists() else None
