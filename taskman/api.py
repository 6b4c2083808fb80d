"""What procedures and commands ask of TaskMan: the entry points of ^%ZTLOAD, each in the caller's transaction.

The names are those of the entry points; what they leave in ZTSK(0), ZTSK(1) ... in M is given back here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, or_, select, update

from fileman import give_notice, next_ien, try_lock
from fileman.files import NewPerson, Task, TaskManager
from taskman import sync_flags, tasks
from taskman.devices import DEVICES, device_name
from taskman.errors import Refused
from taskman.record import (
    CREATED,
    EDITED,
    FINISHED,
    NO_DESCRIPTION,
    NO_DESCRIPTION_AFTER_REQUEUE,
    NOT_REQUEUED,
    PREPARED,
    QUEUED,
    REQUEUED,
    RUNNING,
    SCHEDULED,
    STOPPED_BEFORE,
    UNSCHEDULED,
    UNWILLING,
    Status,
)
from taskman.subjects import holder
from taskman.when import When, requeue_time, start_time

__all__ = [
    "ASKED",
    "Queued",
    "Status",
    "Task",
    "askstop",
    "desc",
    "dq",
    "is_running",
    "isqed",
    "job",
    "kill",
    "load",
    "option",
    "pclear",
    "pset",
    "req",
    "rtn",
    "stat",
    "stop_all",
    "stop_begun",
    "tm",
]

#: Where workers hear that a task waits.
CHANNEL = "taskman"
#: The option's own entry point, under which a task runs an option (ZTSK^XQ1).
OPTION_ENTRY_POINT = "ZTSK^XQ1"
#: Seconds after which a manager that gave no sign is not running ($$TM^%ZTLOAD).
MANAGER_SILENT = 500.0
#: Priorities of ZTPRI, of which 10 begins first; 0 is none, and counts as the middle one.
PRIORITIES = range(11)
MIDDLE = 5
#: What $$ASKSTOP^%ZTLOAD answers.
ASKED = {
    "bad": "0^BAD TASK NUMBER",
    "busy": "0^Busy",
    "missing": "1^Task missing",
    "finished": "1^Finished running",
    "asked": "2^Asked to stop",
    "unscheduled": "2^Unscheduled",
}
#: The user in whose name is stopped what nobody signed on for (POSTMASTER's .5 stands for TaskMan in VistA).
NOBODY = ".5"

_NAME = select(NewPerson.name).where(NewPerson.duz == bindparam("duz_"))
_INSERT = insert(Task).values(creator=func.coalesce(_NAME.scalar_subquery(), ""))
_TASK = select(
    Task.number,
    Task.status,
    Task.message,
    Task.said,
    Task.entry_point,
    Task.description,
    Task.duz,
    Task.created_at,
    Task.scheduled_at,
    Task.first_created_at,
    Task.requeue_at,
    Task.executor,
    Task.job,
    Task.persistent,
).where(Task.number == bindparam("number_"))
#: Held until the transaction ends, so that no worker begins or ends the task between a look and what follows from it.
_TASK_HELD = _TASK.with_for_update()
_CHANGE = update(Task).where(Task.number == bindparam("number_"))
_STOP = _CHANGE.values(stop_requested=True, stopped_by=bindparam("by_"))
_STOP_ALL = (
    update(Task)
    .where(Task.entry_point == bindparam("entry_point_"), Task.status.in_([SCHEDULED, PREPARED, RUNNING, *UNWILLING]))
    .values(stop_requested=True, stopped_by=bindparam("by_"))
)
#: Those of them that run, or that left something behind when they ran.
_STOP_BEGUN = _STOP_ALL.where(or_(Task.status == RUNNING, Task.number.in_(bindparam("begun_", expanding=True))))
_FIND = select(Task.number).where(or_(bindparam("all_"), Task.duz == bindparam("duz_"))).order_by(Task.number)
_BY_DESCRIPTION = _FIND.where(Task.description == bindparam("wanted"))
_BY_TAG = _FIND.where(Task.entry_point == bindparam("wanted"))
_BY_ROUTINE = _FIND.add_columns(Task.entry_point).where(Task.entry_point.like(bindparam("pattern"), escape="\\"))
_BY_OPTION = _FIND.where(Task.option == bindparam("wanted"), Task.entry_point == OPTION_ENTRY_POINT)
_LAST_SIGN = select(func.max(TaskManager.heartbeat_at))


@dataclass(frozen=True, slots=True)
class Queued:
    """What ISQED^%ZTLOAD leaves: `queued` is ZTSK(0), 1, 0 or "" with the reason in `error` (IT no number, I no such task).

    `duz` and `at` (seconds since the epoch) are ZTSK("DUZ") and ZTSK("D").
    """

    queued: str
    error: str = ""
    duz: int | None = None
    at: float | None = None


def load(
    connection: Connection,
    entry_point: str,
    arguments: Mapping[str, Any],
    description: str = NO_DESCRIPTION,
    duz: int = 0,
    now: float = 0.0,
    at: When = None,
    *,
    option: str = "",
    device: str = "",
    uci: str = "",
    volume: str = "",
    priority: int = 0,
    sync_flag: str = "",
    keep_until: When = None,
    persistent: bool = False,
) -> int:
    """Make a task in the caller's transaction (^%ZTLOAD) and give its number; it waits for the engine.

    `arguments` (ZTSAVE) are JSON values. `at` (ZTDTH) is a start time as `taskman.when` reads it. A second task with a
    `sync_flag` waits for the first one's end. A record is kept until `keep_until` (ZTKIL) even when its routine deletes it.
    A `persistent` task is begun again whatever ends it but its own return.
    Raises Refused with VistA's words: Bad Routine, Bad Date/Time, Bad Option, Restricted Device.
    """
    starts = start_time(at, now)
    number = next_ien(connection, "task")
    connection.execute(
        _INSERT,
        {
            "number": number,
            "entry_point": _entry_point(entry_point),
            "description": description,
            "duz": duz,
            "duz_": duz,
            "created_at": now,
            "scheduled_at": starts,
            "option": _option(entry_point, option),
            "device": _device(device),
            "uci": uci.partition(",")[0],
            "volume": volume.rpartition(",")[2],
            "priority": priority if priority in PRIORITIES else 0,
            "rank": 10 - (priority if priority in PRIORITIES and priority else MIDDLE),
            "sync_flag": sync_flag,
            "persistent": persistent,
            "keep_until": None if keep_until is None else start_time(keep_until, now),
            "status": CREATED if starts is None else SCHEDULED,
            "status_at": now,
            "arguments": json.dumps(arguments),
        },
    )
    if starts is not None and starts <= now:
        give_notice(connection, CHANNEL)
    return number


def _entry_point(text: str) -> str:
    if text in ("", "^") or text.count("^") > 1:
        raise Refused("Bad Routine")
    return text if "^" in text else f"^{text}"


def _option(entry_point: str, option: str) -> str:
    if entry_point == OPTION_ENTRY_POINT and not option:
        raise Refused("Bad Option")
    return option


def _device(device: str) -> str:
    if not DEVICES.get(device_name(device), True):
        raise Refused("Restricted Device")
    return device


def kill(connection: Connection, number: int) -> bool:
    """Delete a task (KILL^%ZTLOAD); false for one that is not there, and for a persistent one that runs.

    One that runs otherwise learns of it when it next asks whether to stop.
    """
    row = _held(connection, number)
    if row is None or (row.persistent and row.executor):
        return False
    sync_flags.release(connection, number)
    return tasks.delete_task(connection, number)


def dq(connection: Connection, number: int, duz: int, now: float, by: str = "") -> bool:
    """Take a task out of every list of the manager (DQ^%ZTLOAD); false for what is no task number.

    The status becomes F with the user's name, or `by` for who has no DUZ. One that runs goes on, and ends as what it ends as.
    """
    if number < 1:
        return False
    row = connection.execute(_TASK_HELD, {"number_": number}).first()
    name = by or connection.execute(_NAME, {"duz_": duz}).scalar()
    values: dict[str, Any] = {"requeue_at": None}
    if row is not None and row.status == PREPARED:  # its executor finds that it may not begin
        values["executor"] = ""
    if name is not None:
        values |= {"status": UNSCHEDULED, "status_at": now, "message": name}
    connection.execute(_CHANGE.values(values), {"number_": number})
    return True


def req(
    connection: Connection,
    number: int,
    now: float,
    at: When = None,
    *,
    entry_point: str = "",
    device: str = "",
    description: str = "",
    arguments: Mapping[str, Any] | None = None,
) -> bool:
    """Edit a task and schedule it again (REQ^%ZTLOAD); false when there is none, or for a time that is none.

    `at` None keeps the time that it had, "" is now, "@" edits only (status H), nS nH nD count from the time that it had.
    What is empty stays as it is; a device of "@" is none. One that runs is begun again when it ends.
    """
    row = _held(connection, number)
    if row is None:
        return False
    try:
        starts = requeue_time(at, row.scheduled_at, now)
        values: dict[str, Any] = {"device": "" if device == "@" else _device(device)} if device else {}
        values |= {"entry_point": _entry_point(entry_point)} if entry_point else {}
    except Refused:
        return False
    if row.entry_point == OPTION_ENTRY_POINT and values.get("entry_point", row.entry_point) != row.entry_point:
        values["option"] = ""
    kept = description or row.description
    values["description"] = NO_DESCRIPTION_AFTER_REQUEUE if kept in ("", NO_DESCRIPTION) else kept
    values["first_created_at"] = row.first_created_at or row.created_at
    values["created_at"] = now
    if arguments is not None:
        values["arguments"] = json.dumps(arguments)
    if row.executor:
        values["requeue_at"] = starts
    elif starts is None:
        values |= {"status": EDITED, "status_at": now, "message": NOT_REQUEUED}
    else:
        values |= {"status": SCHEDULED, "status_at": now, "message": REQUEUED, "scheduled_at": starts}
        values |= {"attempt": Task.attempt + 1, "stop_requested": False, "stopped_by": ""}
    connection.execute(_CHANGE.values(values), {"number_": number})
    if starts is not None and starts <= now:
        give_notice(connection, CHANNEL)
    return True


def isqed(connection: Connection, number: int) -> Queued:
    """Tell whether a task waits in a list of the manager (ISQED^%ZTLOAD)."""
    if number < 1:
        return Queued("", "IT")
    row = connection.execute(_TASK, {"number_": number}).first()
    if row is None:
        return Queued("", "I")
    waits = row.status in QUEUED or row.requeue_at is not None
    return Queued("1" if waits else "0", "", row.duz, row.scheduled_at)


def stat(connection: Connection, number: int) -> Status:
    """Tell a task's status (STAT^%ZTLOAD)."""
    row = connection.execute(_TASK, {"number_": number}).first()
    if row is None:
        return Status("")
    return Status(row.status, row.message, row.said, busy=not _locked(connection, number))


def desc(connection: Connection, text: str, duz: int, *, everyones: bool = False) -> list[int]:
    """Find the tasks with a description (DESC^%ZTLOAD): the user's, or everyone's for a holder of the key ZTMQ."""
    return _find(connection, _BY_DESCRIPTION, text, duz, everyones=everyones) if text else []


def rtn(connection: Connection, text: str, duz: int, *, everyones: bool = False) -> list[int]:
    """Find the tasks that begin at `TAG^ROUTINE`, or anywhere in `^ROUTINE` (RTN^%ZTLOAD)."""
    if not text:
        return []
    wanted = text if "^" in text else f"^{text}"
    if not wanted.startswith("^"):
        return _find(connection, _BY_TAG, wanted, duz, everyones=everyones)
    pattern = "%" + re.sub(r"([\\%_])", r"\\\1", wanted)
    rows = connection.execute(_BY_ROUTINE, {"pattern": pattern, "duz_": duz, "all_": everyones})
    return [number for number, entry_point in rows if entry_point.endswith(wanted)]  # LIKE does not tell case apart everywhere


def option(connection: Connection, name: str, duz: int, *, everyones: bool = False) -> list[int]:
    """Find the tasks that run an option, by its name (OPTION^%ZTLOAD)."""
    if re.match(r"[A-Za-z]", name) is None:
        return []
    return _find(connection, _BY_OPTION, name, duz, everyones=everyones)


def _find(connection: Connection, statement: Any, wanted: str, duz: int, *, everyones: bool) -> list[int]:
    return list(connection.execute(statement, {"wanted": wanted, "duz_": duz, "all_": everyones}).scalars())


def job(connection: Connection, number: int) -> str:
    """Give the job number of a running task ($$JOB^%ZTLOAD), the process that runs it; "" for any other."""
    row = connection.execute(_TASK, {"number_": number}).first()
    return "" if row is None or not row.executor else str(row.job)


def askstop(connection: Connection, number: int, now: float, by: str = NOBODY) -> str:
    """Ask a task to stop, and unschedule it when it has not begun ($$ASKSTOP^%ZTLOAD); give VistA's answer.

    `by` is the user's name or DUZ. What waits stays as it is in VistA until somebody looks; here it is stopped.
    """
    if number < 1:
        return ASKED["bad"]
    if connection.execute(_TASK, {"number_": number}).first() is None:
        return ASKED["missing"]
    row = _held(connection, number)
    if row is None:
        return ASKED["busy"]
    connection.execute(_STOP, {"number_": number, "by_": by})
    if row.status == FINISHED:
        return ASKED["finished"]
    if row.status == RUNNING:
        return ASKED["asked"]
    if not row.executor and (row.status in QUEUED or row.status == PREPARED):
        values = {"status": "D", "status_at": now, "message": STOPPED_BEFORE}
        connection.execute(_CHANGE.values(values), {"number_": number})
    return ASKED["unscheduled"]


def stop_all(connection: Connection, entry_point: str, by: str = NOBODY) -> None:
    """Ask every task of an entry point to stop that waits or runs, or that may be begun again because it died."""
    connection.execute(_STOP_ALL, {"entry_point_": entry_point, "by_": by})


def stop_begun(connection: Connection, entry_point: str, begun: Collection[int], by: str = NOBODY) -> None:
    """Ask the tasks of an entry point to stop that run, and those that are known to have run and may be begun again."""
    connection.execute(_STOP_BEGUN, {"entry_point_": entry_point, "by_": by, "begun_": sorted(begun)})


def tm(connection: Connection, now: float) -> bool:
    """Tell whether TaskMan runs anywhere ($$TM^%ZTLOAD): a manager gave a sign in the last 500 seconds."""
    last = connection.execute(_LAST_SIGN).scalar()
    return last is not None and now - float(last) < MANAGER_SILENT


def pset(connection: Connection, number: int) -> bool:
    """Make a running task persistent ($$PSET^%ZTLOAD); false when it does not run. TaskMan restarts it whatever ends it."""
    return _set_persistent(connection, number, persistent=True)


def pclear(connection: Connection, number: int) -> bool:
    """Take that away again (PCLEAR^%ZTLOAD)."""
    return _set_persistent(connection, number, persistent=False)


def _set_persistent(connection: Connection, number: int, *, persistent: bool) -> bool:
    statement = _CHANGE.where(Task.executor != "").values(persistent=persistent)
    return connection.execute(statement, {"number_": number}).rowcount == 1


def is_running(connection: Connection, subject: str, now: float) -> bool:
    """Tell whether a task has a subject now."""
    return holder(connection, subject, now) is not None


def _held(connection: Connection, number: int) -> Any:
    """Lock a task's record, against workers too, and read it; None when there is none, or another user's call changes it now."""
    return connection.execute(_TASK_HELD, {"number_": number}).first() if _locked(connection, number) else None


def _locked(connection: Connection, number: int) -> bool:
    """Lock a task's record until the transaction ends; false when another transaction changes it now."""
    return try_lock(connection, f"ZTSK {number}")
