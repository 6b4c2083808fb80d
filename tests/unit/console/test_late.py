"""A command is imported when it is named: the list of commands comes at once, and says what the commands say themselves."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from console.cli import main, rules
from console.cli.late import Late, LateCommand, group_of

#: What takes long to load, and what lists and checks have no use for.
HEAVY = ("alembic", "dbos", "numpy", "pydicom", "pynetdicom", "sqlalchemy", "twisted")
TOLD = {name: late for name, late in main.COMMANDS.items() if not late.hidden}


@pytest.mark.parametrize("name", TOLD)
def test_the_list_says_of_a_command_what_its_own_help_begins_with(name: str) -> None:
    command: Any = TOLD[name].load(name)
    assert " ".join(command.help.split("\n\n")[0].split()) == TOLD[name].told


@pytest.mark.parametrize("name", rules.VERBS)
def test_every_verb_of_rules_is_declared_where_the_table_says(name: str) -> None:
    command: Any = rules.VERBS[name].load(name)
    assert (command.name, bool(command.help)) == (name, True)


def test_the_list_of_commands_loads_nothing_heavy() -> None:
    script = (
        "import sys; from typer.testing import CliRunner; from console.cli.main import app;"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0;"
        f"print(sorted(set(sys.modules) & set({HEAVY!r})))"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert told.strip() == "[]"


@pytest.mark.parametrize(
    ("module", "spared"),
    [
        ("console.sign_on", {"broker", "fileman", "rpcs", "taskman"}),
        ("console.cli.gateway_service", {"broker", "dbos", "rpcs", "sqlalchemy", "taskman"}),
        ("console.tasks.brokers_desk", {"broker", "dbos", "rpcs.standard", "rpcs.actions.families", "sqlalchemy"}),
        ("console.traffic", {"dbos", "rpcs.standard", "rpcs.actions.families", "sqlalchemy"}),
        ("console.serving", {"PIL", "gateway_client", "numpy", "pydicom", "pynetdicom"}),
    ],
)
def test_a_program_loads_nothing_of_what_others_need(module: str, spared: set[str]) -> None:
    script = f"import sys, {module}; print(sorted(set(sys.modules) & {spared!r}))"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert told.strip() == "[]"


def greet(name: str, loud: bool = False) -> None:
    """Greet somebody."""
    typer.echo(f"Hello {name}{'!' if loud else '.'}")


class TestGroup:
    """A group with a late command behaves as one whose commands are there."""

    runner = CliRunner()
    app = typer.Typer(
        cls=group_of({"greet": Late(f"{__name__}:greet"), "hid": Late("no.such:thing", hidden=True)}), help="Words."
    )

    def test_the_command_reads_its_own_arguments(self) -> None:
        holder = typer.Typer(add_completion=False)
        holder.add_typer(self.app, name="words")
        assert self.runner.invoke(holder, ["words", "greet", "Ann", "--loud"]).output == "Hello Ann!\n"
        assert "Greet somebody." in self.runner.invoke(holder, ["words", "greet", "--help"]).output
        assert self.runner.invoke(holder, ["words", "greet", "--nope"]).exit_code == 2

    def test_the_help_takes_the_docstring_of_what_says_nothing_and_leaves_out_what_is_hidden(self) -> None:
        holder = typer.Typer(add_completion=False)
        holder.add_typer(self.app, name="words")
        told = self.runner.invoke(holder, ["words", "--help"]).output
        assert "Greet somebody." in told
        assert "hid" not in told

    def test_a_group_of_groups_has_stand_ins_only(self) -> None:
        group: Any = typer.main.get_command(main.app)
        assert all(isinstance(one, LateCommand) for one in group.commands.values())
