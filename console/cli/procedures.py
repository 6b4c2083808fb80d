"""`magbroker rpc`: what a broker can be asked, and which pack each procedure comes from."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from inspect import cleandoc
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from console.cli.options import ConfigOption, InstalledOption, JsonOption, PackOption, find_packs_here, out
from console.errors import ConsoleError
from console.packs import Procedures, load_packs
from rpcs import Procedure
from runtime import load_settings

app = typer.Typer(help="Show the remote procedures of a broker, those of packs included.", no_args_is_help=True)


def _loaded(config: Path | None, packs: list[str] | None, installed: bool | None) -> Procedures:
    if packs:
        find_packs_here()
    return load_packs(packs or [], installed=load_settings(config, installed_packs=installed).installed_packs)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is told of a procedure."""

    name: str
    returns: str
    parameters: tuple[str, ...]
    access: str
    inactive: str
    routine: str
    pack: str
    description: str

    @classmethod
    def of(cls, procedure: Procedure, pack: str) -> Facts:
        """Put enumerations in the words of file 8994."""
        return cls(
            procedure.name,
            procedure.returns.name.replace("_", " "),
            tuple(one.name for one in procedure.parameters),
            procedure.access.value,
            procedure.inactive.name.replace("_", " ").lower(),
            procedure.routine,
            pack,
            cleandoc(procedure.description),
        )


@app.command("list")
def rpc_list(
    config: ConfigOption = None, rpc_pack: PackOption = None, installed: InstalledOption = None, as_json: JsonOption = False
) -> None:
    """List the procedures by name."""
    procedures = _loaded(config, rpc_pack, installed)
    rows = [Facts.of(procedure, procedures.origins[procedure.name]) for procedure in procedures.registry]
    if as_json:
        out.print_json(json.dumps([asdict(row) for row in rows]))
        return
    table = Table(box=None, padding=(0, 2), header_style="bold")
    for heading in ("name", "returns", "parameters", "pack"):
        table.add_column(heading)
    for row in rows:
        table.add_row(row.name, row.returns, ", ".join(row.parameters), row.pack)
    out.print(table, highlight=False)


@app.command("show")
def rpc_show(
    name: Annotated[str, typer.Argument(help="The procedure, as it is called.")],
    config: ConfigOption = None,
    rpc_pack: PackOption = None,
    installed: InstalledOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one procedure: what it returns, its parameters, what it promises, and the pack it comes from."""
    procedures = _loaded(config, rpc_pack, installed)
    procedure = procedures.registry.get(name)
    if procedure is None:
        raise ConsoleError(f"There is no procedure {name!r}; 'magbroker rpc list' names them all.")
    facts = asdict(Facts.of(procedure, procedures.origins[name]))
    if as_json:
        out.print_json(json.dumps(facts))
        return
    table = Table(show_header=False, box=None, padding=(0, 2))
    for key, value in facts.items():
        table.add_row(key, ", ".join(map(str, value)) if isinstance(value, tuple) else str(value))
    out.print(table, highlight=False, markup=False)
