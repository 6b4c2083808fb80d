"""What a person does with OPTION SCHEDULING (#19.2): look, add, change, pause, take away, run now, look ahead.

Everybody who may use the context may look; a change takes the key ZTMQ.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from tzlocal import get_localzone

from rpcs.actions import parameters as takes
from rpcs.actions.action import Act, Done, action
from rpcs.actions.errors import NotFound, RefusedAction
from rpcs.actions.options import known_option
from rpcs.actions.tasks import MANAGER
from taskman import BadSchedule, UnknownRoutine, parse_frequency
from taskman.monitor import OVERDUE_AFTER
from taskman.recurrence import next_run, preview_runs
from taskman.routines import find_option
from taskman.schedule import (
    SPECIAL,
    Schedule,
    add_schedule,
    change_schedule,
    delete_schedule,
    list_schedules,
    read_schedule,
    run_now,
)

#: Runs that a preview tells unless more or fewer are asked for, and at most.
PREVIEWED, MOST_PREVIEWED = 10, 1000
#: What an entry without a frequency does.
ONCE, AT_START = "once", "at TaskMan's start"
_OF_AN_ENTRY = (
    takes.choice("SPECIAL", "S to run at TaskMan's start, P to be kept running, SP both.", tuple(filter(None, SPECIAL))),
    takes.facts("VARIABLES", "The option's variables, as a JSON object."),
    takes.text("PARAMETER", "The task parameter (#19.2)."),
    takes.flag("CATCH UP", "Make up for runs that were missed."),
)


@action(
    "MAGB TASK SCHEDULE LIST",
    lists={"schedules": ("ien", "option", "means", "next_at", "paused")},
)
def schedule_list(act: Act) -> dict[str, Any]:
    """List every entry with its next run and what its frequency means."""
    return {"schedules": [_facts(act, entry) for entry in list_schedules(act.connection)]}


def _facts(act: Act, entry: Schedule) -> dict[str, Any]:
    facts = {field.name: getattr(entry, field.name) for field in fields(entry)}
    overdue = entry.next_at is not None and not entry.paused and entry.next_at < act.now - OVERDUE_AFTER
    return {**facts, "means": meaning(entry.frequency, entry.special), "label": _label(entry.option), "overdue": overdue}


def meaning(frequency: str, special: str = "") -> str:
    """Say in English when an entry runs."""
    parts = [AT_START] if special.startswith("S") else []
    parts += [parse_frequency(frequency).text] if frequency else []
    return ", ".join(parts or [ONCE]) + (", kept running" if "P" in special else "")


def _label(option: str) -> str:
    try:
        return find_option(option).label
    except UnknownRoutine:
        return "no routine has this option here"


@action(
    "MAGB TASK SCHEDULE ADD",
    takes.text("OPTION", "The option to run.", required=True),
    takes.text("FREQUENCY", "How often, as 60S, 1D or M-F@0800; once if left out."),
    takes.time("AT", "The first run; as the frequency says if left out."),
    *_OF_AN_ENTRY,
    writes=True,
    key=MANAGER,
)
def schedule_add(act: Act) -> dict[str, Any]:
    """Schedule OPTION by FREQUENCY from AT on, or once; SPECIAL, CATCH UP, VARIABLES (JSON) and PARAMETER as in #19.2."""
    option, frequency = known_option(act.text("OPTION")), act.text("FREQUENCY")
    ien = add_schedule(
        act.connection,
        option,
        frequency,
        _first_run(act, frequency),
        special=_special(act),
        variables=act.facts("VARIABLES"),
        parameter=act.text("PARAMETER"),
        duz=act.caller.duz,
        catch_up=act.flag("CATCH UP"),
    )
    made = read_schedule(act.connection, ien)
    act.changed(_named(ien), None, made)
    return _facts(act, made)


def _named(ien: int) -> str:
    return f"schedule entry {ien}"


def _special(act: Act) -> str:
    return act.text("SPECIAL")


def _first_run(act: Act, frequency: str) -> float | None:
    """Give the time that was asked for, or the first that the frequency names; None for neither."""
    zone = get_localzone()
    if act.text("AT"):
        return act.time("AT")
    return next_run(parse_frequency(frequency), act.now, zone) if frequency else None


@action(
    "MAGB TASK SCHEDULE EDIT",
    takes.number("IEN", "The entry.", required=True),
    takes.text("FREQUENCY", "How often from now on; empty for once."),
    takes.time("AT", "The next run."),
    takes.flag("PAUSED", "Whether it is to rest."),
    *_OF_AN_ENTRY,
    writes=True,
    key=MANAGER,
)
def schedule_edit(act: Act) -> dict[str, Any]:
    """Change entry IEN: what is given of FREQUENCY, AT, SPECIAL, CATCH UP, PAUSED, VARIABLES, PARAMETER.

    A new frequency without a time counts from now.
    """
    entry = _entry(act)
    frequency = act.text("FREQUENCY") if act.given("FREQUENCY") else None
    first = _first_run(act, frequency or "")
    if frequency and first is None:
        raise RefusedAction(f"{frequency} has no run after now.")
    change_schedule(
        act.connection,
        entry.ien,
        frequency=frequency,
        next_at=first,
        paused=_switch(act, "PAUSED"),
        catch_up=_switch(act, "CATCH UP"),
        special=_special(act) if act.given("SPECIAL") else None,
        variables=act.facts("VARIABLES") if act.given("VARIABLES") else None,
        parameter=act.text("PARAMETER") if act.given("PARAMETER") else None,
    )
    changed = read_schedule(act.connection, entry.ien)
    act.changed(_named(entry.ien), entry, changed)
    return _facts(act, changed)


def _switch(act: Act, name: str) -> bool | None:
    return act.flag(name) if act.given(name) else None


def _entry(act: Act) -> Schedule:
    ien = act.number("IEN")
    try:
        return read_schedule(act.connection, ien)
    except BadSchedule as error:
        raise NotFound(str(error)) from error


@action(
    "MAGB TASK SCHEDULE REMOVE",
    takes.number("IEN", "The entry.", required=True),
    writes=True,
    key=MANAGER,
)
def schedule_remove(act: Act) -> dict[str, Any]:
    """Take entry IEN away; a run that is at work goes on."""
    entry = _entry(act)
    delete_schedule(act.connection, entry.ien)
    act.changed(_named(entry.ien), entry, None)
    return _facts(act, entry)


@action(
    "MAGB TASK SCHEDULE RUN",
    takes.number("IEN", "The entry.", required=True),
    writes=True,
    key=MANAGER,
)
def schedule_run(act: Act) -> Done:
    """Queue a run of entry IEN at once, besides the scheduled ones."""
    entry = _entry(act)
    known_option(entry.option)
    number = run_now(act.connection, entry.ien, act.now, act.caller.duz)
    act.changed(f"task {number}", None, {"what": entry.option, "scheduled_at": act.now})
    return Done({"number": number, "what": entry.option, "scheduled_at": act.now}, number)


@action(
    "MAGB TASK SCHEDULE PREVIEW",
    takes.number("IEN", "The entry whose runs are wanted."),
    takes.text("FREQUENCY", "Instead of IEN: a frequency to try."),
    takes.time("FROM", "From when on a frequency is tried."),
    takes.number("COUNT", "How many runs.", default=PREVIEWED, most=MOST_PREVIEWED),
    lists={"runs": ("at",)},
)
def schedule_preview(act: Act) -> dict[str, Any]:
    """Tell the next COUNT runs of entry IEN, or of FREQUENCY after FROM, and what its code means."""
    count = act.number("COUNT")
    if act.text("IEN"):
        entry = _entry(act)
        frequency, means, runs = entry.frequency, meaning(entry.frequency, entry.special), entry.preview(count)
    else:
        parsed = parse_frequency(act.text("FREQUENCY"))
        zone = get_localzone()
        frequency, means = parsed.code, parsed.text
        runs = preview_runs(parsed, act.time("FROM", act.now), count, zone)
    return {"frequency": frequency, "means": means, "runs": [{"at": seconds} for seconds in runs]}
