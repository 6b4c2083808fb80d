"""Options that many commands take."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

out, err = Console(), Console(stderr=True)

ConfigOption = Annotated[Path | None, typer.Option("--config", help="Settings file (TOML); MAGBROKER_* variables win over it.")]
DataOption = Annotated[Path | None, typer.Option("--data", help="Directory of database, spool and images (default: var).")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
AccessOption = Annotated[
    str | None, typer.Option("--access", envvar="MAGBROKER_ACCESS", help="Access code to sign on with.", show_default=False)
]
VerifyOption = Annotated[
    str | None, typer.Option("--verify", envvar="MAGBROKER_VERIFY", help="Verify code to sign on with.", show_default=False)
]
BrokerOption = Annotated[
    str | None,
    typer.Option("--broker", help="The broker to sign on to, HOST:PORT; that of the data directory or the settings if left out."),
]
TlsOption = Annotated[bool, typer.Option("--tls", help="Speak TLS with the broker.")]
AuthorityOption = Annotated[Path | None, typer.Option("--ca", help="Certificate authority to trust with --tls (PEM).")]
PackOption = Annotated[
    list[str] | None,
    typer.Option(
        "--rpc-pack",
        help="Module (named without .py) with procedures of your own: register(registry), in the current directory or installed.",
    ),
]
InstalledOption = Annotated[
    bool | None,
    typer.Option("--installed-packs/--no-installed-packs", help="Add the packs of installed packages.", show_default="added"),
]


def find_packs_here() -> None:
    """Let packs lie in the current directory."""
    sys.path.insert(0, str(Path.cwd()))


def with_options(command: Callable[..., None], parameters: list[inspect.Parameter], doc: str | None) -> Callable[..., None]:
    """Give a function the signature that typer is to read."""
    command.__doc__ = doc
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # inspect looks for it
    command.__annotations__ = {one.name: one.annotation for one in parameters}
    return command
