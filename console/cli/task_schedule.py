"""`magbroker tasks schedule`: options that run again and again (OPTION SCHEDULING, #19.2)."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from console.cli.task_verbs import Outcome, Room, asked, bare, facts_of, verb
from console.errors import WrongUsage

app = typer.Typer()

IenArgument = Annotated[
    int, typer.Argument(metavar="ENTRY", help="The entry's number, as 'tasks schedule list' shows it.", min=1)
]
FrequencyOption = Annotated[
    str | None, typer.Option(help="When it runs again: 90S, 2H, 1D, D@02:00 (weekdays), M@08:00,R@20:00, 1M(1,15@NOON) ...")
]
AtOption = Annotated[str | None, typer.Option("--at", metavar="WHEN", help="The next run, as in 'tasks start --at'.")]
SpecialOption = Annotated[str | None, typer.Option(help="S: at TaskMan's start. P: kept running. SP: both.")]
VariableOption = Annotated[
    list[str] | None, typer.Option("--variable", metavar="K=V", help="An argument of every run; a V that is JSON is that.")
]
ParameterOption = Annotated[str | None, typer.Option("--parameter", help="ZTQPARAM of every run.")]


@verb(app, "list")
def schedule_list(room: Room) -> Outcome:
    """List every entry with its next run."""
    found = room.desk.ask("MAGB TASK SCHEDULE LIST")
    return Outcome(found, room.screens.schedules(found))


bare(app, schedule_list, "List and change what runs again and again; without a command, list.")


@verb(app, "add", changes=True)
def schedule_add(
    room: Room,
    option: Annotated[str, typer.Argument(help="The option to run; a name that is none lists those there are.")],
    frequency: FrequencyOption = None,
    at: AtOption = None,
    catch_up: Annotated[bool, typer.Option("--catch-up", help="Make up for each run that was missed, not for one.")] = False,
    special: SpecialOption = None,
    variable: VariableOption = None,
    parameter: ParameterOption = None,
) -> Outcome:
    """Schedule an option: again and again, once at a time, or at TaskMan's start."""
    request = asked(
        option=option,
        frequency=frequency,
        at=at,
        catch_up=catch_up,
        special=special,
        variables=json.dumps(facts_of(variable)),
        parameter=parameter,
    )
    return _entry(room, room.desk.ask("MAGB TASK SCHEDULE ADD", request))


@verb(app, "edit", changes=True)
def schedule_edit(
    room: Room,
    ien: IenArgument,
    frequency: FrequencyOption = None,
    at: AtOption = None,
    catch_up: Annotated[bool | None, typer.Option("--catch-up/--no-catch-up", help="Make up for each missed run.")] = None,
    special: Annotated[str | None, typer.Option(help="S, P, SP, or NONE.")] = None,
    variable: VariableOption = None,
    parameter: ParameterOption = None,
) -> Outcome:
    """Change what is given. A new frequency counts from now unless --at says when; variables replace all those there are."""
    request = asked(ien=ien, frequency=frequency, at=at, catch_up=catch_up, special=special, parameter=parameter)
    if special is not None and special.upper() in ("", "NONE"):
        request["SPECIAL"] = ""
    if variable:
        request["VARIABLES"] = json.dumps(facts_of(variable))
    if len(request) == 1:
        raise WrongUsage("Say what to change: --frequency, --at, --catch-up, --special, --variable or --parameter.")
    return _entry(room, room.desk.ask("MAGB TASK SCHEDULE EDIT", request))


@verb(app, "pause", changes=True)
def schedule_pause(room: Room, ien: IenArgument) -> Outcome:
    """Let an entry run no more until it is resumed."""
    return _entry(room, room.desk.ask("MAGB TASK SCHEDULE EDIT", asked(ien=ien, paused=True)))


@verb(app, "resume", changes=True)
def schedule_resume(room: Room, ien: IenArgument) -> Outcome:
    """Let a paused entry run again; what it missed counts as missed runs do."""
    return _entry(room, room.desk.ask("MAGB TASK SCHEDULE EDIT", asked(ien=ien, paused=False)))


@verb(app, "remove", changes=True)
def schedule_remove(room: Room, ien: IenArgument) -> Outcome:
    """Take an entry away; a run that is at work goes on."""
    told = room.desk.ask("MAGB TASK SCHEDULE REMOVE", asked(ien=ien))
    return Outcome(told, f"entry {told['ien']}, {told['option']}, is taken away")


@verb(app, "run", changes=True)
def schedule_run(room: Room, ien: IenArgument) -> Outcome:
    """Queue a run at once, besides the scheduled ones."""
    made = room.desk.ask("MAGB TASK SCHEDULE RUN", asked(ien=ien))
    return Outcome(made, room.screens.started(made))


@verb(app, "preview")
def schedule_preview(
    room: Room,
    what: Annotated[str, typer.Argument(metavar="CODE|ENTRY", help="A frequency, or an entry's number.")],
    count: Annotated[int, typer.Option(min=1, max=1000, help="So many runs.")] = 10,
    start: Annotated[str, typer.Option("--from", metavar="WHEN", help="Runs after this time, for a code.")] = "",
) -> Outcome:
    """Show when an entry, or a code that need not be scheduled, runs next, and what the code means."""
    entry = what.isascii() and what.isdigit()
    if entry and start:
        raise WrongUsage("--from is for a code; an entry has its next run.")
    request = asked(ien=what, count=count) if entry else asked(frequency=what, count=count, **{"from": start})
    told = room.desk.ask("MAGB TASK SCHEDULE PREVIEW", request)
    return Outcome(told, room.screens.runs(told))


def _entry(room: Room, facts: Any) -> Outcome:
    return Outcome(facts, room.screens.schedules({"schedules": [facts]}))
