"""A process of ours that does work which may crash or hang, a line of answer to each request on its standard input."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from runtime.readable import wait_readable

#: Threads of linear algebra are of no use there, and each takes address space.
_ENVIRONMENT = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


class HelperProcess:
    """Runs a module of ours. Raises OSError when it cannot be started.

    Its standard error is lost: what it has to say stands in its answers.
    """

    def __init__(self, module: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env=_ENVIRONMENT,
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def ask(self, request: bytes, patience: float) -> bytes | None:
        """Write a request and read a line; empty when the process died, None when it takes longer than so many seconds."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        answer, until = bytearray(), time.monotonic() + patience
        try:
            process.stdin.write(request)
        except BrokenPipeError:
            return b""
        while not answer.endswith(b"\n"):
            if not wait_readable(process.stdout, until - time.monotonic()):
                return None
            read = os.read(process.stdout.fileno(), 65536)
            if not read:
                return b""
            answer += read
        return bytes(answer)

    def kill(self) -> None:
        """Kill it, whatever it does; who waits for its answer hears that it died."""
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        """Kill it and let go of it."""
        self.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
