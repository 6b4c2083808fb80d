"""What a command cannot do, in words for a terminal."""

from __future__ import annotations


class ConsoleError(Exception):
    """The command could not be carried out. `status` is what it ends with."""

    status = 1

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (self.__doc__ or "").splitlines()[0])


class WrongUsage(ConsoleError):
    """What was asked cannot be understood."""

    status = 2


class Unreachable(ConsoleError):
    """There is no association with the peer, or none any more."""

    status = 4


class NothingThere(ConsoleError):
    """There is nothing of this name or number."""

    status = 3
