"""`magbroker shell`: the roll-and-scroll console."""

from __future__ import annotations

from typing import Annotated

import typer

from console.cli.options import (
    AccessOption,
    AuthorityOption,
    BrokerOption,
    ConfigOption,
    DataOption,
    TlsOption,
    VerifyOption,
)
from console.shell import Opening
from console.way import Way
from runtime import load_settings

_EPILOG = (
    "With codes it works as that user; at a terminal without any it asks for them, where Enter alone is the owner of the data "
    "directory, and what is piped in is the owner's. Exit status: 0 done; of what is piped in 1 when something was refused."
)


def shell(
    config: ConfigOption = None,
    data: DataOption = None,
    access: AccessOption = None,
    verify: VerifyOption = None,
    broker: BrokerOption = None,
    tls: TlsOption = False,
    authority: AuthorityOption = None,
    owner: Annotated[bool, typer.Option("--owner", help="Work as the owner of the data directory, without codes.")] = False,
    context: Annotated[
        str, typer.Option(envvar="MAGBROKER_CONTEXT", help="Context (option) in which CALL RPC calls.", show_default="none")
    ] = "",
) -> None:
    """Work at the site as VistA people do: choose options by name, answer what they ask, call procedures, watch events."""
    way = Way(load_settings(config, data=data), access, verify, broker, tls, authority)
    raise typer.Exit(Opening(way, owner, context).run())
