"""A person at a terminal: types into a command that runs in a pseudo-terminal, and reads what stands there."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

#: What steers a terminal, and is no text.
_STEERING = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[=>]|\x1b\][^\x07]*\x07|[\x07\r]")
_TO_THE_RIGHT = re.compile(r"\x1b\[(\d*)C")
SECONDS = 60.0


@dataclass
class Typist:
    """Runs `magbroker` at a terminal of so many lines; leave it as a context manager."""

    arguments: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    lines: int = 40
    columns: int = 100
    _seen: str = ""
    _read: int = 0

    def __enter__(self) -> Self:
        """Start the command."""
        self._terminal, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", self.lines, self.columns, 0, 0))
        environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "console.cli.main", *self.arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            env={**environment, "TERM": "xterm", **self.environment},
            preexec_fn=_take_terminal,
        )
        os.close(slave)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End the command."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait(SECONDS)
        os.close(self._terminal)

    def type(self, text: str, then: str = "") -> str:
        """Type a text and the Enter key; give what stands below up to the next prompt, `then`."""
        self.press(f"{text}\r")
        self.until("\n")
        return self.until(then) if then else ""

    def press(self, keys: str) -> None:
        """Press keys."""
        os.write(self._terminal, keys.encode())

    def until(self, text: str) -> str:
        """Read until a text stands there that was not read before; give all that came with it."""
        deadline = time.monotonic() + SECONDS
        while (at := self._seen.find(text, self._read)) < 0:
            assert time.monotonic() < deadline, f"{text!r} did not come; there stood:\n{self._seen[self._read :]}"
            assert self._more(deadline), f"the command ended before {text!r} came:\n{self._seen[self._read :]}"
        start, self._read = self._read, at + len(text)
        return self._seen[start : self._read]

    def ended(self) -> int:
        """Wait for the end of the command, and give its exit status."""
        deadline = time.monotonic() + SECONDS
        while self._more(deadline):
            assert time.monotonic() < deadline, f"the command did not end:\n{self._seen[self._read :]}"
        return self._process.wait(SECONDS)

    @property
    def seen(self) -> str:
        """All that stood there."""
        return self._seen

    def _more(self, deadline: float) -> bool:
        """Read what comes next; False when the command is gone."""
        ready, _, _ = select.select([self._terminal], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return True
        try:
            data = os.read(self._terminal, 65536)
        except OSError:  # how a terminal ends
            return False
        came = _TO_THE_RIGHT.sub(lambda match: " " * int(match[1] or 1), self._seen + data.decode("utf-8", "replace"))
        self._seen = _STEERING.sub("", came)
        return bool(data)


def _take_terminal() -> None:
    """Let Ctrl-C reach the command."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
