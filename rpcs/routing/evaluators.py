"""Rule evaluators: started, stopped and watched, and old entries of their queue purged (MAG DICOM ROUTE EVAL *)."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, delete, exists, func, or_, select

import taskman.api as taskman
from fileman.files import BackgroundQueue, EvaluatorLog
from rpcs.call import Call
from rpcs.errors import undefined
from rpcs.numbers import fileman_limit, whole
from rpcs.registry import Access, Answer, listed, literal, procedure
from rpcs.routing.activity import note_activity
from rpcs.session import StartTask
from rules.evaluator import ENTRY_POINT, set_flag, subject_of
from rules.evaluator.versions import publications
from xwb import LocalArray, ResultType, collation_key, is_canonical, m_number, m_text

NOT_ACCEPTED = "-4,TaskMan did not Accept Request"
#: Entries that one purge removes; it says that there are more.
PURGED_AT_ONCE = 10_000

_LAST_LINE = select(func.max(EvaluatorLog.line)).where(EvaluatorLog.task == bindparam("task"))
_NEXT_TASK = select(func.min(EvaluatorLog.task)).where(EvaluatorLog.task > bindparam("after"))
_LINES = (
    select(EvaluatorLog.line, EvaluatorLog.text)
    .where(EvaluatorLog.task == bindparam("task"), EvaluatorLog.line > bindparam("after"))
    .order_by(EvaluatorLog.line)
    .limit(bindparam("maximum"))
)
#: Entries of the EVAL queue from before there were places. Only they are in cross-reference B.
_OLD_STYLE = (BackgroundQueue.place == 0, BackgroundQueue.queue == "EVAL")
_ANY_OLD = select(exists().where(*_OLD_STYLE))
_OLD = (
    select(BackgroundQueue.ien)
    .where(*_OLD_STYLE, or_(BackgroundQueue.status != "NOT_PROCESSED", BackgroundQueue.requested <= bindparam("until")))
    .order_by(BackgroundQueue.ien)
    .limit(PURGED_AT_ONCE + 1)
)
_PURGE = delete(BackgroundQueue).where(BackgroundQueue.ien == bindparam("entry"))


@procedure(
    "MAG DICOM ROUTE EVAL START",
    access=Access.WRITES,
    routine="START^MAGDRPC5",
    parameters=(
        literal("LOCATION", 30, required=True),
        listed("RULES", required=True),
    ),
    version=3,
    unavailable=NOT_ACCEPTED,
)
def start_evaluator(call: Call) -> Answer | str:
    """Start the rule evaluator of a location with a list of rule elements, as a TaskMan task.

    Answers `0,TaskMan task#=n`; -1 without a location, -2 without rules, -3 while an evaluator of the location runs, -4 when
    TaskMan takes nothing. One that was started and does not run yet is none: the second then finds the first running and ends.
    """
    location = whole(call.text(0))
    if not location:
        return "-1,No Location Specified"
    rules = call.list(1)
    if not m_number(min((subscripts[0] for subscripts, _text in rules.items()), key=collation_key, default="")):
        return "-2,No Routing Rules Specified"
    institution = call.site.institutions.get(location)
    name = institution.name if institution else ""
    if taskman.is_running(call.connection, subject_of({"location": location}), call.clock.seconds()):
        return f"-3,A Rule Evaluator is Already Running for {name}"
    if not call.environment.engine_accepts():
        return NOT_ACCEPTED
    set_flag(call.connection, running=True)
    number = taskman.load(
        call.connection,
        ENTRY_POINT,
        arguments={
            "location": location,
            "rules": rule_elements(rules),
            "published": publications(call.connection, location),
        },
        description=f"Evaluate Routing Rules for Origin={name}",
        duz=call.session.duz,
        now=call.clock.seconds(),
    )
    return Answer(f"0,TaskMan task#={number}", effects=(StartTask(number, NOT_ACCEPTED),))


def rule_elements(rules: LocalArray[str]) -> list[tuple[str, str]]:
    """Give subscript and text of every rule element, in M's order; subscripts that are no numbers are no elements."""
    return [(subscripts[0], text) for subscripts, text in rules.items() if len(subscripts) == 1 and is_canonical(subscripts[0])]


@procedure("MAG DICOM ROUTE EVAL STOP", access=Access.WRITES, routine="STOP^MAGDRPC5", version=3)
def stop_evaluators(call: Call) -> str:
    """Ask every rule evaluator of every location to stop after the image it is at; always answers 1.

    One that was started and has not begun yet is not asked, as in VistA: it will begin, and go on.
    """
    set_flag(call.connection, running=False)
    taskman.stop_begun(call.connection, ENTRY_POINT, _with_log(call.connection))
    return "1"


def _with_log(connection: Connection) -> list[int]:
    """Give the evaluators that have said something, each found by one look into the log's index."""
    found: list[int] = []
    while (following := connection.execute(_NEXT_TASK, {"after": found[-1] if found else -1}).scalar()) is not None:
        found.append(following)
    return found


@procedure(
    "MAG DICOM ROUTE EVAL LOG",
    returns=ResultType.ARRAY,
    access=Access.WRITES,
    routine="EVALLOG^MAGDRPC6",
    parameters=(
        literal("TASK", 30, required=True),
        literal("MSG", 30, required=True),
        literal("MAX", 30, required=True),
        literal("LOCATION", 30, required=True),
    ),
    version=3,
)
def evaluator_log(call: Call) -> list[str]:
    """Answer `count last` and the log lines of an evaluator after line MSG, fewer than MAX of them.

    The maximum counts the heading, as in VistA: 2 gives one line, and so does 1. A task without a log is `-1`, a maximum below
    1 is `-2`; when there is nothing new and the task has ended its state is answered, `-3,Inactive: Finished`. Whoever watches
    an evaluator shows that the location uses routing.
    """
    note_activity(call, call.text(3))
    task, after, maximum = whole(call.text(0)), whole(call.text(1)), m_number(call.text(2))
    last = call.connection.execute(_LAST_LINE, {"task": task}).scalar() if task else 0
    if last is None:
        return [f"-1,No task #{m_text(m_number(call.text(0)))}"]
    if maximum < 1:
        return [f"-2,MAXIMUM parameter = {call.text(2)} < 1"]
    at_most = max(1, int(maximum.to_integral_value(rounding="ROUND_CEILING")) - 1)
    lines = call.connection.execute(_LINES, {"task": task, "after": after, "maximum": at_most}).all() if task else []
    if not lines and task and "Inactive" in (status := taskman.stat(call.connection, task).text):
        return [f"-3,{status}"]
    return [f"{len(lines)} {lines[-1].line if lines else after}", *(line.text for line in lines)]


@procedure(
    "MAG DICOM ROUTE EVAL PURGE",
    access=Access.WRITES,
    routine="EVALPU^MAGBRTUT",
    parameters=(literal("UNTIL"),),
)
def purge_evaluator_queue(call: Call) -> str:
    """Remove old entries of the EVAL queue: the processed ones, and those asked for up to a FileMan date.

    Answers `count^more`, more being 1 when some are left. Only entries without a place are looked at, as VistA made them
    once: it does not find those that are made today, and answers `0^0`. File 8994 lacks the procedure.
    """
    if not call.arguments:
        if call.connection.execute(_ANY_OLD).scalar_one():
            raise undefined("EVALPU+8^MAGBRTUT", "UNTIL")
        return "0^0"
    entries = call.connection.execute(_OLD, {"until": fileman_limit(call.text(0))}).scalars().all()
    if entries:
        call.connection.execute(_PURGE, [{"entry": entry} for entry in entries[:PURGED_AT_ONCE]])
    return f"{min(len(entries), PURGED_AT_ONCE)}^{int(len(entries) > PURGED_AT_ONCE)}"
