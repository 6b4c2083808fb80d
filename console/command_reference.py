"""The reference page of commands: every verb with what it says of itself and what it takes, read from the commands."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import cleandoc
from typing import Any

_INTRODUCTION = """\
# Commands

Every command of `magbroker`, as `--help` has it; this page is what `magbroker rpc commands` prints. Commands that ask a broker
or its database take `--config`, `--data`, `--access`, `--verify`, `--broker`, `--tls`, `--ca` and `--json`, those that change
something `--dry-run` besides; below they are left out. `magbroker --install-completion` lets the shell complete names.

Exit statuses: 0 done, 1 refused or failed, in part or whole, 2 wrong usage, 3 nothing of this name or number, 130 ended by
Ctrl-C.
"""
#: Options that so many commands share that the page does not repeat them.
_SHARED = frozenset({"config", "data", "access", "verify", "broker", "tls", "authority", "as_json", "dry_run"})


def verbs_of(group: Any, context: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Give every verb below a group, with its words; hidden ones are left out."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command.hidden:
            continue
        command = command.late.load(name) if hasattr(command, "late") else command
        if hasattr(command, "list_commands"):
            if command.invoke_without_command:
                yield (*words, name), command
            yield from verbs_of(command, context, (*words, name))
        else:
            yield (*words, name), command


def command_reference(group: Any, context: Any) -> str:
    """Write the page."""
    parts = [_INTRODUCTION]
    for words, command in verbs_of(group, context):
        parts += [f"## magbroker {' '.join(words)}", "", cleandoc(command.help or "").replace("\b\n", ""), ""]
        rows = [_row(it) for it in command.params if it.name not in _SHARED and not getattr(it, "hidden", False)]
        if rows:
            parts += ["| | |", "|---|---|", *rows, ""]
    return "\n".join(parts)


def _row(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        name = parameter.metavar or str(parameter.name).upper()
    else:
        name = ", ".join([*parameter.opts, *parameter.secondary_opts])
    about = " ".join((getattr(parameter, "help", "") or "").split())
    return f"| `{name}` | {about} |".replace("|  |", "| |")
