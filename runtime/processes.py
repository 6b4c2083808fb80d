"""Process plumbing: who owns a data directory, which ports are free, what runs where."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from runtime.errors import DataDirectoryInUse, PortInUse

RUN_FILE = "run.json"


@dataclass(slots=True)
class DataDirectory:
    """A data directory owned by this process: on SQLite one process owns the database.

    The lock dies with the process, however it ends. `run.json` tells others pid and ports.
    """

    path: Path
    _lock: IO[str] | None = field(default=None)

    def acquire(self) -> None:
        """Own the directory; it is made when it is not there. Raises DataDirectoryInUse naming the owner."""
        self.path.mkdir(parents=True, exist_ok=True)
        lock = (self.path / "owner.lock").open("a+", encoding="utf-8")
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
    except (OSError, ValueError, KeyError):
        return None
    return facts


def check_port(port: int, purpose: str, setting: str, host: str = "127.0.0.1") -> None:
    """Raise PortInUse when something listens on a port; port 0 lets the system choose and is always free."""
    if not port:
        return
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortInUse(port, purpose, setting) from error


def free_port() -> int:
    """Find a port that nothing listens on now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
