"""Options that many commands take, and the database that many of them open."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from console.errors import ConsoleError
from fileman import Store
from runtime import Settings

out, err = Console(), Console(stderr=True)

ConfigOption = Annotated[Path | None, typer.Option("--config", help="Settings file (TOML); MAGBROKER_* variables win over it.")]
DataOption = Annotated[Path | None, typer.Option("--data", help="Directory of database, spool and images (default: var).")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
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


@contextlib.contextmanager
def opened(settings: Settings) -> Iterator[Store]:
    """Open the database beside whatever runs: to read, or to write in short transactions."""
    if settings.database_url.startswith("sqlite") and not (settings.data / "magbroker.db").exists():
        raise ConsoleError(f"There is no database in {settings.data}; start 'magbroker broker --site FILE', or use --data.")
    store = Store(settings.database_url, synchronous=settings.synchronous)
    try:
        yield store
    finally:
        store.close()
