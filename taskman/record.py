"""The TASK record (#14.4) as values: its statuses, what STAT^%ZTLOAD says of them, and what a worker needs of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SCHEDULED, PREPARED, RUNNING, FINISHED = "1", "4", "5", "6"
REJECTED, FAILED, STOPPED, INTERRUPTED, UNSCHEDULED, EDITED, CREATED = "B", "C", "D", "E", "F", "H", "K"

#: A message to the user is cut to this many characters.
MESSAGE_LIMIT = 500
#: What %ZTLOAD and REQ~%ZTLOAD describe a task as that nobody described.
NO_DESCRIPTION, NO_DESCRIPTION_AFTER_REQUEUE = "No Description (%ZTLOAD)", "No Description (REQ~%ZTLOAD)"

#: Status codes and what they mean (gateway.md 4.1).
MEANINGS = {
    "0": "being created",
    "1": "scheduled",
    "2": "inspected",
    "3": "waiting for a partition",
    "4": "being prepared",
    "5": "running",
    "6": "completed",
    "A": "waiting for a device",
    "B": "rejected",
    "C": "error",
    "D": "stopped by the user",
    "E": "interrupted",
    "F": "unscheduled",
    "G": "waiting for a link",
    "H": "edited without being scheduled",
    "I": "discarded by its creator",
    "J": "being edited",
    "K": "created without being scheduled",
    "L": "submanager error",
    "M": "waiting for a compute server",
}
#: What the manager notes beside a status.
STARTED, ENDED, REQUEUED, NOT_REQUEUED = "Started Running", "Finished", "REQUEUED", "EDITED BUT NOT REQUEUED"
STOPPED_BEFORE, STOPPED_ITSELF = "Stopped by User", "Job asked to stop"
#: Why the manager rejects a task (gateway.md 4.1).
BAD_UCI, BAD_VOLUME = "BAD DESTINATION UCI", "BAD DESTINATION VOLUME SET"
BAD_DEVICE, BAD_ROUTINE_NAME, NO_ROUTINE = "INVALID OUTPUT DEVICE", "INVALID ROUTINE NAME", "NO ROUTINE AT DESTINATION"
#: Statuses of a task that ended though neither it nor a person wanted that.
UNWILLING = REJECTED + FAILED + INTERRUPTED
#: What waits in a list of the manager (ISQED^%ZTLOAD).
QUEUED = frozenset("123AGM")
#: What STAT^%ZTLOAD says of a status, by its number (INPUT^%ZTLOAD5).
STAT = {
    0: "Undefined",
    1: "Active: Pending",
    2: "Active: Running",
    3: "Inactive: Finished",
    4: "Inactive: Available",
    5: "Inactive: Interrupted",
}
BUSY = "Busy"
#: The number of each code: what waits in a list of the manager is pending; what ended in any other way than by itself counts as
#: interrupted, even when a user stopped it (FLAG^%ZTLOAD5).
_STAT_OF = {
    **dict.fromkeys("1234AGM", 1),
    "5": 2,
    "6": 3,
    **dict.fromkeys("HK", 4),
    **dict.fromkeys("0BCDEFIJL", 5),
}


@dataclass(frozen=True, slots=True)
class Status:
    """A task's status: its code, and what STAT^%ZTLOAD answers. An unknown task has an empty code.

    `busy` says that somebody changes the record now; VistA then knows no more than that the task is.
    """

    code: str
    message: str = ""
    said: str = ""
    busy: bool = False

    @property
    def defined(self) -> bool:
        """Give ZTSK(0)."""
        return bool(self.code) and not self.busy

    @property
    def number(self) -> int:
        """Give ZTSK(1)."""
        return 0 if self.busy else _STAT_OF.get(self.code, 0)

    @property
    def text(self) -> str:
        """Give ZTSK(2)."""
        return BUSY if self.busy else STAT[self.number]


@dataclass(frozen=True, slots=True)
class Attempt:
    """A task as the reconciler sees it: which attempt, where."""

    number: int
    attempt: int
    status: str
    executor: str
    entry_point: str = ""


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """What a worker needs of a task. Times are seconds since the epoch."""

    number: int
    entry_point: str
    arguments: Mapping[str, Any]
    status: str
    attempt: int
    executor: str
    duz: int
    stop_requested: bool
    description: str = ""
    option: str = ""
    device: str = ""
    uci: str = ""
    volume: str = ""
    sync_flag: str = ""
