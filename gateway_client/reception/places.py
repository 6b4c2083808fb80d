"""How many associations and connections the receiving processes have, in memory that they share."""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager

_NUMBER = 8


class Places:
    """The numbers of all processes, each of which changes its own only; those of one that died are cleared by the gateway.

    Of each process there are the associations that it has, by listener, and the connections that have ended since it began. The
    kernel gives the lock of one that dies back.
    """

    def __init__(self, descriptor: int, processes: int, listeners: int = 1) -> None:
        self.descriptor = descriptor
        self._processes = processes
        self._listeners = listeners
        self._fields = listeners + 1
        self._memory = mmap.mmap(descriptor, processes * self._fields * _NUMBER)
        self._numbers = memoryview(self._memory).cast("Q")

    @classmethod
    def create(cls, processes: int, listeners: int = 1) -> Places:
        """Make them for so many processes, to which `descriptor` is passed."""
        descriptor = os.memfd_create("places")
        os.truncate(descriptor, processes * (listeners + 1) * _NUMBER)
        return cls(descriptor, processes, listeners)

    def beside(self, process: int, listener: int, associations: int) -> int:
        """Tell how many associations a listener of a process has, or would have, and give how many it has in the others."""
        with self._locked():
            self._numbers[process * self._fields + listener] = associations
            return sum(self._numbers[listener :: self._fields]) - associations

    def connection_ended(self, process: int) -> None:
        """Tell that a connection of a process has ended."""
        self._numbers[process * self._fields + self._listeners] += 1

    def ended(self, process: int) -> int:
        """Give how many connections of a process have ended."""
        return self._numbers[process * self._fields + self._listeners]

    def clear(self, process: int) -> None:
        """Forget a process that is gone."""
        for listener in range(self._listeners):
            self.beside(process, listener, 0)
        self._numbers[process * self._fields + self._listeners] = 0

    def close(self) -> None:
        """Give the memory up."""
        self._numbers.release()
        self._memory.close()
        os.close(self.descriptor)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.lockf(self.descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self.descriptor, fcntl.LOCK_UN)
