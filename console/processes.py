"""Child processes of `magbroker up`: started together, restarted when one dies, ended by pid."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from console.errors import ConsoleError

log = logging.getLogger(__name__)

#: Seconds that a child has to begin, and to end before it is killed.
READY_SECONDS = 60.0
END_SECONDS = 20.0
RESTART_SECONDS = 2.0


@dataclass(slots=True)
class Child:
    """One service in a process of its own; it is ready when something listens on its port."""

    name: str
    arguments: Sequence[str]
    port: int
    log_file: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process; what it writes goes to its log file."""
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "console.cli.main", *self.arguments]
        with self.log_file.open("ab") as log_file:
            self.process = subprocess.Popen(
                command, stdout=log_file, stderr=log_file, env={**os.environ, **self.environment}, start_new_session=True
            )

    def await_ready(self) -> None:
        """Wait until the port answers. Raises ConsoleError with the end of the log when the process ends before."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self.process is None or self.process.poll() is not None:
                raise ConsoleError(f"The {self.name} ended at once. The end of {self.log_file}:\n{self._tail()}")
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise ConsoleError(f"The {self.name} did not listen on port {self.port} in {READY_SECONDS:.0f} s; see {self.log_file}.")

    def _tail(self) -> str:
        lines = self.log_file.read_text(encoding="utf-8", errors="replace").splitlines() if self.log_file.exists() else []
        return "\n".join(lines[-15:])

    def stop(self) -> None:
        """Ask the process to end, and end it when it does not."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            log.warning("the %s did not end; killing pid %d", self.name, self.process.pid)
            os.kill(self.process.pid, signal.SIGKILL)
            self.process.wait()


@dataclass(slots=True)
class Family:
    """The children of one `magbroker up`."""

    children: list[Child] = field(default_factory=list)

    def add(self, child: Child) -> None:
        """Start a child and wait until it is ready."""
        self.children.append(child)
        child.start()
        child.await_ready()

    def watch_once(self) -> list[str]:
        """Start again what has died; give the names."""
        died = [child for child in self.children if child.process is not None and child.process.poll() is not None]
        for child in died:
            child.start()
        return [child.name for child in died]

    def stop(self) -> None:
        """End every child, the last started first."""
        for child in reversed(self.children):
            child.stop()
