"""`magbroker rpc`: what a broker can be asked, which pack each procedure comes from, and asking one."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from console.cli.options import (
    AccessOption,
    AuthorityOption,
    BrokerOption,
    ConfigOption,
    DataOption,
    InstalledOption,
    JsonOption,
    PackOption,
    TlsOption,
    VerifyOption,
    err,
    find_packs_here,
    out,
)
from console.complaints import CALL_REFUSALS
from console.errors import ConsoleError, NothingThere, WrongUsage
from console.nodes import node_of
from console.packs import Procedures, load_packs
from console.rpc_reference import Facts, facts_of, reference
from console.sign_on import TIMEOUT, Door, door, explained
from console.way import Way
from rpcs.actions import ACTIONS
from runtime import load_settings
from xwb import AnswerTooLong, ApplicationError, BrokerClient, ConnectionLost, MError, Response, SecurityRefused

app = typer.Typer(help="Show the remote procedures of a broker, those of packs included, and call them.", no_args_is_help=True)

#: Stands among the arguments of a call where its list goes.
LIST_PLACE = "@"
#: What CHKPRMIT^XWBSEC says of a name that file 8994 lacks.
_UNKNOWN = "doesn't exist on the server"
_CALL_EPILOG = (
    "The answer goes to standard output as it came, one line a node of an array; --json tells it as text and as lines. What the "
    "procedure reports in the application segment goes to standard error. Exit status: 0 answered, whatever the answer says, "
    "1 refused by the broker or an error, 2 wrong usage, 3 the broker has no such procedure."
)


def _loaded(config: Path | None, packs: list[str] | None, installed: bool | None) -> Procedures:
    if packs:
        find_packs_here()
    return load_packs(packs or [], installed=load_settings(config, installed_packs=installed).installed_packs)


@app.command("list")
def rpc_list(
    config: ConfigOption = None, rpc_pack: PackOption = None, installed: InstalledOption = None, as_json: JsonOption = False
) -> None:
    """List the procedures by name."""
    rows = facts_of(_loaded(config, rpc_pack, installed))
    if as_json:
        out.print_json(json.dumps([asdict(row) for row in rows]))
        return
    table = Table(box=None, padding=(0, 2), header_style="bold")
    for heading in ("name", "returns", "parameters", "family", "pack"):
        table.add_column(heading)
    for row in rows:
        table.add_row(row.name, row.returns, ", ".join(one.name for one in row.parameters), row.family, row.pack)
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
        raise NothingThere(f"There is no procedure {name!r}; 'magbroker rpc list' names them all.")
    facts = Facts.of(procedure, procedures.origins[name])
    if as_json:
        out.print_json(json.dumps(asdict(facts)))
        return
    table = Table(show_header=False, box=None, padding=(0, 2))
    for key, value in {
        **asdict(facts),
        "parameters": "\n".join(one.words for one in facts.parameters),
        "taken": ", ".join(facts.taken),
    }.items():
        table.add_row(key.replace("_", " "), _told(value))
    out.print(table, highlight=False, markup=False)


@app.command("actions")
def rpc_actions(*, as_json: JsonOption = False) -> None:
    """Print the reference page of administrative actions as Markdown; with --json what they declare, as programs read it."""
    from console.action_reference import action_reference
    from rpcs.actions.declarations import written

    sys.stdout.write(written(ACTIONS) if as_json else action_reference(ACTIONS.values()))


@app.command("commands")
def rpc_commands(context: typer.Context) -> None:
    """Print the reference page of all commands as Markdown."""
    from console.command_reference import command_reference

    sys.stdout.write(command_reference(context.find_root().command, context.find_root()))


@app.command("reference")
def rpc_reference(config: ConfigOption = None, rpc_pack: PackOption = None, installed: InstalledOption = None) -> None:
    """Print the reference page of all procedures as Markdown, those of packs included."""
    sys.stdout.write(reference(facts_of(_loaded(config, rpc_pack, installed))))


@app.command("call", epilog=_CALL_EPILOG)
def rpc_call(
    name: Annotated[str, typer.Argument(help="The procedure, as 'magbroker rpc list' has it.")],
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ARG]...",
            help="Its parameters in their order; an empty one is ''. @ stands where the list of --list goes (after the others "
            "without it), @@ for the character itself.",
        ),
    ] = None,
    entries: Annotated[
        list[str] | None,
        typer.Option(
            "--list",
            metavar="KEY=VALUE",
            help="A node of the list parameter; once for each. KEY is a subscript, a number or text; commas part several.",
        ),
    ] = None,
    context: Annotated[
        str, typer.Option(envvar="MAGBROKER_CONTEXT", help="Context (option) to enter before the call.", show_default="none")
    ] = "",
    config: ConfigOption = None,
    data: DataOption = None,
    access: AccessOption = None,
    verify: VerifyOption = None,
    broker: BrokerOption = None,
    tls: TlsOption = False,
    authority: AuthorityOption = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the answer.", min=0.1, max=86400)] = TIMEOUT,
    as_json: JsonOption = False,
) -> None:
    """Call a procedure at a running broker as a signed-on user, and print what it answers.

    For example: magbroker rpc call "MAG DICOM GET MACHINE ID" GATEWAY1 --context "MAG DICOM GATEWAY FULL"
    """
    parameters = _parameters(arguments or [], entries)
    way = Way(load_settings(config, data=data), access, verify, broker, tls, authority)
    codes = way.codes
    if codes is None:
        if not sys.stdin.isatty() or as_json:
            raise WrongUsage("A broker wants to know who asks: give --access and --verify (MAGBROKER_ACCESS, MAGBROKER_VERIFY).")
        codes = (typer.prompt("Access code", hide_input=True), typer.prompt("Verify code", hide_input=True))
    answer, complaint = _asked(door(way, codes, timeout=timeout), context, name, parameters)
    if as_json:
        told = {"procedure": name, "text": answer.text, "lines": answer.lines, "error": complaint}
        out.print_json(json.dumps(told))
    else:
        text = answer.text.replace("\r\n", "\n")
        sys.stdout.write(text if not text or text.endswith("\n") else f"{text}\n")
    if complaint:
        err.print(f"[red]{escape(complaint)}", highlight=False, soft_wrap=True)
        raise typer.Exit(1)


def _asked(where: Door, context: str, name: str, parameters: list[Any]) -> tuple[Response, str]:
    """Sign on, call and take leave; give the answer and what the application segment says."""
    try:
        with where.signed_on("magbroker rpc", context) as client:
            return _called(client, name, parameters)
    except AnswerTooLong:
        raise
    except ConnectionLost as error:
        raise where.lost(error) from error


def _called(client: BrokerClient, name: str, parameters: list[Any]) -> tuple[Response, str]:
    try:
        return client.call(name, *parameters), ""
    except ApplicationError as error:
        return Response(error.data), error.text
    except SecurityRefused as error:
        if _UNKNOWN in error.text:
            raise NothingThere(
                f"The broker has no procedure {name!r}; 'magbroker rpc list' names those of this version."
            ) from error
        raise explained(error.text, CALL_REFUSALS, "The broker refuses the call") from error
    except MError as error:
        raise ConsoleError(f"The procedure failed: {error.text}") from error


def _parameters(arguments: list[str], entries: list[str] | None) -> list[Any]:
    """Put the list among the literals. Raises WrongUsage for a place without a list, or for two."""
    places = arguments.count(LIST_PLACE)
    if places > 1 or (places and not entries):
        raise WrongUsage(f"{LIST_PLACE} stands for the one list that --list gives; {LIST_PLACE * 2} is the character itself.")
    values: list[Any] = [LIST_PLACE if one == LIST_PLACE * 2 else one for one in arguments]
    if entries:
        place = arguments.index(LIST_PLACE) if places else len(values)
        values[place : place + places] = [dict(node_of(entry) for entry in entries)]
    return values


def _told(value: object) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
