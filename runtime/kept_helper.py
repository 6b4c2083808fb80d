"""A helper process that is begun when it is first needed, and anew after it died or took too long."""

from __future__ import annotations

import os
import resource
import sys
import threading
from collections.abc import Callable

from runtime.errors import RuntimeProblem
from runtime.helper_process import HelperProcess

#: What a helper says first, when it has all that it needs.
READY = b"ready\n"
#: Seconds that it may take to start.
START = 30.0


class HelperProblem(RuntimeProblem):
    """The process that was to do it did not do it."""


class HelperLost(HelperProblem):
    """The process died, or took too long."""


class HelperStopped(HelperProblem):
    """The program stops."""


class KeptHelper:
    """Asks a process one thing after the other; `ask` and `end` are for one thread at a time, `stop` for any."""

    def __init__(self, module: str, patience: float, does: str = "the codec") -> None:
        """Begin nothing yet. `patience` is the seconds that one answer may take, `does` is who is said to have died."""
        self._module, self._does = module, does
        self._patience = patience
        self._lock = threading.Lock()
        self._process: HelperProcess | None = None
        self._stopped = False

    def ask(self, request: bytes) -> bytes:
        """Give the line that answers a request. Raises HelperProblem, and OSError where no process can be started."""
        process = self._process or self._start()
        answer = process.ask(request, self._patience)
        if not answer:
            self.end()
            died, slow = f"{self._does} died", f"it took longer than {self._patience:g} seconds"
            raise HelperLost(slow if answer is None else died)
        return answer

    def stop(self) -> None:
        """Kill it, whatever it does, and begin no other; who waits for it hears that it died."""
        with self._lock:
            self._stopped = True
            if self._process is not None:
                self._process.kill()

    def end(self) -> None:
        """End it; the next request begins another."""
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.end()

    def _start(self) -> HelperProcess:
        with self._lock:
            if self._stopped:
                raise HelperStopped("the program stops")
            process = self._process = HelperProcess(self._module)
        if process.ask(b"", START) != READY:
            self.end()
            raise HelperProblem(f"the process does not start; python -m {self._module} says why")
        return process


def answer_requests(answer: Callable[[bytes], bytes], niceness: int) -> None:
    """Be a helper: answer a line for each line of standard input until that ends. No core is left of it when it crashes."""
    os.nice(niceness)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a codec prints is no answer
    _write(answers.fileno(), READY)
    for line in sys.stdin.buffer:
        _write(answers.fileno(), answer(line))


def _write(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
