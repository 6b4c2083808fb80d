"""Process plumbing: who owns a data directory, which ports are free, what runs where."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import SystemRandom
from typing import IO, Any, TypeVar

from runtime.errors import DataDirectoryInUse, DataDirectoryUnusable, NotReady, port_problem

T = TypeVar("T")

RUN_FILE = "run.json"
#: The socket in a data directory over which its owner asks the running broker.
SOCKET = "owner.sock"
#: Lies in a data directory, and in a gateway's, from the beginning of a restore to its end: what else lies there is not whole.
RESTORE_FILE = "restoring.json"
#: Seconds between two looks at whether something is ready.
PAUSE = 0.05
#: Ports below those that Linux, macOS and Windows give to the near end of outgoing connections.
_NEVER_OUTGOING = range(10_000, 32_768)


@dataclass(slots=True)
class DataDirectory:
    """A data directory owned by this process: on SQLite one process owns the database.

    The lock dies with the process, however it ends. `run.json` tells others pid and ports.
    """

    path: Path
    _lock: IO[str] | None = field(default=None)

    def acquire(self) -> None:
        """Own the directory; it is made when it is not there.

        Raises DataDirectoryInUse naming the owner, and DataDirectoryUnusable for one that cannot be written, or whose restore was
        cut off.
        """
        self.acquire_to_restore()
        if (self.path / RESTORE_FILE).exists():
            self.release()
            raise DataDirectoryUnusable(
                f"A restore to the data directory {self.path} was cut off: run 'magbroker restore' again, which ends it."
            )

    def acquire_to_restore(self) -> None:
        """Own the directory, whole or not; whoever restores it makes it so. Raises as `acquire` does."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = (self.path / "owner.lock").open("a+", encoding="utf-8")
        except OSError as error:
            raise DataDirectoryUnusable(
                f"The data directory {self.path} cannot be written: {error.strerror}; give another one (--data)."
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            text = lock.read().strip()
            lock.close()
            raise DataDirectoryInUse(self.path, int(text) if text.isdigit() else None) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock

    def publish(self, **facts: Any) -> None:
        """Write `run.json` with pid and facts, whole or not at all."""
        write_json(self.path / RUN_FILE, {"pid": os.getpid(), **facts})

    def release(self) -> None:
        """Give the directory up."""
        if self._lock is not None:
            (self.path / RUN_FILE).unlink(missing_ok=True)
            self._lock.close()
            self._lock = None


def write_json(path: Path, value: object) -> None:
    """Write a JSON file so that a reader sees the old or the new one, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    temporary.replace(path)


def read_run_file(directory: Path) -> dict[str, Any] | None:
    """Read `run.json` of a running process; None when there is none, or when its process is gone."""
    try:
        facts: dict[str, Any] = json.loads((directory / RUN_FILE).read_text(encoding="utf-8"))
        os.kill(int(facts["pid"]), 0)
    except PermissionError:
        return facts  # it runs, as another user
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return facts


def check_port(port: int, purpose: str, setting: str, host: str = "127.0.0.1") -> None:
    """Raise PortInUse when something listens on a port, PortRefused when the system gives no such port to this process.

    Port 0 lets the system choose and is always free.
    """
    if not port:
        return
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise port_problem(error, port, purpose, setting) from error


def format_address(host: str, port: int) -> str:
    """Write an address as people read it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def free_port() -> int:
    """Find a port on which nothing listens now, and which no outgoing connection takes before somebody does."""
    for port in (*SystemRandom().sample(_NEVER_OUTGOING, 50), 0):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise OSError(errno.EADDRINUSE, "no port of loopback is free")


def wait_until_ready(
    probe: Callable[[], T | None], what: str, seconds: float, *, pause: Callable[[float], None] = time.sleep
) -> T:
    """Ask again and again until the probe gives something; NotReady when `seconds` of pauses were not enough.

    For a process that was just started: its `run.json`, its port. A probe that finds the process dead should raise.
    """
    waited = 0.0
    while (found := probe()) is None:
        if waited >= seconds:
            raise NotReady(f"{what} did not become ready in {seconds:g} s.")
        pause(PAUSE)
        waited += PAUSE
    return found
