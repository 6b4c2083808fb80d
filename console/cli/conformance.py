"""`magbroker conformance`: the DICOM Conformance Statement of a configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from console.cli.options import ConfigOption, DataOption
from console.conformance import statement
from console.errors import ConsoleError
from gateway_client import Configuration
from runtime import load_settings


def conformance(
    file: Annotated[Path | None, typer.Argument(help="Where to write it; standard output if left out.")] = None,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Write the DICOM Conformance Statement of a gateway with these settings, as Markdown (PS3.2).

    It tells what a peer has to know: AE titles and ports, SOP classes and transfer syntaxes in the order in which they are
    preferred, roles, numbers of associations, attributes of queries, statuses. The gateway need not run; nothing is opened or
    asked, and the same settings give the same statement.

    For example: magbroker conformance --config site.toml statement.md
    """
    text = statement(Configuration.from_settings(load_settings(config, data=data)))
    if file is None:
        typer.echo(text, nl=False)
        return
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConsoleError(f"{file} cannot be written: {error.strerror}.") from error
