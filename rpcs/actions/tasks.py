"""What a person does with tasks: look, start, stop, requeue, dequeue, delete, and read TaskMan's errors.

A holder of the key ZTMQ sees and changes everyone's tasks, others their own only (SKIP^%ZTLOAD5).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import bindparam, func, select

import taskman.api as taskman
from fileman.files import EvaluatorLog, NewPerson
from rpcs.actions import parameters as takes
from rpcs.actions.action import Act, Done, action
from rpcs.actions.errors import BadRequest, NotAllowed, NotFound
from rpcs.actions.options import known_option, knows_routine
from rpcs.actions.queues import queue_depths
from rules.evaluator import ENTRY_POINT
from taskman.error_log import delete_errors, list_errors
from taskman.listing import GROUPS, MOST_RANGES, MOST_TASKS, Line, Wanted, list_tasks, read_detail, read_numbers, stoppable_with
from taskman.monitor import read_monitor
from taskman.record import BUSY
from taskman.routines import find_option
from taskman.sync_flags import clear, held_flags
from taskman.tasks import count_old_tasks, delete_old_tasks
from taskman.variables import read_variables

#: The key of those who manage everyone's tasks.
MANAGER = "ZTMQ"
#: Tasks of a list, errors, and lines of an evaluator's log, unless more or fewer are asked for.
LIST_LIMIT, ERROR_LIMIT, LOG_LINES = 100, 20, 20
#: Days for which what ended may be asked to be kept, at most.
MOST_DAYS = 36500
#: Records that one call deletes at most: on SQLite nobody else writes meanwhile.
MOST_DELETED = 10_000
DAY = 86400.0
#: What became of a task that was not changed.
MISSING, NOT_YOURS, PERSISTENT = "there is no such task", "it is another user's; the key ZTMQ is needed", "it runs, persistent"

_USERS = select(NewPerson.duz, NewPerson.name).order_by(NewPerson.name).limit(2)
_LOG = (
    select(EvaluatorLog.text)
    .where(EvaluatorLog.task == bindparam("task_"))
    .order_by(EvaluatorLog.line.desc())
    .limit(bindparam("lines"))
)


@action(
    "MAGB TASK LIST",
    takes.choice("STATUS", "Tasks of this kind only.", tuple(GROUPS)),
    takes.text("NUMBERS", "Only these, as 5,7-9."),
    takes.text("USER", "Whose tasks, by name or DUZ."),
    takes.flag("MINE", "Your own tasks only."),
    takes.flag("ALL", "Everyone's tasks, which needs ZTMQ."),
    takes.text("ROUTINE", "Only those of a routine, by the beginning of TAG^ROUTINE or its name."),
    takes.text("OPTION", "Only those of an option."),
    takes.text("DESCRIPTION", "Only those whose description has this in it."),
    takes.limit(MOST_TASKS, LIST_LIMIT),
    lists={"tasks": ("number", "meaning", "at", "creator", "description")},
)
def task_list(act: Act) -> dict[str, Any]:
    """List tasks: STATUS, NUMBERS, USER (name or DUZ), MINE, ROUTINE, OPTION, DESCRIPTION, LIMIT say which."""
    group = act.text("STATUS")
    limit = act.number("LIMIT")
    wanted = Wanted(
        group,
        _whose(act),
        read_numbers(act.text("NUMBERS")) if act.text("NUMBERS") else (),
        act.text("ROUTINE").upper(),
        act.text("OPTION"),
        act.text("DESCRIPTION"),
        limit,
    )
    found = list_tasks(act.connection, wanted, act.now)
    return {"tasks": found, "more": len(found) == limit}


def _whose(act: Act) -> int | None:
    """Give whose tasks are to be listed; None is everyone's."""
    user = act.text("USER")
    if act.flag("MINE") or (not user and not act.flag("ALL") and not act.caller.holds(MANAGER)):
        return act.caller.duz
    duz = _duz(act, user) if user else None
    if duz != act.caller.duz and not act.caller.holds(MANAGER):
        raise NotAllowed(f"{act.caller.name} needs the security key {MANAGER} to see the tasks of others.")
    return duz


def _duz(act: Act, user: str) -> int:
    if user.isascii() and user.isdigit() and len(user) <= 9:
        return int(user)
    named = func.upper(NewPerson.name).startswith(user.upper(), autoescape=True)
    found = act.connection.execute(_USERS.where(named)).all()
    exact = [row for row in found if row.name == user.upper()] or found
    if len(exact) != 1:
        many = f"more than one: {'; '.join(row.name for row in exact)}" if exact else "nobody"
        raise NotFound(f"The name {user[:40]!r} fits {many}.")
    return int(exact[0].duz)


@action(
    "MAGB TASK SHOW",
    takes.number("NUMBER", "The task.", required=True),
)
def task_show(act: Act) -> dict[str, Any]:
    """Tell all that is known of task NUMBER, with its last error; an evaluator's with the end of its log."""
    number = act.number("NUMBER")
    detail = read_detail(act.connection, number, act.now)
    if detail is None:
        raise NotFound(f"There is no task {number}; 'magbroker tasks list' shows those there are.")
    if detail.duz != act.caller.duz and not act.caller.holds(MANAGER):
        raise NotAllowed(f"Task {number} is another user's; {act.caller.name} needs the security key {MANAGER} to see it.")
    errors = list_errors(act.connection, 1, number)
    log: list[str] = []
    if detail.entry_point == ENTRY_POINT:
        rows = act.connection.execute(_LOG, {"task_": number, "lines": LOG_LINES})
        log = list(rows.scalars())[::-1]
    return {"task": detail, "error": errors[0] if errors else None, "log": log}


@action(
    "MAGB TASK START",
    takes.text("WHAT", "An option's name, or TAG^ROUTINE.", required=True),
    takes.facts("ARGUMENTS", "What the routine is given, as a JSON object."),
    takes.time("AT", "When it is to begin; at once if left out."),
    takes.text("DESCRIPTION", "What it is for; the option's or routine's name if left out."),
    takes.number("PRIORITY", "From 1 up to 10, the most urgent.", most=10),
    writes=True,
    key=MANAGER,
)
def task_start(act: Act) -> Done:
    """Queue a task: WHAT is an option or `TAG^ROUTINE`; ARGUMENTS (JSON), AT, DESCRIPTION and PRIORITY are its own.

    A routine that this process does not know is taken, since workers elsewhere may know it; `known` tells.
    """
    what = act.text("WHAT")
    option = "" if "^" in what else known_option(what)
    arguments = act.facts("ARGUMENTS")
    if option:
        read_variables(find_option(option).variables, arguments)
    at = act.time("AT", act.now)
    priority = act.number("PRIORITY")
    number = taskman.load(
        act.connection,
        taskman.OPTION_ENTRY_POINT if option else what,
        arguments,
        act.text("DESCRIPTION") or option or what,
        act.caller.duz,
        act.now,
        at,
        option=option,
        priority=priority,
    )
    facts = {
        "number": number,
        "what": option or what,
        "known": bool(option) or knows_routine(what),
        "scheduled_at": at,
        "taskman": taskman.tm(act.connection, act.now),
    }
    act.changed(f"task {number}", None, {"what": facts["what"], "scheduled_at": at})
    return Done(facts, number if at <= act.now else None)


def _each(act: Act, change: Callable[[Line], tuple[bool, str]]) -> dict[str, Any]:
    """Change each task of NUMBERS that the caller may change; tell what became of each."""
    ranges = read_numbers(act.text("NUMBERS"))
    found = list_tasks(act.connection, Wanted(numbers=ranges, limit=MOST_TASKS), act.now)
    if len(found) == MOST_TASKS:
        raise BadRequest(f"These are {MOST_TASKS:,} tasks or more; name fewer at a time, and nothing is left out.")
    numbers = {line.number for line in found}
    missing = [first for first, last in ranges if first == last and first not in numbers]
    told = _changed(act, found, change)
    told += [{"number": number, "done": False, "found": False, "outcome": MISSING} for number in dict.fromkeys(missing)]
    return {"tasks": sorted(told, key=lambda one: int(one["number"]))}


def _changed(act: Act, lines: Sequence[Line], change: Callable[[Line], tuple[bool, str]]) -> list[dict[str, Any]]:
    told = []
    for line in lines:
        allowed = line.duz == act.caller.duz or act.caller.holds(MANAGER)
        done, outcome = change(line) if allowed else (False, NOT_YOURS)
        told.append({"number": line.number, "done": done, "found": True, "outcome": outcome})
        if done:
            act.changed(f"task {line.number}", {"status": line.status, "description": line.description}, {"outcome": outcome})
    return told


@action(
    "MAGB TASK STOP",
    takes.text("NUMBERS", "Task numbers, as 5,7-9."),
    takes.number("LOCATION", "Instead of NUMBERS: the rule evaluator of this institution."),
    writes=True,
)
def task_stop(act: Act) -> dict[str, Any]:
    """Ask tasks NUMBERS to stop, or the rule evaluator of one LOCATION; what waits is unscheduled."""

    def stop(line: Line) -> tuple[bool, str]:
        answer = taskman.askstop(act.connection, line.number, act.now, act.caller.name)
        return answer.startswith("2"), answer.partition("^")[2]

    if not act.text("LOCATION"):
        return _each(act, stop)
    location = act.number("LOCATION")
    numbers = [(number, number) for number in stoppable_with(act.connection, ENTRY_POINT, "location", location)]
    if not numbers:
        raise NotFound(f"No rule evaluator of location {location} waits or runs, or is to be begun again.")
    wanted = Wanted(numbers=numbers[:MOST_RANGES], limit=MOST_TASKS)
    return {"tasks": _changed(act, list_tasks(act.connection, wanted, act.now), stop)}


@action(
    "MAGB TASK REQUEUE",
    takes.text("NUMBERS", "Task numbers, as 5,7-9.", required=True),
    takes.time("AT", "When they are to begin again; at once if left out."),
    writes=True,
)
def task_requeue(act: Act) -> dict[str, Any]:
    """Schedule tasks NUMBERS again, AT a time or now; one that runs begins again when it ends."""
    at = act.time("AT", act.now)

    def requeue(line: Line) -> tuple[bool, str]:
        done = taskman.req(act.connection, line.number, act.now, at)
        return done, ("begins again when it ends" if line.executor else "requeued") if done else BUSY

    return {**_each(act, requeue), "scheduled_at": at}


@action(
    "MAGB TASK DEQUEUE",
    takes.text("NUMBERS", "Task numbers, as 5,7-9.", required=True),
    writes=True,
)
def task_dequeue(act: Act) -> dict[str, Any]:
    """Take tasks NUMBERS out of every list of the manager; one that runs goes on."""

    def dequeue(line: Line) -> tuple[bool, str]:
        done = taskman.dq(act.connection, line.number, act.caller.duz, act.now, act.caller.name)
        return done, "unscheduled; it runs on to its end" if line.executor else "unscheduled"

    return _each(act, dequeue)


@action(
    "MAGB TASK DELETE",
    takes.text("NUMBERS", "Task numbers, as 5,7-9.", required=True),
    writes=True,
)
def task_delete(act: Act) -> dict[str, Any]:
    """Delete tasks NUMBERS, running ones too unless they are persistent, which then stop."""

    def delete(line: Line) -> tuple[bool, str]:
        if line.persistent and line.executor:
            return False, PERSISTENT
        done = taskman.kill(act.connection, line.number)
        return done, ("deleted; its routine is told to stop" if line.executor else "deleted") if done else BUSY

    return _each(act, delete)


@action(
    "MAGB TASK CLEAN COUNT",
    takes.number("DAYS", "Ended more days ago than this.", default=7, most=MOST_DAYS),
    key=MANAGER,
)
def task_clean_count(act: Act) -> dict[str, int]:
    """Count the tasks that ended more than DAYS days ago and need not be kept."""
    return {"tasks": count_old_tasks(act.connection, _days_ago(act), act.now)}


@action(
    "MAGB TASK CLEAN",
    takes.number("DAYS", "Ended more days ago than this.", default=7, most=MOST_DAYS),
    writes=True,
    key=MANAGER,
)
def task_clean(act: Act) -> dict[str, int]:
    """Delete the tasks that ended more than DAYS days ago and need not be kept, ten thousand at most; tell how many."""
    count = delete_old_tasks(act.connection, _days_ago(act), act.now, MOST_DELETED)
    act.changed("tasks that ended", {"tasks": count}, None)
    return {"deleted": count}


def _days_ago(act: Act) -> float:
    return act.now - act.number("DAYS") * DAY


@action(
    "MAGB TASK FLAGS",
    lists={"flags": ("name", "task", "status")},
)
def task_flags(act: Act) -> dict[str, Any]:
    """List the sync flags that are taken, by which task, and which of them a failed task keeps."""
    flags = [{"name": name, "task": task, "status": status} for name, task, status in held_flags(act.connection)]
    return {"flags": flags}


@action(
    "MAGB TASK FLAG CLEAR",
    takes.text("NAME", "The flag.", required=True),
    writes=True,
    key=MANAGER,
)
def task_flag_clear(act: Act) -> dict[str, str]:
    """Free the sync flag NAME, so that the next task that waits for it goes on."""
    name = act.text("NAME")
    if not clear(act.connection, name):
        raise NotFound(f"No task has a sync flag {name[:60]!r}; 'magbroker tasks flags' lists those that are taken.")
    act.changed(f"sync flag {name}", {"taken": True}, {"taken": False})
    return {"cleared": name}


@action(
    "MAGB TASK ERRORS",
    takes.number("TASK", "Of this task only."),
    takes.limit(MOST_TASKS, ERROR_LIMIT),
    lists={"errors": ("ien", "at", "task", "entry_point", "text")},
)
def task_errors(act: Act) -> dict[str, Any]:
    """List the newest LIMIT errors of all tasks, or of TASK."""
    limit = act.number("LIMIT")
    if not act.text("TASK"):
        if not act.caller.holds(MANAGER):
            raise NotAllowed(f"{act.caller.name} needs the security key {MANAGER} to see the errors of all tasks.")
        return {"errors": list_errors(act.connection, limit)}
    number = act.number("TASK")
    detail = read_detail(act.connection, number, act.now)
    if not act.caller.holds(MANAGER) and (detail is None or detail.duz != act.caller.duz):
        raise NotAllowed(f"Task {number} is not a task of {act.caller.name}: the security key {MANAGER} is needed.")
    return {"errors": list_errors(act.connection, limit, number)}


@action(
    "MAGB TASK ERRORS CLEAR",
    takes.text("KIND", "Of this kind only, as the list shows it."),
    takes.number("DAYS", "Older than so many days only.", most=MOST_DAYS),
    writes=True,
    key=MANAGER,
)
def task_errors_clear(act: Act) -> dict[str, int]:
    """Take errors out of the log: those of a KIND, those older than DAYS, or all."""
    before = _days_ago(act) if act.text("DAYS") else act.now + 1.0
    count = delete_errors(act.connection, before, act.text("KIND"))
    act.changed("errors of tasks", {"errors": count}, None)
    return {"cleared": count}


@action(
    "MAGB TASK MONITOR",
    takes.number("SILENT AFTER", "A worker that said nothing for so many seconds counts as silent.", most=3600),
    key=MANAGER,
)
def task_monitor(act: Act) -> dict[str, Any]:
    """Tell how TaskMan stands: workers, schedule, what waits and runs, evaluators, errors of the last hour, queues."""
    silent = act.number("SILENT AFTER") or None
    monitor = read_monitor(act.connection, act.now, silent)
    return {"monitor": monitor, "queues": queue_depths(act.connection)}
