"""How many associations and connections the receiving processes have, in memory that they share."""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager

_NUMBER = 8
#: Numbers of a process besides those of its listeners.
_BESIDE = 2


class Places:
    """The numbers of all processes, each of which changes its own only; those of one that died are cleared by the gateway.

    Of each process there are the associations that it has, by listener, the connections that have ended since it began, and the
    objects that it has reported, it or those before it. The kernel gives the lock of one that dies back.
    """

    def __init__(self, descriptor: int, processes: int, listeners: int = 1) -> None:
        self.descriptor = descriptor
        self._processes = processes
        self._listeners = listeners
        self._fields = listeners + _BESIDE
        self._memory = mmap.mmap(descriptor, processes * self._fields * _NUMBER)
        self._numbers = memoryview(self._memory).cast("Q")

    @classmethod
    def create(cls, processes: int, listeners: int = 1) -> Places:
        """Make them for so many processes, to which `descriptor` is passed."""
        descriptor = os.memfd_create("places")
        os.truncate(descriptor, processes * (listeners + _BESIDE) * _NUMBER)
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

    def object_reported(self, process: int) -> None:
        """Tell that a process reports an object: before it does, and before the sender has its answer."""
        self._numbers[process * self._fields + self._listeners + 1] += 1

    def reported(self) -> list[int]:
        """Give how many objects each process has reported, or is about to."""
        return self._numbers[self._listeners + 1 :: self._fields].tolist()

    def clear(self, process: int) -> None:
        """Forget a process that is gone; what it has reported stays."""
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
