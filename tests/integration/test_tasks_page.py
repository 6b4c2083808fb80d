"""The page on tasks has every verb with its options as the help says it, every status, and every field of the JSON."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from console.cli.task_verbs import EPILOG
from console.cli.tasks import app
from rpcs.actions import ACTIONS
from rpcs.actions.queues import Depth
from taskman import Status
from taskman.error_log import LoggedError
from taskman.listing import GROUPS, Detail, Flag, Held, Line, Step
from taskman.monitor import Counts, Due, Failure, Holder, Monitor, WorkerState
from taskman.record import MEANINGS
from taskman.schedule import Schedule

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "reference" / "tasks.md").read_text(encoding="utf-8")
SHARED = {"--config", "--data", "--access", "--verify", "--broker", "--tls", "--ca", "--json"}


def verbs(command: Any, name: str) -> Iterator[str]:
    """Give a row of the page's table for each command: its name and arguments, its own options, its help."""
    if hasattr(command, "commands"):
        for part, below in command.commands.items():
            yield from verbs(below, f"{name} {part}")
        return
    arguments = [str(it.metavar or it.name).replace("|", r"\|") for it in command.params if it.param_type_name == "argument"]
    own = [it for it in command.params if it.param_type_name == "option" and not SHARED & set(it.opts)]
    options = ", ".join("/".join(f"`{text}`" for text in (*it.opts, *it.secondary_opts)) for it in own)
    told = " ".join((command.help or "").split())
    yield f"| `{' '.join([name, *arguments])}` | {options} | {told} |"


def test_the_page_has_every_verb_as_its_help_says_it() -> None:
    written = [line for line in PAGE.splitlines() if line.startswith("| `tasks ")]
    assert written == list(verbs(get_command(app), "tasks"))


def test_the_page_has_every_status() -> None:
    rows = []
    for code, meaning in MEANINGS.items():
        groups = ", ".join(f"`{name}`" for name, codes in GROUPS.items() if code in codes)
        rows.append(f"| `{code}` | {meaning} | {Status(code).text} | {groups} |")
    assert [line for line in PAGE.splitlines() if re.match(r"\| `[0-9A-M]` \|", line)] == rows


def test_the_page_says_how_commands_end() -> None:
    assert EPILOG.partition("Exit status: ")[2] in " ".join(PAGE.split())


@pytest.mark.parametrize(
    ("heading", "shape", "besides"),
    [
        ("A task of a list", Line, ()),
        ("A task as `show` tells it", Detail, ()),
        ("A step", Step, ()),
        ("A subject held", Held, ()),
        ("A flag held", Flag, ()),
        ("An error", LoggedError, ()),
        ("A schedule", Schedule, ("means", "label", "overdue")),
        ("The monitor", Monitor, ()),
        ("Its counts", Counts, ()),
        ("A worker", WorkerState, ()),
        ("A run to come", Due, ()),
        ("A holder", Holder, ()),
        ("A late error", Failure, ()),
        ("A queue", Depth, ()),
    ],
)
def test_the_page_names_every_field(heading: str, shape: type, besides: tuple[str, ...]) -> None:
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| {heading} |")]
    assert re.findall(r"`(\w+)`", row.split("|")[2]) == [*(field.name for field in fields(shape)), *besides]


def test_the_example_site_lets_its_manager_do_everything() -> None:
    site = tomllib.loads((DOCS / "examples" / "tasks.toml").read_text(encoding="utf-8"))
    contexts = {context["name"]: context["rpcs"] for context in site["context"]}
    assert set(contexts["MAGB TASKMAN"]) == {name for name in ACTIONS if name.startswith("MAGB TASK ")}
    assert [(user["contexts"], user["keys"]) for user in site["user"]] == [(["MAGB TASKMAN"], ["ZTMQ"])]
