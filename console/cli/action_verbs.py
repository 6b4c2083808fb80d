"""Commands made of what actions declare: an argument for what is needed, an option for what is not.

What destroys something is shown and asked for first.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.markup import escape

from console.action_tables import tables_of
from console.cli.options import err
from console.cli.task_verbs import Outcome, Room, command_of, epilog_of
from console.errors import ConsoleError
from console.tasks.changes import Trial, change_text
from rpcs.actions.declarations import Declaration, declarations
from rpcs.actions.parameters import DRY_RUN, Kind, Parameter, request_of

#: What a command that destroys something takes besides.
_YES = inspect.Parameter(
    "yes",
    inspect.Parameter.KEYWORD_ONLY,
    default=False,
    annotation=Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")],
)


def action_app(about: str, verbs: Mapping[str, str]) -> typer.Typer:
    """Make a group of commands, each of which is an action; by the command's name the procedure's, without MAGB."""
    app = typer.Typer(no_args_is_help=True, help=about)
    add_actions(app, verbs)
    return app


def add_actions(app: typer.Typer, verbs: Mapping[str, str]) -> None:
    """Add commands that are actions to a group."""
    for name, procedure in verbs.items():
        action = declarations()[f"MAGB {procedure}"]
        app.command(name, epilog=epilog_of(action.key))(command_of(_work(action), changes=action.writes))


def _work(action: Declaration) -> Any:
    """Make what a command does: its arguments and options are what the action takes."""
    takes = [it for it in action.takes.values() if it.name != DRY_RUN]

    def work(room: Room, **given: Any) -> Outcome:
        yes = given.pop("yes", True)
        wanted = {it.key: given[it.key] for it in takes if given.get(it.key) is not None}
        request = request_of(action.takes, wanted)
        if not (yes or room.rehearses):
            _ask_first(action, room, request)
        answer = room.desk.ask(action.name, request)
        return Outcome(answer, tables_of(action, answer, room.screens.now))

    needed = [_parameter(it) for it in takes if it.required]
    others = [_parameter(it) for it in takes if not it.required]
    room = inspect.Parameter("room", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Room)
    work.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # inspect looks for it
        [room, *needed, *others, *([_YES] if action.destroys else [])]
    )
    work.__doc__ = action.about
    return work


def _parameter(it: Parameter) -> inspect.Parameter:
    extra: dict[str, Any] = {}
    if it.kind is Kind.NUMBER:
        kind: Any = int
        extra = {"min": it.least, "max": it.most}
    elif it.kind is Kind.FLAG:
        kind = bool
    else:
        kind = str
    if it.required:
        about = it.about + (f" [{', '.join(it.choices)}]" if it.choices else "")
        declared: Any = typer.Argument(metavar=it.name.replace(" ", "_"), help=about, show_default=False, **extra)
        return inspect.Parameter(it.key, inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[kind, declared])
    names = [it.flag] if it.kind is not Kind.FLAG else [f"{it.flag}/--no-{it.flag.removeprefix('--')}"]
    about = it.about + (f" [default: {it.default}]" if it.default else "")
    if it.choices:
        extra["metavar"] = "|".join(it.choices)
    declared = typer.Option(*names, help=about, show_default=False, **extra)
    return inspect.Parameter(it.key, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, declared])


def _ask_first(action: Declaration, room: Room, request: Mapping[str, str]) -> None:
    """Show what would be changed and ask whether it is to be. Raises ConsoleError where nobody can be asked."""
    if not sys.stdin.isatty():
        raise ConsoleError(f"{action.destroys} Say --yes: nobody can be asked here.")
    trial = Trial(room.desk)
    trial.ask(action.name, request)
    for change in trial.changes:
        err.print(escape(change_text(change)), highlight=False)
    typer.confirm(action.destroys, abort=True, err=True)
