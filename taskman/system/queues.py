"""Queues and short-lived rows are rid of what is done with."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, func, select

from fileman import export_lock, lock_for_transaction, take_out_exported, to_fileman
from fileman.files import (
    AnsweredRequest,
    BalanceDeal,
    BalanceMark,
    DicomExportImage,
    EvaluatorLog,
    FailedAccess,
    LockedAddress,
    QueryResult,
    QueryResultLine,
    RuleDecision,
    SendQueue,
    SignOnToken,
    StudyDecision,
    Task,
)
from fileman.worklist import drop_old_performed, drop_old_steps
from runtime import Clock
from taskman.context import TaskContext
from taskman.routines import routine
from taskman.system.batches import BATCH, in_batches, oldest, purge, values_of
from taskman.system.days import fileman_ago, seconds_ago
from taskman.variables import read_variables

#: `days`: entries of queues that are done with, and what balances dealt; `answer_days`: answers kept for a gateway's resend;
#: `decision_days`: what rules decided about an image, from which it is explained, and about a study; `worklist_days`: scheduled
#: steps that were fed, by their day, and performed ones; `log_lines`: the end of an evaluator's log.
VARIABLES = {"days": 30.0, "answer_days": 7.0, "decision_days": 90.0, "worklist_days": 90.0, "log_lines": 20_000.0}
#: Days until the result of a DICOM query goes that nobody cleaned up (CLEAN^MAGDQR04).
QUERY_RESULT_DAYS = 5
#: Results that one run deletes.
MOST_RESULTS = 10_000
#: States of #2006.035 in which nothing will come any more; FAILED waits for a person.
DONE = ("SENT", "NOT FOUND")

_BEFORE: BindParameter[Any] = bindparam("before")
_SENT = (SendQueue.destination == bindparam("destination_"), SendQueue.status == bindparam("status_"))
_SEND_QUEUE = oldest(SendQueue, *_SENT, SendQueue.status_at < _BEFORE, order=SendQueue.status_at)
_EXPORTED = (
    select(DicomExportImage.export, DicomExportImage.sequence, DicomExportImage.origin)
    .where(DicomExportImage.status == "SUCCESS", DicomExportImage.status_at < _BEFORE)
    .order_by(DicomExportImage.status_at)
    .limit(BATCH)
)
_ANSWERS = oldest(AnsweredRequest, AnsweredRequest.answered_at < _BEFORE, order=AnsweredRequest.answered_at)
_TOKENS = oldest(SignOnToken, SignOnToken.expires_at < _BEFORE, order=SignOnToken.expires_at)
_FAILURES = oldest(FailedAccess, FailedAccess.last_at < _BEFORE)
_LOCKS = oldest(LockedAddress, LockedAddress.until < _BEFORE)
_DECISIONS = oldest(RuleDecision, RuleDecision.evaluated_at < _BEFORE, order=RuleDecision.evaluated_at)
_STUDIES = oldest(StudyDecision, StudyDecision.decided_at < _BEFORE, order=StudyDecision.decided_at)
_DEALS = oldest(BalanceDeal, BalanceDeal.day < _BEFORE, order=BalanceDeal.day)
_MARKS = oldest(BalanceMark, BalanceMark.day < _BEFORE, order=BalanceMark.day)
_OLD_RESULT = select(func.min(QueryResult.ien)).where(
    QueryResult.changed == select(func.min(QueryResult.changed)).where(QueryResult.changed < _BEFORE).scalar_subquery()
)
_RESULT_LINES = oldest(QueryResultLine, QueryResultLine.result == bindparam("result_"))
_RESULT = oldest(QueryResult, QueryResult.ien == bindparam("result_"))
_LOG = oldest(EvaluatorLog, EvaluatorLog.task == bindparam("task_"), EvaluatorLog.line < bindparam("line_"))
_LAST_LINE = select(func.max(EvaluatorLog.line)).where(EvaluatorLog.task == bindparam("task_"))
#: What an evaluator's task leaves, taken away when its record is gone.
_OF_TASK = {
    "lines of evaluators' logs": (EvaluatorLog.task, oldest(EvaluatorLog, EvaluatorLog.task == bindparam("task_"))),
    "decisions about studies": (StudyDecision.task, oldest(StudyDecision, StudyDecision.task == bindparam("task_"))),
}
_TASK = select(Task.number).where(Task.number == bindparam("task_"))


@routine(
    "QUEUES^MAGBSYS",
    subject=lambda _arguments: "QUEUES^MAGBSYS",
    option="MAGB PURGE QUEUES",
    frequency="D@01:40,E@01:40",
    variables=VARIABLES,
)
def purge_queues(task: TaskContext) -> None:
    """Delete entries of queues and worklist, answers, results of queries, tokens, locks and rule decisions that are done with."""
    kept = read_variables(VARIABLES, task.arguments)
    clock, now = task.clock, task.clock.seconds()
    before = seconds_ago(clock, kept["days"])
    counts = {
        "send queue entries": _purge_send_queue(task, before),
        "export entries": in_batches(task, lambda connection: _purge_exports(connection, before)),
        "answered requests": purge(task, _ANSWERS, {"before": seconds_ago(clock, kept["answer_days"])}),
        "sign-on tokens": purge(task, _TOKENS, {"before": now}),
        "failed sign-ons": purge(task, _FAILURES, {"before": seconds_ago(clock, 1)}),
        "past locks of addresses": purge(task, _LOCKS, {"before": to_fileman(clock.now())}),
        "rule decisions": purge(task, _DECISIONS, {"before": fileman_ago(clock, kept["decision_days"])}),
        "old decisions about studies": purge(task, _STUDIES, {"before": seconds_ago(clock, kept["decision_days"])}),
        "old deals of balances": sum(
            purge(task, statement, {"before": fileman_ago(clock, kept["days"])}) for statement in (_DEALS, _MARKS)
        ),
        "scheduled steps": in_batches(task, partial(drop_old_steps, before_day=_day(clock, kept["worklist_days"]), most=BATCH)),
        "performed steps": in_batches(
            task, partial(drop_old_performed, before=seconds_ago(clock, kept["worklist_days"]), most=BATCH)
        ),
        "results of DICOM queries": _purge_results(task, fileman_ago(clock, QUERY_RESULT_DAYS)),
        "old lines of evaluators' logs": sum(_purge_log(task, number, kept["log_lines"]) for number in _evaluators(task)),
    }
    for what, (column, statement) in _OF_TASK.items():
        gone = (number for number in values_of(task, column, 0) if not _is_known(task, number))
        counts[what] = sum(purge(task, statement, {"task_": number}) for number in gone)
    task.say(", ".join(f"{count} {what}" for what, count in counts.items() if count) or "nothing was to be deleted")


def _day(clock: Clock, days: float) -> str:
    """Give the day so many days ago, as DICOM has it."""
    return f"{clock.now() - timedelta(days=days):%Y%m%d}"


def _purge_send_queue(task: TaskContext, before: float) -> int:
    return sum(
        purge(task, _SEND_QUEUE, {"destination_": destination, "status_": status, "before": before})
        for destination in values_of(task, SendQueue.destination, "")
        for status in DONE
    )


def _purge_exports(connection: Connection, before: float) -> int:
    """Delete one batch of images that were exported, and the exports that have none left."""
    rows = connection.execute(_EXPORTED, {"before": before}).all()
    lock_for_transaction(connection, *{export_lock(row.origin) for row in rows})
    take_out_exported(connection, [(row.export, row.sequence, "SUCCESS") for row in rows])
    return len(rows)


def _purge_results(task: TaskContext, before: str) -> int:
    """Delete results of queries, one after the other, the lines of each before itself."""
    done = 0
    while done < MOST_RESULTS and not task.stop_requested():
        result = task.store.read(lambda connection: connection.execute(_OLD_RESULT, {"before": before}).scalar())
        if result is None:
            break
        purge(task, _RESULT_LINES, {"result_": result})
        done += purge(task, _RESULT, {"result_": result})
    return done


def _evaluators(task: TaskContext) -> list[int]:
    return list(values_of(task, EvaluatorLog.task, 0))


def _purge_log(task: TaskContext, number: int, lines: float) -> int:
    """Leave an evaluator, which may run for years, the end of its log."""
    last = task.store.read(lambda connection: connection.execute(_LAST_LINE, {"task_": number}).scalar()) or 0
    return purge(task, _LOG, {"task_": number, "line_": int(last - lines) + 1})


def _is_known(task: TaskContext, number: int) -> bool:
    return task.store.read(lambda connection: connection.execute(_TASK, {"task_": number}).first()) is not None
