"""The statements that the engine and its workers read and change task records with. A record is the truth; the engine runs it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, literal_column, or_, select, update

from fileman.files import Task, TaskStep
from taskman.record import (
    FAILED,
    FINISHED,
    MESSAGE_LIMIT,
    PREPARED,
    REJECTED,
    REQUEUED,
    RUNNING,
    SCHEDULED,
    STARTED,
    Attempt,
    TaskRecord,
)

_ATTEMPT = (Task.number, Task.attempt, Task.status, Task.executor)
_RECORD_COLUMNS = (
    Task.number,
    Task.entry_point,
    Task.arguments,
    Task.status,
    Task.attempt,
    Task.executor,
    Task.duz,
    Task.stop_requested,
    Task.description,
    Task.option,
    Task.device,
    Task.uci,
    Task.volume,
    Task.sync_flag,
)
_RECORD = select(*_RECORD_COLUMNS).where(Task.number == bindparam("number_"))
_STOP_FLAG = select(Task.stop_requested, Task.attempt).where(Task.number == bindparam("number_"))
_EXECUTOR = select(Task.executor).where(Task.number == bindparam("number_"))
#: A change of one attempt: whoever lost the task meanwhile changes nothing.
_CHANGE = update(Task).where(Task.number == bindparam("number_"), Task.attempt == bindparam("attempt_"))
_CLAIM = (
    _CHANGE.where(Task.status == PREPARED, Task.executor == bindparam("executor_"))
    .values(status=RUNNING, status_at=bindparam("now"), message=STARTED, said="", job=bindparam("job_"))
    .returning(*_RECORD_COLUMNS)
)
#: The executor stays named while the attempt runs, whatever DQ^%ZTLOAD writes over the status.
_END = _CHANGE.where(Task.executor == bindparam("executor_"))
_REJECT = (
    update(Task)
    .where(Task.number == bindparam("number_"), Task.status.in_([SCHEDULED, PREPARED]))
    .values(status=REJECTED, status_at=bindparam("now"), message=bindparam("message_"), executor="")
)
#: Another attempt, because the engine may have been told of this one.
_WAIT_AGAIN = {"status": SCHEDULED, "status_at": bindparam("now"), "executor": "", "attempt": Task.attempt + 1}
_GIVE_BACK_ALL = update(Task).where(Task.status == PREPARED, Task.executor == bindparam("executor_")).values(_WAIT_AGAIN)
_GIVE_BACK = _CHANGE.where(Task.status == PREPARED, Task.executor == bindparam("executor_")).values(_WAIT_AGAIN)
_AGAIN = _CHANGE.where(Task.status == bindparam("status_"), Task.executor == bindparam("executor_")).values(
    status=SCHEDULED,
    status_at=bindparam("now"),
    message=bindparam("message_"),
    executor="",
    job="",
    attempt=Task.attempt + 1,
)
_ENDED = {"status_at": bindparam("now"), "executor": "", "job": ""}
_LAST = {"status": bindparam("status_"), "message": bindparam("message_"), "persistent": False}
_ONCE_MORE: dict[str, Any] = {
    "status": SCHEDULED,
    "message": REQUEUED,
    "scheduled_at": Task.requeue_at,
    "requeue_at": None,
    "attempt": Task.attempt + 1,
    "stop_requested": False,
}
_ERROR = {"error_count": Task.error_count + 1, "error_at": bindparam("now"), "error_text": bindparam("message_")}
_NOT_AGAIN, _AGAIN_AT = Task.requeue_at.is_(None), Task.requeue_at.is_not(None)
#: The end of an attempt, and of one that is to begin again, asked for meanwhile: made once, for they are built at some cost.
_FINISH = (_END.where(_NOT_AGAIN).values(_ENDED | _LAST), _END.where(_AGAIN_AT).values(_ENDED | _ONCE_MORE))
_FAIL = (_END.where(_NOT_AGAIN).values(_ENDED | _LAST | _ERROR), _END.where(_AGAIN_AT).values(_ENDED | _ONCE_MORE | _ERROR))
_LET_GO = _END.where(Task.status == bindparam("was_"), _NOT_AGAIN).values(executor="", job="")
_GO_ON = _END.where(Task.status == bindparam("was_"), _AGAIN_AT).values(_ENDED | _ONCE_MORE)
#: A change that changes nothing: it locks the record of an attempt for the rest of the transaction.
_HOLD = _END.values(attempt=Task.attempt)
_SET_REQUEUE = update(Task).where(Task.number == bindparam("number_")).values(requeue_at=bindparam("at_"))
_KEPT = select(Task.persistent, Task.stop_requested, Task.keep_until).where(Task.number == bindparam("number_"))
_SAY = _CHANGE.values(said=bindparam("text_"))
_IS_DUE = (Task.status == SCHEDULED) & (Task.scheduled_at <= bindparam("due_by"))
_FIRST_DUE = (
    select(Task.number)
    .where(_IS_DUE, Task.entry_point.not_in(bindparam("left_out", expanding=True)))
    .order_by(Task.rank, Task.scheduled_at, Task.number)
    .limit(bindparam("count"))
    .with_for_update(skip_locked=True)
)
#: A reserved task is being prepared by an executor; what it does not begin, the reconciler finds.
_RESERVE = (
    update(Task)
    .where(Task.number.in_(_FIRST_DUE.scalar_subquery()))
    .values(status=PREPARED, status_at=bindparam("now"), executor=bindparam("executor_"), message="")
    .returning(*_ATTEMPT, Task.entry_point)
)
#: What has an executor, as the index of it knows; also what was dequeued while it ran.
HAS_EXECUTOR = Task.executor != literal_column("''")
_AT_WORK = select(*_ATTEMPT).where(HAS_EXECUTOR)
_DELETE = delete(Task).where(Task.number == bindparam("number_"))
_DELETE_STEPS = delete(TaskStep).where(TaskStep.task == bindparam("number_"))
_OLD = (
    Task.status.in_([FINISHED, *"BCDEFIL"]),
    Task.status_at < bindparam("before"),
    or_(Task.keep_until.is_(None), Task.keep_until < bindparam("now")),
)
_COUNT_OLD = select(func.count()).select_from(Task).where(*_OLD)
_OLD_TASKS = select(Task.number).where(*_OLD).limit(bindparam("most"))


def read_task(connection: Connection, number: int) -> TaskRecord | None:
    """Read a task."""
    return _record(connection.execute(_RECORD, {"number_": number}).first())


def _record(row: Any) -> TaskRecord | None:
    return None if row is None else TaskRecord(row.number, row.entry_point, json.loads(row.arguments), *row[3:])


def stop_flag(connection: Connection, number: int, attempt: int) -> bool:
    """Tell whether an attempt has to stop: somebody asked for it, the task is gone, or it went on to another attempt."""
    row = connection.execute(_STOP_FLAG, {"number_": number}).first()
    return row is None or row.attempt != attempt or bool(row.stop_requested)


def runs_elsewhere(connection: Connection, number: int, executor: str) -> bool:
    """Tell whether another executor has a task now."""
    return connection.execute(_EXECUTOR, {"number_": number}).scalar() not in (None, "", executor)


def claim_task(connection: Connection, number: int, attempt: int, executor: str, now: float, job: str = "") -> TaskRecord | None:
    """Begin an attempt that an executor has reserved, and give its record; None when it is not its any more."""
    key = {"number_": number, "attempt_": attempt, "executor_": executor, "job_": job, "now": now}
    return _record(connection.execute(_CLAIM, key).first())


def end_task(
    connection: Connection, number: int, attempt: int, executor: str, status: str, now: float, message: str = ""
) -> bool:
    """Write down how a running attempt ended; an error counts, and what was asked for meanwhile by REQ^%ZTLOAD comes next.

    False when the task is no longer at that attempt.
    """
    key = {"number_": number, "attempt_": attempt, "executor_": executor, "now": now, "message_": message[:MESSAGE_LIMIT]}
    end, go_on = _FAIL if status == FAILED else _FINISH
    ways = ((end, {**key, "status_": status}), (go_on, key), (end, {**key, "status_": status}))  # DQ may come in between
    if not any(connection.execute(statement, values).rowcount == 1 for statement, values in ways):
        return False
    if status == FINISHED:
        connection.execute(_DELETE_STEPS, {"number_": number})
    return True


def holds_attempt(connection: Connection, number: int, attempt: int, executor: str) -> bool:
    """Tell whether an executor has an attempt, and let nobody take it before the transaction ends."""
    return connection.execute(_HOLD, {"number_": number, "attempt_": attempt, "executor_": executor}).rowcount == 1


def requeue_at(connection: Connection, number: int, at: float) -> None:
    """Let a running task begin again at a time, whatever it ends as."""
    connection.execute(_SET_REQUEUE, {"number_": number, "at_": at})


def begins_again_after_errors(connection: Connection, number: int) -> bool:
    """Tell whether a task is to be restarted whatever ends it ($$PSET^%ZTLOAD), and nobody asked it to stop."""
    row = connection.execute(_KEPT, {"number_": number}).first()
    return row is not None and bool(row.persistent) and not row.stop_requested


def is_kept(connection: Connection, number: int, now: float) -> bool:
    """Tell whether a record is to be kept still (ZTKIL)."""
    row = connection.execute(_KEPT, {"number_": number}).first()
    return row is not None and row.keep_until is not None and row.keep_until > now


def prepare_task(connection: Connection, number: int, attempt: int, executor: str, now: float, message: str) -> bool:
    """Let a claimed attempt wait for its sync flag, with nobody's name on it."""
    values = {"status": PREPARED, "status_at": now, "message": message, "executor": "", "job": ""}
    key = {"number_": number, "attempt_": attempt, "executor_": executor}
    return connection.execute(_END.values(values), key).rowcount == 1


def delete_task(connection: Connection, number: int) -> bool:
    """Take a record away with its steps; false when there is none."""
    connection.execute(_DELETE_STEPS, {"number_": number})
    return connection.execute(_DELETE, {"number_": number}).rowcount == 1


def delete_old_tasks(connection: Connection, before: float, now: float, most: int) -> int:
    """Take away what ended before a time, unless it is to be kept, so many records at most; give how many there were."""
    old = connection.execute(_OLD_TASKS, {"before": before, "now": now, "most": most}).scalars().all()
    return sum(delete_task(connection, number) for number in old)


def count_old_tasks(connection: Connection, before: float, now: float) -> int:
    """Count what `delete_old_tasks` would take away."""
    return int(connection.execute(_COUNT_OLD, {"before": before, "now": now}).scalar_one())


def reject_task(connection: Connection, number: int, now: float, why: str) -> bool:
    """Reject a task that waits, or is reserved; false when it began."""
    return connection.execute(_REJECT, {"number_": number, "now": now, "message_": why[:MESSAGE_LIMIT]}).rowcount == 1


def give_back(connection: Connection, reserved: Sequence[Attempt], executor: str, now: float) -> None:
    """Let tasks that were reserved and not begun wait again."""
    for task in reserved:
        connection.execute(_GIVE_BACK, {"number_": task.number, "attempt_": task.attempt, "executor_": executor, "now": now})


def give_back_all(connection: Connection, executor: str, now: float) -> None:
    """Let everything that an executor reserved and did not begin wait again."""
    connection.execute(_GIVE_BACK_ALL, {"executor_": executor, "now": now})


def schedule_again(connection: Connection, task: Attempt, now: float, why: str) -> bool:
    """Let a task begin another attempt; false when it changed meanwhile, so that of many who try one succeeds."""
    key = {"number_": task.number, "attempt_": task.attempt, "status_": task.status, "executor_": task.executor}
    return connection.execute(_AGAIN, {**key, "now": now, "message_": why[:MESSAGE_LIMIT]}).rowcount == 1


def let_go(connection: Connection, task: Attempt, now: float) -> bool:
    """Take an executor's name off a task that was dequeued while it had it; tell whether it begins again, asked for meanwhile."""
    key = {"number_": task.number, "attempt_": task.attempt, "executor_": task.executor, "was_": task.status}
    connection.execute(_LET_GO, key)
    return connection.execute(_GO_ON, {**key, "now": now}).rowcount == 1


def say(connection: Connection, number: int, attempt: int, text: str) -> None:
    """Leave a message to the user in the record."""
    connection.execute(_SAY, {"number_": number, "attempt_": attempt, "text_": text[:MESSAGE_LIMIT]})


def reserve_due(connection: Connection, executor: str, count: int, now: float, left_out: Sequence[str] = ()) -> list[Attempt]:
    """Take so many tasks whose time has come for an executor: by priority, then by time and number.

    Entry points that are `left_out` wait. Of many executors that look at the same time each gets others.
    """
    key = {"due_by": now, "now": now, "executor_": executor, "count": count, "left_out": list(left_out)}
    return sorted((Attempt(*row) for row in connection.execute(_RESERVE, key)), key=lambda task: task.number)


def tasks_at_work(connection: Connection) -> list[Attempt]:
    """List the tasks that an executor has, by their records."""
    return [Attempt(*row) for row in connection.execute(_AT_WORK)]
