"""Rule evaluators and the send queue (MAG DICOM ROUTE *)."""

from __future__ import annotations

import re

from sqlalchemy import bindparam, func, select, update

import taskman.api as taskman
from fileman import release_lease, take_lease, transmit_lock, upserts
from fileman.files import EvaluatorFlag, EvaluatorLog, SendQueue
from rpcs.call import Call
from rpcs.registry import Access, Answer, listed, literal, procedure
from rpcs.session import LockGiven, LockTaken, StartTask
from rules.evaluator import ENTRY_POINT, subject_of
from xwb import LocalArray, ResultType, m_number

NOT_ACCEPTED = "-4,TaskMan did not Accept Request"

_FLAG = upserts(
    EvaluatorFlag,
    lambda insert: insert.values(id=1, running=bindparam("flag")).on_conflict_do_update(
        index_elements=[EvaluatorFlag.id], set_={"running": bindparam("flag")}
    ),
)
_LAST_LINE = select(func.max(EvaluatorLog.line)).where(EvaluatorLog.task == bindparam("task"))
_LINES = (
    select(EvaluatorLog.line, EvaluatorLog.text)
    .where(EvaluatorLog.task == bindparam("task"), EvaluatorLog.line > bindparam("after"))
    .order_by(EvaluatorLog.line)
    .limit(bindparam("maximum"))
)
_ENTRY = select(SendQueue.destination, SendQueue.priority, SendQueue.origin).where(SendQueue.ien == bindparam("entry"))
_SET_STATUS = update(SendQueue).where(SendQueue.ien == bindparam("entry"))


def _integer(text: str) -> int:
    """Read the number that a text begins with, as M does; 0 when it begins with none."""
    match = re.match(r"\s*([+-]?\d{1,9})", text)
    return int(match[1]) if match else 0


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
    """Start the rule evaluator of a location with a list of rule elements, as a TaskMan task."""
    location = _integer(call.text(0))
    if not location:
        return "-1,No Location Specified"
    rules = call.list(1)
    if not len(rules):
        return "-2,No Routing Rules Specified"
    institution = call.site.institutions.get(location)
    name = institution.name if institution else ""
    if taskman.is_running(call.connection, subject_of({"location": location}), call.clock.seconds()):
        return f"-3,A Rule Evaluator is Already Running for {name}"
    if not call.environment.engine_accepts():
        return NOT_ACCEPTED
    call.connection.execute(_FLAG[call.connection.dialect.name], {"flag": True})
    number = taskman.load(
        call.connection,
        ENTRY_POINT,
        arguments={"location": location, "rules": rule_elements(rules)},
        description=f"Evaluate Routing Rules for Origin={name}",
        duz=call.session.duz,
        now=call.clock.seconds(),
    )
    return Answer(f"0,TaskMan task#={number}", effects=(StartTask(number, NOT_ACCEPTED),))


def rule_elements(rules: LocalArray[str]) -> list[tuple[str, str]]:
    """Give subscript and text of every rule element, in M's order."""
    return [(",".join(subscripts), text) for subscripts, text in rules.items() if len(subscripts) == 1]


@procedure("MAG DICOM ROUTE EVAL STOP", access=Access.WRITES, routine="STOP^MAGDRPC5", version=3)
def stop_evaluators(call: Call) -> str:
    """Ask every rule evaluator of every location to stop after the image it is at; always answers 1."""
    call.connection.execute(_FLAG[call.connection.dialect.name], {"flag": False})
    taskman.stop_all(call.connection, ENTRY_POINT)
    return "1"


@procedure(
    "MAG DICOM ROUTE EVAL LOG",
    returns=ResultType.ARRAY,
    access=Access.READS,
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

    The maximum counts the heading, as in VistA: 2 gives one line, and so does 1.
    """
    if not call.text(0):
        return ["0 0"]
    task, after, maximum = _integer(call.text(0)), _integer(call.text(1)), _integer(call.text(2))
    if maximum < 1:
        return [f"-2,MAXIMUM parameter = {call.text(2)} < 1"]
    last = call.connection.execute(_LAST_LINE, {"task": task}).scalar()
    if last is None:
        return [f"-1,No task #{call.text(0)}"]
    lines = call.connection.execute(_LINES, {"task": task, "after": after, "maximum": max(1, maximum - 1)}).all()
    if not lines and (status := taskman.stat(call.connection, task)).text.startswith("Inactive"):
        return [f"-3,{status.text}"]
    return [f"{len(lines)} {lines[-1].line if lines else after}", *(line.text for line in lines)]


@procedure(
    "MAG DICOM ROUTE STATUS",
    access=Access.WRITES,
    routine="STATUS^MAGDRPC5",
    parameters=(
        literal("D0", 30, required=True),
        literal("STATUS", 30, required=True),
        literal("LOCATION", 30, required=True),
    ),
    version=3,
)
def set_send_status(call: Call) -> str:
    """Set the status of a send queue entry; any text is taken. Answers 1, or 0 when nothing changed."""
    entry = _integer(call.text(0))
    if not entry:
        return f'-1,Invalid queue identifier: "{call.text(0)}".'
    row = call.connection.execute(_ENTRY, {"entry": entry}).first()
    origin = (row.origin or _integer(call.text(2))) if row is not None else 0
    if row is None or not row.destination or not origin:
        return "0"
    status = call.text(1)
    if not status:
        return "0"
    changes = {"status": status, "origin": origin, "status_at": call.clock.seconds()}
    call.connection.execute(_SET_STATUS.values(changes), {"entry": entry})
    return "1"


@procedure(
    "MAG DICOM ROUTE LOCK TRANSMIT",
    access=Access.WRITES,
    routine="LOCK^MAGDRPC5",
    parameters=(
        literal("D0", 30, required=True),
        literal("LOCATION", 30, required=True),
        literal("PLUSMIN", 10, required=True),
    ),
    version=3,
)
def lock_transmit(call: Call) -> Answer:
    """Take the lock of a destination at a location, so that one gateway sends there: 1, or 0 when another has it.

    Without 1 as the third argument the lock is given back, and the answer is 2 whoever has it. Taken twice it is to be
    given back twice; it ends with the session.
    """
    name = transmit_lock(call.text(1), call.text(0))
    holder = call.environment.holder(call.session)
    if m_number(call.text(2)):
        taken = take_lease(call.connection, name, holder, call.environment.lock_seconds, call.clock.seconds())
        return Answer("1", effects=(LockTaken(name),)) if taken else Answer("0")
    if call.session.locks.count(name) < 2:
        release_lease(call.connection, name, holder)
    return Answer("2", effects=(LockGiven(name),))


@procedure(
    "MAG DICOM ROUTE VALID DEST",
    access=Access.SESSION,
    routine="VALDEST^MAGDRPC1",
    parameters=(literal("NAME", 30, required=True),),
    version=3,
)
def valid_destination(call: Call) -> str:
    """Answer the IEN of the router's network location of a name, whether on line or not, or that there is none."""
    name = call.text(0, default=None)
    found = [location.ien for location in call.site.locations.values() if location.name == name]
    location = call.site.locations[min(found)] if found and name else None
    return str(location.ien) if location is not None and location.router else f'-1,"{name}" is not a valid destination'
