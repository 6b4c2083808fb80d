"""`magbroker rules`: read, check, write, try and publish routing rules.

A verb is a function with Typer's options and a docstring, here or in a `rule_*.py` beside this module, and a line in VERBS:
its name and where it is declared. Its module is imported when the verb is named, or for `magbroker rules --help`, so that
`rules check` does not wait for what `rules replay` needs; what takes long to load (the database, pydicom, a reactor) is
imported inside the function that needs it.
"""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from console.cli.late import Late, group_of
from console.cli.options import JsonOption, err, out
from console.errors import ConsoleError
from console.text_files import text_of
from rules import decompile, for_elements, for_vista, format_rule_file, from_elements, parse_rules, to_elements

#: Every verb and where it is declared, in the order of the help.
VERBS = {
    "check": Late("console.cli.rule_lint:check"),
    "format": Late("console.cli.rules:format_"),
    "compile": Late("console.cli.rules:compile_"),
    "decompile": Late("console.cli.rules:decompile_"),
    "try": Late("console.cli.rule_trials:rules_try"),
    "replay": Late("console.cli.rule_trials:rules_replay"),
    "publish": Late("console.cli.rule_versions:publish", "Publish a rule file for a location."),
    "versions": Late("console.cli.rule_versions:versions", "List what was published for a location."),
    "rollback": Late("console.cli.rule_versions:rollback", "Give a location an earlier version again."),
    "show": Late("console.cli.rule_versions:show", "Show the text of a version."),
    "start": Late("console.cli.rule_versions:start", "Start the evaluator of a location with what is published for it."),
    "stop": Late("console.cli.rule_versions:stop", "Stop the evaluator of a location."),
    "explain": Late("console.cli.rule_versions:explain", "Say why an image went where it went."),
}

app = typer.Typer(cls=group_of(VERBS), help="Check, try, publish and explain routing rules.", no_args_is_help=True)

FileArgument = Annotated[Path, typer.Argument(help="The rule file.")]


class Target(StrEnum):
    """Whose evaluator is to carry the elements out."""

    MAGBROKER = "magbroker"
    VISTA = "vista"


_FLATTENED = {Target.MAGBROKER: for_elements, Target.VISTA: for_vista}


def format_(
    file: FileArgument,
    write: Annotated[bool, typer.Option("--write", help="Write it into the file. One with comments is refused.")] = False,
) -> None:
    """Print a rule file laid out as all are, without its comments."""
    text = text_of(file, "rules")
    laid_out = format_rule_file(text)
    if not write:
        sys.stdout.write(laid_out)
        return
    commented = next((number for number, line in enumerate(text.splitlines(), start=1) if line.lstrip().startswith("#")), None)
    if commented is not None:
        raise ConsoleError(f"{file} has comments (line {commented}), which would be lost: it stays as it is.")
    changed = laid_out != text
    if changed:
        file.write_text(laid_out, encoding="utf-8")
    out.print(f"{file} {'is laid out' if changed else 'was so already'}", highlight=False, markup=False, soft_wrap=True)


def compile_(
    file: FileArgument,
    as_json: JsonOption = False,
    target: Annotated[
        Target,
        typer.Option(
            help="Who carries them out: for vista, what a real VistA could not be told, or would not heed, is an error."
        ),
    ] = Target.MAGBROKER,
) -> None:
    """Print the caret elements that MAG DICOM ROUTE EVAL START takes."""
    elements = to_elements(_FLATTENED[target](parse_rules(text_of(file, "rules"))))
    sys.stdout.write(json.dumps(elements, indent=2) + "\n" if as_json else "".join(f"{element}\n" for element in elements))


def decompile_(file: Annotated[Path, typer.Argument(help="Caret elements, one a line.")]) -> None:
    """Print the rule file that caret elements stand for."""
    lines = text_of(file, "elements").splitlines()
    parsed = from_elements([(str(number), line) for number, line in enumerate(lines, start=1) if line])
    for line in parsed.log:
        err.print(line, style="yellow", highlight=False, markup=False, soft_wrap=True)
    sys.stdout.write(decompile(parsed.rules))
