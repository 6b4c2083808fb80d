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


class BadFrequency(TaskManError):
    """The code is no rescheduling frequency.

    The message shows the code with a caret under the place, says what was expected there, gives examples, and suggests the
    code that was probably meant. `column` counts from 1.
    """

    EXAMPLES = ("90S", "2H", "1D", "3M", "D@02:00", "M@08:00,R@20:00", "1M(1,15@NOON)", "1M(LF@18:30)", "3240610.0930;3240701.06")

    def __init__(self, code: str, column: int, expected: str, suggestion: str = "") -> None:
        self.code = code
        self.column = column
        self.expected = expected
        self.suggestion = suggestion
        shown = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in code)
        hint = f" Did you mean {suggestion}?" if suggestion else ""
        super().__init__(
            f"frequency, column {column}: expected {expected}.{hint}\n    {shown}\n    {' ' * (column - 1)}^\n"
            f"Examples: {'  '.join(self.EXAMPLES)}"
        )


class BadSchedule(TaskManError):
    """OPTION SCHEDULING cannot take this entry."""


class Refused(TaskManError):
    """%ZTLOAD does not take the task; `reason` is what it leaves in %ZTLOAD("ERROR")."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"QUEUE INFORMATION MISSING - NOT QUEUED: {reason}")


class BadTime(TaskManError):
    """This is no time to begin at."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(
            f"{text[:40]!r} is no time: write now, 08:30 (the next one), 2026-11-21T08:30, 3261121.083 (FileMan), "
            "T-7 or T+1@10:30 (days from today), or +90S, +30MIN, +2H, +1D from now."
        )


class BadNumbers(TaskManError):
    """These are no task numbers."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(f"{text[:40]!r} names no tasks: write numbers and ranges, 1001,1005-1010, a hundred at most.")


class TaskLost(TaskManError):
    """Another attempt has the task, or another task its subject: nothing of this one is written any more."""
