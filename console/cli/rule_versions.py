"""`magbroker rules publish, versions, rollback, show, start, stop, explain`: which rules a location has, and what they did."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.markup import escape

from console.cli.rule_screen import FIRED, rule_lines
from console.cli.task_verbs import Outcome, Room, asked, command_of
from console.tasks.screens import outcome_status, plain_table
from console.text_files import text_of
from fileman import from_fileman, to_fileman
from rules import parse_rule_file
from rules.lint import LintOptions, Severity, lint
from runtime import SystemClock

LocationOption = Annotated[int, typer.Option("--location", metavar="N", min=1, help="The institution whose images are routed.")]
VersionArgument = Annotated[str, typer.Argument(metavar="VERSION", help="A version's name, or how it begins.")]


def _publish(
    room: Room,
    file: Annotated[Path, typer.Argument(help="The rule file.")],
    location: LocationOption,
    note: Annotated[str, typer.Option(help="Why; kept with the version.")] = "",
) -> Outcome:
    """Publish a rule file for a location: its evaluator takes it up with the next image.

    A file that is not understood is refused. What else may be wrong with it, say a destination that does not exist, 'magbroker
    rules check' finds before.
    """
    text = text_of(file, "rules")
    made = room.desk.ask("MAGB RULES PUBLISH", asked(location=location, text=text, note=note))
    lines = [f"version {made['version']}, {made['rules']} rules, {_taken(made)}"]
    if found := _faults(text, made["semantics"]):
        lines.append(f"[yellow]{found} in the file: 'magbroker rules check {escape(str(file))}' shows them")
    return Outcome(made, "\n".join(lines))


def _faults(text: str, semantics: str) -> str:
    """Count what lint finds in rules, whatever their site, but for notes."""
    today = to_fileman(SystemClock().now())[:7]
    found = sum(it.severity is not Severity.NOTE for it in lint(parse_rule_file(text), None, LintOptions(today, semantics)))
    return {0: "", 1: "1 fault"}.get(found, f"{found} faults")


def _taken(made: Any) -> str:
    location = made["location"]
    if made["evaluator"]:
        return f"is what the evaluator of location {location} goes by from its next image on"
    return f"is published for location {location}; no evaluator runs there ('magbroker rules start --location {location}')"


def _versions(
    room: Room,
    location: LocationOption,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 100,
) -> Outcome:
    """List what was published for a location, the newest first: that is what counts."""
    found = room.desk.ask("MAGB RULES VERSIONS", asked(location=location, limit=limit))
    if not found["versions"]:
        return Outcome(found, f"nothing is published for location {location}")
    table = plain_table("no.", "version", "published", "by", "note")
    for one in found["versions"]:
        when = room.screens.when(one["published_at"])
        table.add_row(str(one["sequence"]), one["version"], when, escape(one["published_by"]), escape(one["note"]))
    return Outcome(found, table)


def _rollback(
    room: Room,
    location: LocationOption,
    version: Annotated[str, typer.Argument(metavar="[VERSION]", help="The one before the current if left out.")] = "",
) -> Outcome:
    """Give a location an earlier version again."""
    made = room.desk.ask("MAGB RULES ROLLBACK", asked(location=location, version=version))
    return Outcome(made, f"version {made['version']} {_taken(made)}")


def _show(room: Room, version: VersionArgument) -> Outcome:
    """Show the text of a version."""
    shown = room.desk.ask("MAGB RULES SHOW", asked(version=version))
    return Outcome(shown, escape(shown["text"].rstrip("\n")))


def _start(room: Room, location: LocationOption) -> Outcome:
    """Start the evaluator of a location with the rules that are published for it."""
    made = room.desk.ask("MAGB RULES START", asked(location=location))
    return Outcome(made, f"task {made['number']} evaluates by version {made['version']}")


def _stop(room: Room, location: LocationOption) -> Outcome:
    """Stop the evaluator of a location after the image it is at."""
    told = room.desk.ask("MAGB RULES STOP", asked(location=location))
    return Outcome(told, room.screens.changes(told), outcome_status(told))


def _explain(
    room: Room,
    image: Annotated[int, typer.Argument(metavar="IMAGE", min=1, help="The image's entry number.")],
    task: Annotated[int | None, typer.Option(min=1, help="As this evaluator's task decided; else the newest decision.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every rule; else those that fired, or nearly did.")] = False,
) -> Outcome:
    """Say why an image went where it went: each rule, each condition with the value seen."""
    told = room.desk.ask("MAGB RULES EXPLAIN", asked(image=image, task=task))
    return Outcome(told, explanation_screen(told, every=all_))


def explanation_screen(told: Any, *, every: bool) -> RenderableType:
    """Write an explanation for people; of rules that did not fire those that failed in one condition only, unless `every`."""
    parts: list[RenderableType] = [
        f"image {told['image']}: rules {told['version']}, evaluated at {_clock(told['evaluated_at'])} by task {told['task']}"
    ]
    if told["decided_by"] != told["image"]:
        parts.append(f"its study was decided by image {told['decided_by']} at {_clock(told['decided_at'])}")
    if told["unexplained"]:
        parts.append(told["unexplained"])
    for it in told["queued"]:
        whose = f" ({it['images']} images of a prior study)" if "prior" in it else ""
        made = _entries(it["entries"])
        parts.append(f"rule {it['rule']}: {it['verb']} {escape(it['destination'])}, priority {it['priority']}, {made}{whose}")
    shown = [rule for rule in told["rules"] if every or rule["matched"] or _failures(rule) == 1]
    for rule in shown:
        parts += rule_lines(rule, FIRED)
    if left := len(told["rules"]) - len(shown):
        parts.append(f"[dim]{left} more {'rule' if left == 1 else 'rules'} did not fire: --all")
    return Group(*parts)


def _clock(moment: str) -> str:
    """Write a FileMan date as a clock shows it; `?` for one that nobody kept."""
    return f"{from_fileman(moment):%Y-%m-%d %H:%M:%S}" if moment else "?"


def _entries(number: int) -> str:
    return {0: "waited already", 1: "1 entry"}.get(number, f"{number} entries")


def _failures(rule: Any) -> int:
    return sum(condition["result"] is not True for condition in rule["conditions"])


publish, rollback, start, stop = (command_of(work, changes=True) for work in (_publish, _rollback, _start, _stop))
versions, show, explain = command_of(_versions), command_of(_show), command_of(_explain)
