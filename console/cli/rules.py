"""`magbroker rules`: what is done with rule files. Further verbs stand in modules beside this one."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from console.cli.options import JsonOption, err, out
from rules import decompile, for_elements, for_vista, from_elements, parse_rules, to_elements

app = typer.Typer(help="Check and compile routing rules.", no_args_is_help=True)

FileArgument = Annotated[Path, typer.Argument(help="The rule file.")]


@app.command()
def check(file: FileArgument) -> None:
    """Read a rule file; every error is shown with its place."""
    rules = parse_rules(file.read_text(encoding="utf-8"))
    out.print(f"{file}: {len(rules)} rules, no errors", highlight=False)


@app.command("compile")
def compile_(
    file: FileArgument,
    as_json: JsonOption = False,
    vista: Annotated[bool, typer.Option("--vista", help="Refuse what a real VistA would not carry out as it is meant.")] = False,
) -> None:
    """Print the caret elements that MAG DICOM ROUTE EVAL START takes."""
    rules = parse_rules(file.read_text(encoding="utf-8"))
    elements = to_elements(for_vista(rules) if vista else for_elements(rules))
    sys.stdout.write(json.dumps(elements, indent=2) + "\n" if as_json else "".join(f"{element}\n" for element in elements))


@app.command("decompile")
def decompile_(file: Annotated[Path, typer.Argument(help="Caret elements, one a line.")]) -> None:
    """Print the rule file that caret elements stand for."""
    lines = file.read_text(encoding="utf-8").splitlines()
    parsed = from_elements([(str(number), line) for number, line in enumerate(lines, start=1) if line])
    for line in parsed.log:
        err.print(f"[yellow]{line}", highlight=False)
    sys.stdout.write(decompile(parsed.rules))
