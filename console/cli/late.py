"""Commands that are imported when they are named: most of them load packages that take seconds, and no command needs all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup


@dataclass(frozen=True, slots=True)
class Late:
    """Where a command is declared, `module:name` of a function or a Typer application, and what its group's help says of it.

    Without `told` (and not hidden) the help of the group imports the command and takes its docstring.
    """

    where: str
    told: str = ""
    hidden: bool = False

    def load(self, name: str) -> Any:
        """Import the command and give it as a group knows it."""
        module, _, attribute = self.where.partition(":")
        declared = getattr(import_module(module), attribute)
        holder = typer.Typer(add_completion=False)
        if isinstance(declared, typer.Typer):
            holder.add_typer(declared, name=name)
        else:
            holder.command(name)(declared)
        return typer.main.get_group(holder).commands[name]


class LateCommand(TyperCommand):
    """Stands in a group for a command until that is asked to parse its arguments."""

    def __init__(self, name: str, late: Late) -> None:
        super().__init__(name, help=late.told, hidden=late.hidden, add_help_option=False)
        self.late = late

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Let the command itself read its arguments; the context it gives is the command's, which is what its group runs."""
        return self.late.load(str(self.name)).make_context(info_name, args, parent=parent, **extra)


class LateGroup(TyperGroup):
    """A group with late commands besides those that are declared with it."""

    late: Mapping[str, Late]

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, late in self.late.items():
            self.add_command(LateCommand(name, late))

    def list_commands(self, ctx: Any) -> list[str]:
        """List the commands for help and completion, and import those that say nothing of themselves yet."""
        for name, command in self.commands.items():
            if isinstance(command, LateCommand) and not (command.help or command.hidden):
                self.commands[name] = command.late.load(name)
        return super().list_commands(ctx)


def group_of(table: Mapping[str, Late]) -> type[LateGroup]:
    """Give the class of a Typer application (`cls=`) that has the commands of a table."""
    return type("Group", (LateGroup,), {"late": table})
