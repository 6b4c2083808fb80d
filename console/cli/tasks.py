"""`magbroker tasks`: see and steer TaskMan."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Annotated, Any

import typer
from rich.console import RenderableType

from console.cli import task_schedule
from console.cli.options import err, out
from console.cli.task_verbs import Outcome, Room, asked, facts_of, verb
from console.errors import ConsoleError, WrongUsage
from console.tasks import monitor_screen, watch
from console.tasks.screens import outcome_status
from runtime import NotReady, wait_until_ready
from taskman.listing import GROUPS

app = typer.Typer(help="See and steer TaskMan: tasks, schedules, errors.", no_args_is_help=True)
app.add_typer(task_schedule.app, name="schedule")

NumbersArgument = Annotated[list[str], typer.Argument(metavar="N...", help="Task numbers, and ranges such as 1005-1010.")]
AtOption = Annotated[
    str, typer.Option("--at", metavar="WHEN", help="now, 08:30, 2026-11-21T08:30, a FileMan date, +90S, +30MIN, +2H or +1D.")
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]
_ALL = "all"


@verb(app, "list")
def task_list(
    room: Room,
    status: Annotated[str, typer.Option(help=f"One of {', '.join(GROUPS)}, {_ALL}.")] = _ALL,
    all_: Annotated[bool, typer.Option("--all", help="Everyone's tasks (what a holder of ZTMQ sees anyway).")] = False,
    mine: Annotated[bool, typer.Option("--mine", help="Only the tasks of the user who is signed on.")] = False,
    user: Annotated[str, typer.Option(metavar="NAME|DUZ", help="Only the tasks of a user; a name may be cut short.")] = "",
    first: Annotated[int | None, typer.Option("--from", min=1, help="From this task number on.")] = None,
    last: Annotated[int | None, typer.Option("--to", min=1, help="Up to this task number.")] = None,
    numbers: Annotated[str, typer.Option(metavar="1001,1005-1010", help="Only these tasks.")] = "",
    routine: Annotated[str, typer.Option(metavar="[TAG]^ROUTINE", help="Only tasks that begin there.")] = "",
    option: Annotated[str, typer.Option(help="Only tasks that run this option.")] = "",
    description: Annotated[str, typer.Option(help="Only tasks with this in their description.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 100,
) -> Outcome:
    """List tasks: the newest first, of a status what changed last; what waits as it will be begun."""
    if numbers and (first or last):
        raise WrongUsage("Give --numbers, or --from and --to.")
    if first or last:
        numbers = f"{first or 1}-{last or 999_999_999}"
    found = room.desk.ask(
        "MAGB TASK LIST",
        asked(
            status="" if status == _ALL else status,
            all=all_ or None,
            mine=mine or None,
            user=user,
            numbers=numbers,
            routine=routine,
            option=option,
            description=description,
            limit=limit,
        ),
    )
    return Outcome(found, room.screens.tasks(found))


@verb(app, "show")
def task_show(
    room: Room,
    number: Annotated[int, typer.Argument(metavar="N", help="The task's number.", min=1)],
    traceback: Annotated[bool, typer.Option("--traceback", help="The whole traceback of its last error.")] = False,
) -> Outcome:
    """Show all that is known of a task."""
    shown = room.desk.ask("MAGB TASK SHOW", asked(number=number))
    return Outcome(shown, room.screens.task(shown, traceback=traceback))


@verb(app, "start", changes=True)
def task_start(
    room: Room,
    what: Annotated[str, typer.Argument(metavar="OPTION|TAG^ROUTINE", help="What to run.")],
    arg: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="An argument; a VALUE that is JSON (660, true) is that.")
    ] = None,
    at: AtOption = "now",
    description: Annotated[str, typer.Option(help="What the task is for.")] = "",
    priority: Annotated[int | None, typer.Option(min=1, max=10, help="10 is the most urgent.")] = None,
) -> Outcome:
    """Queue a task."""
    request = asked(what=what, arguments=json.dumps(facts_of(arg)), at=at, description=description, priority=priority)
    made = room.desk.ask("MAGB TASK START", request)
    return Outcome(made, room.screens.started(made))


@verb(app, "stop", changes=True)
def task_stop(
    room: Room,
    numbers: Annotated[list[str] | None, typer.Argument(metavar="[N]...", help="Task numbers and ranges.")] = None,
    location: Annotated[
        int | None,
        typer.Option(min=1, help="The rule evaluator of this location, and of no other (MAG DICOM ROUTE EVAL STOP stops all)."),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until they have ended.")] = False,
    timeout: Annotated[float, typer.Option(min=0.1, max=86400, help="Seconds to wait at most.")] = 60.0,
) -> Outcome:
    """Ask tasks to stop; what has not begun is unscheduled. A running task stops when its routine next looks."""
    if bool(numbers) == (location is not None):
        raise WrongUsage("Give task numbers, or --location.")
    told = room.desk.ask("MAGB TASK STOP", asked(numbers=_joined(numbers), location=location))
    if wait and not room.rehearses:
        _await_end(room, [one["number"] for one in told["tasks"] if one["done"]], timeout)
    return _changes(room, told)


def _await_end(room: Room, numbers: list[int], seconds: float) -> None:
    def running() -> list[int]:
        wanted = ",".join(map(str, numbers))
        found = room.desk.ask("MAGB TASK LIST", asked(numbers=wanted, limit=1000))["tasks"] if numbers else []
        return [one["number"] for one in found if one["executor"]]

    with err.status("waiting for the end of the tasks") as progress:

        def ended() -> bool | None:
            left = running()
            progress.update(f"waiting for {', '.join(map(str, left))}")
            return None if left else True

        try:
            wait_until_ready(ended, "the end of the tasks", seconds)
        except NotReady as error:
            left = ", ".join(map(str, running()))
            raise ConsoleError(
                f"After {seconds:g} s still running: {left}. They were asked to stop, and do when their routines next look."
            ) from error


@verb(app, "requeue", changes=True)
def task_requeue(room: Room, numbers: NumbersArgument, at: AtOption = "now") -> Outcome:
    """Schedule tasks again; one that runs begins again when it ends."""
    return _changes(room, room.desk.ask("MAGB TASK REQUEUE", asked(numbers=_joined(numbers), at=at)))


@verb(app, "dequeue", changes=True)
def task_dequeue(room: Room, numbers: NumbersArgument) -> Outcome:
    """Unschedule tasks; their records stay, and one that runs goes on."""
    return _changes(room, room.desk.ask("MAGB TASK DEQUEUE", asked(numbers=_joined(numbers))))


@verb(app, "delete", changes=True)
def task_delete(
    room: Room,
    numbers: Annotated[list[str] | None, typer.Argument(metavar="[N]...", help="Task numbers and ranges.")] = None,
    finished_before: Annotated[
        int | None, typer.Option("--finished-before", metavar="DAYS", min=1, help="All that ended more than so many days ago.")
    ] = None,
    yes: YesOption = False,
) -> Outcome:
    """Delete task records, after a question; a running task is told to stop, a persistent running one stays."""
    if bool(numbers) == (finished_before is not None):
        raise WrongUsage("Give task numbers, or --finished-before.")
    if finished_before is not None:
        return _clean(room, finished_before, yes=yes)
    wanted = asked(numbers=_joined(numbers))
    if not (yes or room.rehearses):
        found = room.desk.ask("MAGB TASK LIST", {**wanted, "LIMIT": "1000"})
        if found["tasks"]:
            _confirm(f"Delete {_tasks(len(found['tasks']))}, the running ones too?", room.screens.tasks(found))
    return _changes(room, room.desk.ask("MAGB TASK DELETE", wanted))


def _clean(room: Room, days: int, *, yes: bool) -> Outcome:
    request = asked(days=days)
    if not (yes or room.rehearses):
        count = room.desk.ask("MAGB TASK CLEAN COUNT", request)["tasks"]
        _confirm(f"Delete {_tasks(count)} that ended more than {days} days ago?")
    told = room.desk.ask("MAGB TASK CLEAN", request)
    return Outcome(told, f"{_tasks(told['deleted'])} deleted")


@verb(app, "flags", changes=True)
def task_flags(
    room: Room,
    clear: Annotated[str, typer.Option(metavar="NAME", help="Free this flag, so that the next task goes on.")] = "",
) -> Outcome:
    """List the sync flags that are taken, or free one that a failed task keeps."""
    if clear:
        told = room.desk.ask("MAGB TASK FLAG CLEAR", asked(name=clear))
        return Outcome(told, f"cleared: {told['cleared']}")
    found = room.desk.ask("MAGB TASK FLAGS")
    return Outcome(found, room.screens.flags(found))


@verb(app, "errors", changes=True)
def task_errors(
    room: Room,
    task: Annotated[int | None, typer.Option(min=1, help="Only those of this task.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 20,
    traceback: Annotated[bool, typer.Option("--traceback", help="With their tracebacks.")] = False,
    clear: Annotated[bool, typer.Option("--clear", help="Take errors out of the log, after a question.")] = False,
    kind: Annotated[str, typer.Option(help="With --clear: only those of a kind, such as ValueError.")] = "",
    before: Annotated[
        int | None, typer.Option(metavar="DAYS", min=1, help="With --clear: only those older than so many days.")
    ] = None,
    yes: YesOption = False,
) -> Outcome:
    """List what routines raised, the newest first, or clear TaskMan's error log."""
    if clear:
        if task is not None:
            raise WrongUsage("--clear takes --kind and --before, not --task.")
        which = " ".join(["all", *([kind] if kind else []), "errors", *([f"older than {before} days"] if before else [])])
        if not (yes or room.rehearses):
            _confirm(f"Clear {which}?")
        told = room.desk.ask("MAGB TASK ERRORS CLEAR", asked(kind=kind, days=before))
        return Outcome(told, f"{told['cleared']} errors cleared")
    if kind or before:
        raise WrongUsage("--kind and --before say what to --clear.")
    found = room.desk.ask("MAGB TASK ERRORS", asked(task=task, limit=limit))
    return Outcome(found, room.screens.errors(found, traceback=traceback))


@verb(app, "monitor")
def task_monitor(
    room: Room, once: Annotated[bool, typer.Option("--once", help="Print one screen and end.")] = False
) -> Outcome | None:
    """Watch TaskMan: workers, schedule, what waits and runs, evaluators, queues, errors. q or Ctrl-C ends it.

    Where there is no terminal one screen is printed.
    """
    request = asked(silent_after=max(1, round(room.settings.taskman.dead_after_seconds)))

    def look() -> Any:
        return room.desk.ask("MAGB TASK MONITOR", request)

    if once or room.as_json or not out.is_terminal:
        told = look()
        return Outcome(told, monitor_screen(told, room.screens))
    watch(out, lambda rows: monitor_screen(look(), room.screens, rows))
    return None


def _joined(numbers: Iterable[str] | None) -> str:
    return ",".join(numbers or ())


def _changes(room: Room, told: Any) -> Outcome:
    return Outcome(told, room.screens.changes(told), outcome_status(told))


def _tasks(count: int) -> str:
    return "1 task" if count == 1 else f"{count} tasks"


def _confirm(question: str, screen: RenderableType = "") -> None:
    """Show what is asked about, and ask, on a terminal; elsewhere nobody could answer. Raises ConsoleError, Abort for a no."""
    if not sys.stdin.isatty():
        raise ConsoleError(f"{question} Say --yes: nobody can be asked here.")
    if screen:
        err.print(screen, highlight=False)
    typer.confirm(question, abort=True, err=True)
