"""The evaluators' log (^XTMP("MAGEVAL",task,n)) and the flag that lets them all run (#2006.563, EVAL)."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, func, select

from fileman import ManyRows, upserts
from fileman.files import EvaluatorFlag, EvaluatorLog
from runtime import Clock
from taskman import TaskContext

_SET_FLAG = upserts(
    EvaluatorFlag,
    lambda insert: insert.values(id=1, running=bindparam("flag")).on_conflict_do_update(
        index_elements=[EvaluatorFlag.id], set_={"running": bindparam("flag")}
    ),
)
_LAST_LINE = select(func.max(EvaluatorLog.line)).where(EvaluatorLog.task == bindparam("task"))
_LOG = ManyRows(EvaluatorLog)


def set_flag(connection: Connection, *, running: bool) -> None:
    """Raise the flag of all evaluators, or lower it, which asks every one to stop."""
    connection.execute(_SET_FLAG[connection.dialect.name], {"flag": running})


def append_log(connection: Connection, task: int, clock: Clock, lines: Sequence[str]) -> None:
    """Add lines to an evaluator's log, with weekday and time before them (LOG^MAGBRTE5)."""
    if not lines:
        return
    last = int(connection.execute(_LAST_LINE, {"task": task}).scalar() or 0)
    stamp = clock.now().strftime("%a %H:%M ")
    _LOG.write(connection, [{"task": task, "line": last + at, "text": stamp + text} for at, text in enumerate(lines, start=1)])


def write_log(task: TaskContext, lines: Sequence[str]) -> None:
    """Add lines to a task's log, in a transaction of their own. Raises TaskLost where another attempt has the task."""

    def write(connection: Connection) -> None:
        task.fence(connection)
        append_log(connection, task.number, task.clock, lines)

    task.store.transact(write)
