"""What every command about tasks has in common: the options that say where TaskMan is, `--json`, and how it ends."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.markup import escape

from console.cli.options import (
    AccessOption,
    AuthorityOption,
    BrokerOption,
    ConfigOption,
    DataOption,
    JsonOption,
    TlsOption,
    VerifyOption,
    out,
    with_options,
)
from console.errors import WrongUsage
from console.tasks import Desk, Screens, open_desk
from console.tasks.changes import Trial, change_text
from console.way import Way
from runtime import Settings, load_settings

#: What each command says besides at its end.
EPILOG = (
    "With --access and --verify it is done as that user; otherwise as the owner of the data directory, by the broker that runs "
    "on it or, where none does, in its database. Exit status: 0 done, 1 refused, in part or whole, 2 wrong usage, 3 no such task "
    "or entry."
)


def epilog_of(key: str) -> str:
    """Give the end of the help of a command that needs a security key, if any."""
    return f"A user needs the security key {key}. {EPILOG}" if key else EPILOG


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command ends with: its value for `--json`, the same for people, and the exit status."""

    value: Any
    screen: RenderableType
    status: int = 0


@dataclass(frozen=True, slots=True)
class Room:
    """Where a command works: the desk, screens at this moment, the settings, whether it speaks JSON, and only rehearses."""

    desk: Desk
    settings: Settings
    as_json: bool
    rehearses: bool = False

    @property
    def screens(self) -> Screens:
        """Give the screens of this moment."""
        return Screens(datetime.now(UTC))


Verb = Callable[..., Outcome | None]


def verb(app: typer.Typer, name: str, *, changes: bool = False) -> Callable[[Verb], Verb]:
    """Register the decorated function as a command; its first argument, the room, comes from the options that all share.

    What it returns is printed, unless it is None. One that `changes` something can be asked to do it for a trial only.
    """

    def register(work: Verb) -> Verb:
        app.command(name, epilog=EPILOG)(command_of(work, changes=changes))
        return work

    return register


def command_of(work: Verb, *, changes: bool = False) -> Callable[..., None]:
    """Make the function that typer is to call: the first argument of `work`, the room, comes from the options that all share."""

    def command(**given: Any) -> None:
        _run(work, given)

    own = list(inspect.signature(work, eval_str=True).parameters.values())[1:]
    trial = [_DRY_RUN] if changes else []
    return with_options(command, [*own, *trial, *_shared()], work.__doc__)


_DRY_RUN = inspect.Parameter(
    "dry_run",
    inspect.Parameter.KEYWORD_ONLY,
    default=False,
    annotation=Annotated[bool, typer.Option("--dry-run", help="Show what would be changed, and change nothing.")],
)


def bare(app: typer.Typer, work: Verb, doc: str) -> None:
    """Let a group without a command do what one of its commands does."""

    def callback(**given: Any) -> None:
        context: typer.Context = given.pop("context")
        if context.invoked_subcommand is None:
            _run(work, given)
        misplaced = [name for name in given if (source := context.get_parameter_source(name)) and source.name == "COMMANDLINE"]
        if misplaced and context.invoked_subcommand is not None:
            raise WrongUsage(f"Options come after the command: {context.command_path} {context.invoked_subcommand} --...")

    first = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    app.callback(invoke_without_command=True, epilog=EPILOG)(with_options(callback, [first, *_shared()], doc))


def _run(work: Verb, given: dict[str, Any]) -> None:
    as_json: bool = given.pop("as_json")
    settings = load_settings(given.pop("config"), data=given.pop("data"))
    way = Way(settings, *(given.pop(one) for one in ("access", "verify", "broker", "tls", "authority")))
    dry_run: bool = given.pop("dry_run", False)
    with open_desk(way) as desk:
        trial = Trial(desk) if dry_run else None
        outcome = work(Room(trial or desk, settings, as_json, dry_run), **given)
    if trial is not None:
        outcome = _rehearsed(trial)
    if outcome is None:
        return
    if as_json:
        out.print_json(json.dumps(outcome.value))
    else:
        out.print(outcome.screen, highlight=False, soft_wrap=isinstance(outcome.screen, str))  # a path stays in one piece
    raise typer.Exit(outcome.status)


def _rehearsed(trial: Trial) -> Outcome:
    lines = [change_text(change) for change in trial.changes] or ["nothing would be changed"]
    return Outcome({"dry_run": True, "changes": trial.changes}, escape("\n".join([*lines, "Nothing was done: --dry-run."])))


def _shared() -> list[inspect.Parameter]:
    options: dict[str, tuple[Any, Any]] = {
        "config": (ConfigOption, None),
        "data": (DataOption, None),
        "access": (AccessOption, None),
        "verify": (VerifyOption, None),
        "broker": (BrokerOption, None),
        "tls": (TlsOption, False),
        "authority": (AuthorityOption, None),
        "as_json": (JsonOption, False),
    }
    keyword = inspect.Parameter.KEYWORD_ONLY
    return [inspect.Parameter(name, keyword, default=default, annotation=kind) for name, (kind, default) in options.items()]


def facts_of(given: list[str] | None) -> dict[str, Any]:
    """Read KEY=VALUE; a value that is JSON (660, true, [1, 2]) is that, any other is text. Raises ConsoleError."""
    facts = {}
    for fact in given or []:
        key, sign, value = fact.partition("=")
        if not (key and sign):
            raise WrongUsage(f"{fact!r} is not written as KEY=VALUE.")
        try:
            facts[key] = json.loads(value)
        except (ValueError, RecursionError):
            facts[key] = value
    return facts


def asked(**given: object) -> dict[str, str]:
    """Name what is asked as actions do: `catch_up=True` is CATCH UP, 1; what is None, or empty, is left out."""
    written = {True: "1", False: "0"}
    return {
        name.upper().replace("_", " "): written[value] if isinstance(value, bool) else str(value)
        for name, value in given.items()
        if value is not None and value != ""
    }
