"""Whoever wants pictures: it starts the process that paints, waits for it a while, and does without it when it dies."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from taskman.errors import TaskManError
from taskman.pictures.drawing import paint_placeholders
from taskman.pictures.requests import READY, Painted, PictureFile, decode_answer, encode_request

#: Seconds that one object may take, and those that the process may take to start or to end.
PATIENCE, START = 60.0, 30.0
#: Threads of linear algebra are of no use here, and each takes address space.
_ENVIRONMENT = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


class NoPainter(TaskManError):
    """The process that paints pictures cannot be started."""


class Painter:
    """Paints pictures in a process of its own, one after the other; `with` ends it.

    An object whose decoding crashes or takes too long gets placeholders, and the next one a new process.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Painter:
        """Start nothing yet: most runs find nothing to paint."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End the process."""
        self._end()

    def paint(self, source: Path, files: Sequence[PictureFile]) -> Painted:
        """Write files that show the object at `source`, or placeholders. Raises NoPainter."""
        process = self._process or self._start()
        answer = _ask(process, encode_request(source, files), self._patience)
        if answer:
            return decode_answer(answer)
        self._end()
        why = "the decoder died" if answer is not None else f"it took longer than {self._patience:g} seconds"
        return paint_placeholders(files, why)

    def _start(self) -> subprocess.Popen[bytes]:
        """Start the process; one that cannot even say that it is ready would give every object a placeholder."""
        command = [sys.executable, "-m", "taskman.pictures"]
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0, env=_ENVIRONMENT
            )
        except OSError as error:
            raise NoPainter(f"{sys.executable} cannot be started: {error}") from error
        if _ask(self._process, b"", START) != READY:
            self._end()
            raise NoPainter("The process that paints pictures does not start; python -m taskman.pictures says why.")
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def _ask(process: subprocess.Popen[bytes], request: bytes, patience: float) -> bytes | None:
    """Write a request and read a line; empty when the process died, None when it takes too long."""
    assert process.stdin is not None
    assert process.stdout is not None
    answer, until = b"", time.monotonic() + patience
    try:
        process.stdin.write(request)
    except BrokenPipeError:
        return b""
    while not answer.endswith(b"\n"):
        ready, _, _ = select.select([process.stdout], [], [], max(0.0, until - time.monotonic()))
        if not ready:
            return None
        read = os.read(process.stdout.fileno(), 65536)
        if not read:
            return b""
        answer += read
    return answer
