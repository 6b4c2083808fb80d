"""Files that are there after a power cut: one fsync of a directory for all who wait for it at the same time."""

from __future__ import annotations

import os
import threading
from pathlib import Path


class GroupSync:
    """One fsync of a directory for all threads that ask for it while another one runs.

    A call returns when an fsync that began after it has ended. When that fails, every caller that counted on it gets the
    OSError: the kernel reports a lost write once only, so nobody may try again and believe the second answer.
    """

    def __init__(self, directory: Path) -> None:
        self._descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        self._condition = threading.Condition()
        self._asked = 0
        self._done = 0
        self._failed = 0
        self._error: OSError | None = None
        self._running = False

    def sync(self) -> None:
        """Wait until everything that was renamed before this call is durable. Raises OSError."""
        with self._condition:
            self._asked += 1
            ticket = self._asked
            while self._running and self._done < ticket:
                self._condition.wait()
            if self._done >= ticket:
                if ticket <= self._failed and self._error is not None:
                    raise self._error
                return
            self._running = True
            covered = self._asked
        error: OSError | None = None
        try:
            os.fsync(self._descriptor)
        except OSError as problem:
            error = problem
        with self._condition:
            self._running = False
            self._done = covered
            if error is not None:
                self._failed, self._error = covered, error
            self._condition.notify_all()
        if error is not None:
            raise error

    def close(self) -> None:
        """Give the directory up."""
        os.close(self._descriptor)
