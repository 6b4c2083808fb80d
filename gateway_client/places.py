"""How many associations and connections the receiving processes have, in memory that they share."""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager

_NUMBER = 8
#: What stands there of each process: associations that it has, and connections that have ended since it began.
_ASSOCIATIONS, _ENDED, _FIELDS = 0, 1, 2


class Places:
    """The numbers of all processes, each of which changes its own only; those of one that died are cleared by the gateway.

    The kernel gives the lock of one that dies back.
    """

    def __init__(self, descriptor: int, processes: int) -> None:
        self.descriptor = descriptor
        self._processes = processes
        self._memory = mmap.mmap(descriptor, processes * _FIELDS * _NUMBER)
        self._numbers = memoryview(self._memory).cast("Q")

    @classmethod
    def create(cls, processes: int) -> Places:
        """Make them for so many processes, to which `descriptor` is passed."""
        descriptor = os.memfd_create("places")
        os.truncate(descriptor, processes * _FIELDS * _NUMBER)
        return cls(descriptor, processes)

    def beside(self, process: int, associations: int) -> int:
        """Tell how many associations a process has, or would have, and give how many the others have."""
        with self._locked():
            self._numbers[process * _FIELDS + _ASSOCIATIONS] = associations
            return sum(self._numbers[_ASSOCIATIONS::_FIELDS]) - associations

    def connection_ended(self, process: int) -> None:
        """Tell that a connection of a process has ended."""
        self._numbers[process * _FIELDS + _ENDED] += 1

    def ended(self, process: int) -> int:
        """Give how many connections of a process have ended."""
        return self._numbers[process * _FIELDS + _ENDED]

    def clear(self, process: int) -> None:
        """Forget a process that is gone."""
        self.beside(process, 0)
        self._numbers[process * _FIELDS + _ENDED] = 0

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
