"""What TaskMan cannot do."""

from __future__ import annotations


class TaskManError(Exception):
    """TaskMan could not do what was asked."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (self.__doc__ or "").splitlines()[0])


class EngineDown(TaskManError):
    """The task engine is not running."""


class UnknownRoutine(TaskManError):
    """No routine is registered under this entry point."""

    def __init__(self, entry_point: str) -> None:
        self.entry_point = entry_point
        super().__init__(f"No routine is registered as {entry_point}.")
