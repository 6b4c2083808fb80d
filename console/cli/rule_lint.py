"""`magbroker rules check`: say what in a rule file cannot work, does nothing, or is probably not what was meant."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from console.cli.options import ConfigOption, DataOption, JsonOption
from console.cli.rules import Target
from console.errors import WrongUsage
from console.rule_checks import checked_text
from fileman import to_fileman
from rules.lint import (
    CODES,
    DOCUMENTED,
    VISTA,
    Finding,
    LintOptions,
    Severity,
    SiteNames,
    explanation,
    report,
    unreadable,
)
from runtime import SystemClock, load_settings

#: Exit status where nothing is to be done, where something was found, and where the file was not understood.
CLEAN, FOUND, NOT_UNDERSTOOD = 0, 1, 2
_SEMANTICS = {Target.MAGBROKER: DOCUMENTED, Target.VISTA: VISTA}


def check(
    file: Annotated[Path | None, typer.Argument(help="The rule file.")] = None,
    as_json: JsonOption = False,
    cover: Annotated[
        bool, typer.Option("--cover", help="Show in which parts of the week no rule with frames on NOW fires.")
    ] = False,
    destination: Annotated[
        list[str] | None, typer.Option("--destination", help="Show that for the rules of this destination; may be repeated.")
    ] = None,
    target: Annotated[
        Target | None, typer.Option(help="Who carries the rules out; the site's rule_semantics decides if left out.")
    ] = None,
    site: Annotated[Path | None, typer.Option("--site", help="Site file to look destinations up in.")] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    elements: Annotated[bool, typer.Option("--elements", help="The file holds caret elements, one a line.")] = False,
    explain: Annotated[str | None, typer.Option("--explain", metavar="CODE", help="Explain a code, and check nothing.")] = None,
) -> None:
    """Find faults in a rule file, each with its code, its place and a remedy (exit status 0, or 1 when there are some).

    Exit status 2 says that the file cannot be read or is not understood. Notes alone leave it at 0.
    """
    if explain is not None:
        sys.stdout.write(_explained(explain))
        return
    if file is None:
        raise WrongUsage("Name a rule file, or a code with --explain.")
    known = _site(site, config, data)
    semantics = _SEMANTICS[target] if target is not None else known.semantics if known is not None else DOCUMENTED
    wanted = tuple(destination or ())
    options = LintOptions(to_fileman(SystemClock().now())[:7], semantics, cover or bool(wanted), wanted)
    text, rules, findings = _checked(file, elements, known, options)
    if as_json:
        sys.stdout.write(json.dumps([asdict(finding) for finding in findings], indent=2, ensure_ascii=False) + "\n")
    else:
        stream = sys.stdout if rules is not None else sys.stderr
        stream.write(report(str(file), text, findings, rules))
    raise typer.Exit(_status(findings, rules))


def _explained(code: str) -> str:
    if code.upper() not in CODES:
        raise WrongUsage(f"There is no code {code}. There are {', '.join(CODES)}.")
    return explanation(code.upper())


def _checked(
    file: Path, elements: bool, site: SiteNames | None, options: LintOptions
) -> tuple[str, int | None, tuple[Finding, ...]]:
    """Give the file's text, its number of rules (None where it is not understood), and what was found."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        return "", None, unreadable(f"It cannot be read: {error.strerror}.")
    except UnicodeDecodeError as error:
        return "", None, unreadable(f"It is not UTF-8 text: {error.reason} at byte {error.start}.")
    return text, *checked_text(text, site, options, elements=elements)


def _site(site: Path | None, config: Path | None, data: Path | None) -> SiteNames | None:
    """Read the names of the site that was named, or of the database that is there; None where nobody named one."""
    if site is not None:
        from console.site_names import names_in_file  # the database's packages take longer than reading rules

        return names_in_file(site)
    settings = load_settings(config, data=data)
    if data is None and config is None and not settings.database and not (settings.data / "magbroker.db").exists():
        return None
    from console.database import opened
    from console.site_names import names_in_database

    with opened(settings) as store:
        return store.read(names_in_database)


def _status(findings: tuple[Finding, ...], rules: int | None) -> int:
    if rules is None:
        return NOT_UNDERSTOOD
    return CLEAN if all(finding.severity is Severity.NOTE for finding in findings) else FOUND
