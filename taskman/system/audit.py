"""Logs that auditors read are kept for as long as the site wants, and then trimmed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, select
from sqlalchemy.orm import InstrumentedAttribute

from fileman.files import (
    AuditChange,
    AuditRecord,
    ErrorLog,
    ImageEvent,
    SecurityEvent,
    SignOnLog,
    StatisticsCursor,
    TaskError,
)
from taskman.context import TaskContext
from taskman.routines import routine
from taskman.system.batches import BATCH, MOST, change, oldest, purge, rows_of
from taskman.system.days import fileman_ago, seconds_ago
from taskman.variables import read_variables

#: Days that each log is kept: seven years for who signed on, who did what, what happened to an image, as of disclosures.
VARIABLES = {
    "sign_on_days": 2557.0,
    "action_days": 2557.0,
    "image_event_days": 2557.0,
    "error_days": 365.0,
    "task_error_days": 90.0,
}

_TASK_ERRORS = oldest(TaskError, TaskError.at < bindparam("before"), order=TaskError.at)
_ROLLED_UP = select(StatisticsCursor.last).where(StatisticsCursor.id == 1)
_NEWEST_EVENT = select(func.max(ImageEvent.ien))


class _Log:
    """A log whose entries are numbered as they come: it is read from its oldest end only. What is `below` them goes first."""

    def __init__(
        self, ien: InstrumentedAttribute[int], at: InstrumentedAttribute[Any], below: InstrumentedAttribute[int] | None = None
    ) -> None:
        self.oldest = (
            select(ien.label("ien"), at.label("at"))
            .where(ien > bindparam("after"), ien <= bindparam("upto"))
            .order_by(ien)
            .limit(BATCH)
        )
        old = (ien > bindparam("after_ien"), ien <= bindparam("upto_ien"), at < bindparam("before_at"))
        self.delete = delete(ien.class_).where(*old)
        self.delete_below = delete(below.class_).where(below.in_(select(ien).where(*old))) if below is not None else None


_SIGN_ONS = _Log(SignOnLog.ien, SignOnLog.signed_on)
_SECURITY_EVENTS = _Log(SecurityEvent.ien, SecurityEvent.at)
_ACTIONS = _Log(AuditRecord.ien, AuditRecord.at, AuditChange.record)
_ERRORS = _Log(ErrorLog.ien, ErrorLog.at)
_EVENTS = _Log(ImageEvent.ien, ImageEvent.at)
#: More than any number.
_ALL = 2**31 - 1


@routine(
    "AUDIT^MAGBSYS",
    subject=lambda _arguments: "AUDIT^MAGBSYS",
    option="MAGB TRIM AUDIT LOGS",
    frequency="D@02:10,E@02:10",
    variables=VARIABLES,
)
def trim_audit_logs(task: TaskContext) -> None:
    """Delete entries of the sign-on log, the audit, the error logs and images' stories that are older than the site keeps them.

    An event goes only when the statistics have counted it.
    """
    kept = read_variables(VARIABLES, task.arguments)
    clock = task.clock
    counts = {
        "sign-ons": _trim(task, _SIGN_ONS, fileman_ago(clock, kept["sign_on_days"])),
        "failed sign-ons and starts": _trim(task, _SECURITY_EVENTS, seconds_ago(clock, kept["sign_on_days"])),
        "actions": _trim(task, _ACTIONS, seconds_ago(clock, kept["action_days"])),
        "errors of procedures": _trim(task, _ERRORS, fileman_ago(clock, kept["error_days"])),
        "errors of tasks": purge(task, _TASK_ERRORS, {"before": seconds_ago(clock, kept["task_error_days"])}),
        "image events": _trim(task, _EVENTS, seconds_ago(clock, kept["image_event_days"]), _last_event(task)),
    }
    task.say(", ".join(f"{count} {what}" for what, count in counts.items() if count) or "nothing was old enough")


def _last_event(task: TaskContext) -> int:
    """Give the last event that may go: the newest stays, since SQLite numbers new ones after it."""

    def look(connection: Connection) -> int:
        counted = connection.execute(_ROLLED_UP).scalar() or 0
        return min(counted, (connection.execute(_NEWEST_EVENT).scalar() or 0) - 1)

    return task.store.read(look)


def _trim(task: TaskContext, log: _Log, before: Any, upto: int = _ALL) -> int:
    """Delete from the oldest end until a batch holds nothing that is old enough; give how many entries went."""
    gone, seen, after = 0, 0, 0
    while seen < MOST and not task.stop_requested():
        key = {"after": after, "upto": upto}
        rows = rows_of(task, log.oldest, key)
        if not any(row.at < before for row in rows):
            break
        values = {"after_ien": after, "upto_ien": rows[-1].ien, "before_at": before}
        gone += change(task, _delete, log, values)
        seen, after = seen + len(rows), rows[-1].ien
    return gone


def _delete(task: TaskContext, connection: Connection, log: _Log, values: dict[str, Any]) -> int:
    task.fence(connection)
    if log.delete_below is not None:
        connection.execute(log.delete_below, values)
    return connection.execute(log.delete, values).rowcount
