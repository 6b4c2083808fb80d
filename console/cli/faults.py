"""`magbroker fault`: let a running broker's clients meet what seldom happens."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.table import Table
from sqlalchemy import Connection, bindparam, select

from console.cli.options import ConfigOption, DataOption, JsonOption, err, out
from console.database import opened
from console.errors import ConsoleError
from fileman import Fault, clear_faults, read_faults, set_fault
from fileman.faults import KINDS
from fileman.files import OptionRpc
from rpcs import STANDARD
from rpcs.image_processing.study import SERVICE_ORDER, find_study
from runtime import load_settings

app = typer.Typer(help="Set faults for client tests, and clear them; a running broker heeds them at once.", no_args_is_help=True)

_IN_CONTEXT = select(OptionRpc.rpc).where(OptionRpc.rpc == bindparam("name")).limit(1)
_USAGE = "\n\n".join(f"{kind.usage.replace('[', chr(92) + '[')}: {kind.effect}." for kind in KINDS.values())


@app.command("set", help=f"Set a fault. times=N lets it strike N times and then clears it.\n\n{_USAGE}")
def fault_set(
    kind: Annotated[str, typer.Argument(metavar="NAME", help=f"One of {', '.join(KINDS)}.")],
    facts: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="What it strikes, and how.")] = None,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Set a fault."""
    given = {}
    for fact in facts or []:
        key, sign, value = fact.partition("=")
        if not sign:
            raise ConsoleError(f"{fact!r} is not written as KEY=VALUE.")
        given[key] = value
    fault = Fault.parse(kind, given)
    with opened(load_settings(config, data=data)) as store:
        store.transact(lambda connection: set_fault(connection, fault))
        hint = store.read(lambda connection: _strikes_nothing(connection, fault))
    if hint:
        err.print(
            f"{hint}; until something has that name, the fault strikes nothing", style="yellow", highlight=False, markup=False
        )
    out.print(f"set: {fault}", highlight=False, markup=False)


def _strikes_nothing(connection: Connection, fault: Fault) -> str:
    """Say that nothing here has the name that a fault is to strike; empty when something has, or it needs none."""
    name, facts = fault.subject, fault.facts
    if "rpc" in facts and name not in STANDARD and connection.execute(_IN_CONTEXT, {"name": name}).first() is None:
        return f"magbroker has no procedure {name}, and no context of the site names one of a pack"
    if "accession" in facts and not any(find_study(connection, service, name) for service in SERVICE_ORDER):
        return f"images find no exam by the accession number {name}"
    return ""


@app.command("clear")
def fault_clear(
    kind: Annotated[str, typer.Argument(metavar="[NAME]", help="Only the faults of this name.", show_default=False)] = "",
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Clear the faults of a name, or all."""
    with opened(load_settings(config, data=data)) as store:
        cleared = store.transact(lambda connection: clear_faults(connection, kind))
    for fault in cleared:
        out.print(f"cleared: {fault}", highlight=False, markup=False)
    if not cleared:
        out.print("no faults were set")


@app.command("list")
def fault_list(config: ConfigOption = None, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Show the faults that are set."""
    with opened(load_settings(config, data=data)) as store:
        faults = store.read(read_faults)
    if as_json:
        out.print_json(json.dumps([{"name": fault.kind, **fault.facts} for fault in faults]))
        return
    table = Table(box=None, padding=(0, 2), header_style="bold")
    for heading in ("fault", "set with", "what happens"):
        table.add_column(heading)
    for fault in faults:
        facts = " ".join(f"{key}={value}" for key, value in fault.facts.items())
        table.add_row(fault.kind, facts, KINDS[fault.kind].effect)
    out.print(table if faults else "no faults are set", highlight=False, markup=False)
