"""`magbroker rules try` and `rules replay`: what rules would do with an image, and with the images of some days."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from console.cli.options import ConfigOption, DataOption, JsonOption, err, out
from console.cli.rule_screen import FIRES, rule_lines
from console.database import opened
from console.errors import WrongUsage
from console.text_files import text_of
from console.trial_site import TrialSite, site_of_file, site_of_store
from fileman import from_fileman
from rules.evaluator.image_facts import elements_of
from rules.judging.moment import Moment
from rules.language import NotInElements, RuleError
from rules.language.ast import Rule
from rules.trials.batch import Defaults, answer_lines
from rules.trials.errors import TrialError
from rules.trials.given import NOTHING, Given, lay_over, read_facts, read_moment
from rules.trials.queues import TrialQueues, memory_database
from rules.trials.replay import Side, replay
from rules.trials.report import Report
from rules.trials.stored import Reader, count_images, stored_images, window_of
from rules.trials.trial import DOCUMENTED, VISTA, Outcome, TrialRules, Trials, rules_of_elements, rules_of_text
from runtime import SystemClock, load_settings

_COLUMNS = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())

SemanticsOption = Annotated[
    str | None,
    typer.Option("--semantics", help="documented or vista; the site's with --data or --site, else documented.", metavar="NAME"),
]
ElementsOption = Annotated[
    bool, typer.Option("--elements", help="The file holds caret elements one a line, as 'rules compile' prints them.")
]
SiteFileOption = Annotated[
    Path | None,
    typer.Option(
        "--site",
        help="Site file whose destinations, holidays and exams hold; with --data those of its database. With neither every"
        " destination that a rule names exists and takes files of all types, and no day is a holiday.",
    ),
]
LocationOption = Annotated[int | None, typer.Option("--location", help="Institution that the image was acquired at.")]


def rules_try(
    file: Annotated[Path | None, typer.Argument(help="The rules; may be left out with --batch.", show_default=False)] = None,
    image: Annotated[int | None, typer.Option("--image", help="An image of the site's database, by entry number.")] = None,
    dicom: Annotated[Path | None, typer.Option("--dicom", help="A DICOM file, which a gateway would send.")] = None,
    facts: Annotated[
        str | None,
        typer.Option(
            "--facts",
            metavar="JSON",
            help="Facts as a JSON object, keyword to value or list; a path or @PATH of a file with one. Beside --image or --dicom"
            " they replace what these say.",
        ),
    ] = None,
    batch: Annotated[
        Path | None, typer.Option("--batch", help="JSON lines to answer, one answer line each; - is standard input.")
    ] = None,
    elements: ElementsOption = False,
    now: Annotated[
        str | None, typer.Option(help='When: "SAT 3261121.030449" or 2026-11-21T03:04:49.', show_default="now")
    ] = None,
    semantics: SemanticsOption = None,
    location: LocationOption = None,
    site: SiteFileOption = None,
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what rules would do with an image: each rule, each of its conditions, and the value that it saw. Nothing is queued.

    Name the image: --facts '{"MODALITY": "CT"}' needs no database, --dicom PATH and --image IEN take the facts from a file or
    from the site. Exit status 2 says that what was given cannot be used; 1 that a line of --batch could not.
    """
    sources = [name for name, it in (("--image", image), ("--dicom", dicom)) if it is not None]
    if len(sources) > 1 or (batch is not None and (sources or facts)):
        raise WrongUsage("Say one of --image, --dicom, --facts and --batch (--facts may also stand beside --image or --dicom).")
    if batch is None and not sources and facts is None:
        raise WrongUsage('There is no image to try: add --image IEN, --dicom PATH or --facts \'{"MODALITY": "CT"}\'.')
    if file is None and batch is None:
        raise WrongUsage("There are no rules to try: name a rule file, or a file of elements with --elements.")
    given_now = None if now is None else read_moment(now)
    with ExitStack() as stack:
        needs_database = data is not None or config is not None or image is not None
        where = stack.enter_context(_site(site, config, data, location, needed=needs_database))
        chosen = _semantics(semantics, where)
        rules_by = None if file is None else lru_cache(partial(read_rules, file, elements=elements))
        rules = None if rules_by is None else rules_by(chosen)
        trials = Trials(TrialQueues(stack.enter_context(memory_database())), None if where is None else where.places)
        if batch is not None:
            defaults = Defaults(rules_by, lambda: given_now or _present(), chosen)
            if where is not None:
                defaults = replace(defaults, image=where.image, nothing=where.nothing)
            raise typer.Exit(_answer_batch(batch, trials, defaults))
        assert rules is not None
        moment = given_now or _present()
        given = _given(where, rules.rules, (image, dicom), moment, location)
        given = lay_over(given, {} if facts is None else read_facts(_facts_text(facts)))
        moment = read_moment(given.now) if given.now and given_now is None else moment
        outcome = trials.run(rules, given, moment)
    if as_json:
        sys.stdout.write(json.dumps({"rules": list(outcome.rules)}) + "\n")
    else:
        _show(outcome, given, moment, chosen)


def _present() -> Moment:
    return Moment(SystemClock().now().replace(tzinfo=None, microsecond=0))


def read_rules(file: Path, semantics: str, *, elements: bool) -> TrialRules:
    """Read rules from a file of either form, and say what of them VistA would not heed where they are judged as it does."""
    text = text_of(file, "rules")
    try:
        if elements:
            return rules_of_elements(tuple(line for line in text.splitlines() if line), semantics)
        rules = rules_of_text(text, semantics)
    except NotInElements as error:
        raise TrialError(f"{file} cannot be told to VistA, say --semantics {DOCUMENTED} or change it:\n{error}") from error
    except RuleError as error:
        raise TrialError(f"{file} is not understood, 'magbroker rules check {file}' says more:\n{error}") from error
    for warning in rules.warnings:
        err.print(f"[yellow]{escape(f'{file}: {warning}')}", highlight=False, soft_wrap=True)
    return rules


def _facts_text(facts: str) -> str:
    """Give the JSON that --facts means: what stands there, or what its file holds."""
    if facts.lstrip().startswith("{"):
        return facts
    return text_of(Path(facts.removeprefix("@")), "facts")


@contextmanager
def _site(
    file: Path | None, config: Path | None, data: Path | None, location: int | None, *, needed: bool
) -> Iterator[TrialSite | None]:
    """Open the site that rules are tried against, if any, to read."""
    if file is not None:
        if needed:
            raise WrongUsage("Say either --site, a site file, or --data, a database (--image is an image of a database).")
        with site_of_file(file, location) as where:
            yield where
    elif needed:
        with opened(load_settings(config, data=data)) as store:
            yield site_of_store(store, location)
    else:
        yield None


def _semantics(said: str | None, where: TrialSite | None) -> str:
    if said is None:
        return DOCUMENTED if where is None else where.semantics
    if said not in (DOCUMENTED, VISTA):
        raise WrongUsage(f"There is no semantics {said!r}: say {DOCUMENTED} or {VISTA}.")
    return said


def _given(
    where: TrialSite | None, rules: Sequence[Rule], source: tuple[int | None, Path | None], now: Moment, location: int | None
) -> Given:
    image, dicom = source
    if image is not None:
        assert where is not None
        found = where.image(image, rules)
        if found is None:
            raise NoSuchImage(f"There is no image {image} in the database; 'magbroker status' counts those that are there.")
        return found
    if dicom is not None:
        from console.trial_images import given_of_file  # pydicom takes its time

        return given_of_file(dicom, now.at, rules, where, location)
    return NOTHING if where is None else where.nothing


class NoSuchImage(WrongUsage):
    """There is no such image."""


def _answer_batch(batch: Path, trials: Trials, defaults: Defaults) -> int:
    """Answer the lines of a file as they come; give the exit status, 1 when one of them was bad."""
    status = 0
    with ExitStack() as stack:
        try:
            lines = sys.stdin.buffer if str(batch) == "-" else stack.enter_context(batch.open("rb"))
        except OSError as error:
            raise WrongUsage(f"{batch} cannot be read ({error.strerror}): name a file of JSON lines, or -.") from None
        for answer in answer_lines(lines, trials, defaults):
            status = 1 if "error" in answer else status
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()
    return status


def _show(outcome: Outcome, given: Given, now: Moment, semantics: str) -> None:
    """Show a trial to a person."""
    out.print(f"Image {given.facts.image}, {now.vista}, {semantics} semantics", highlight=False)
    if outcome.status:
        out.print(f"[yellow]No rule is asked:[/] {escape(outcome.status)}", highlight=False)
        return
    for answer, rule in zip(outcome.rules, outcome.explained, strict=True):
        for line in rule_lines(asdict(rule) | {"matched": answer["matched"]}, FIRES):
            out.print(line, highlight=False)
    out.print("\n[bold]The evaluator would log", highlight=False)
    for line in outcome.log or ("nothing",):
        out.print(f"  {escape(line)}", highlight=False)
    out.print("[bold]and queue", highlight=False)
    for one in outcome.queued:
        action = one.action
        of = f"image {action.image}" + ("" if action.prior is None else " of a prior study")
        entries = f"{one.entries} entries" if one.entries != 1 else "1 entry"
        text = f"{action.verb} {action.name}, priority {action.priority}: {entries} of {of}"
        out.print(f"  {escape(text)}", highlight=False)
    if not outcome.queued:
        out.print("  nothing", highlight=False)


def rules_replay(
    file: Annotated[Path, typer.Argument(help="The rules.", show_default=False)],
    since: Annotated[str, typer.Option("--since", help="First day or moment: 2026-11-20, 3261120, 2026-11-20T18:00.")],
    until: Annotated[str, typer.Option("--until", help="Last day, to its end, or a moment before which.")] = "",
    against: Annotated[
        Path | None, typer.Option("--against", help="Other rules to compare with; what happened if left out.")
    ] = None,
    elements: ElementsOption = False,
    semantics: SemanticsOption = None,
    location: Annotated[int | None, typer.Option("--location", help="Only images of this institution.")] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run rules over stored images: where these would go, gained and lost against what happened. Nothing is queued.

    A study is decided once, by its first image inside the window; BALANCE deals a fresh deck; images of prior studies are not
    counted.
    """
    window = window_of(since, until, location)
    with opened(load_settings(config, data=data)) as store:
        where = site_of_store(store, location)
        chosen = _semantics(semantics, where)
        side = Side(read_rules(file, chosen, elements=elements).compiled, where.places)
        other = None
        if against is not None:
            other = Side(read_rules(against, chosen, elements=elements).compiled, where.places, 1)
        asked = [*side.compiled.rules, *(() if other is None else other.compiled.rules)]
        images = stored_images(store, window, Reader(where.names, where.location, elements_of(asked)))
        with Progress(*_COLUMNS, console=err, transient=True, disable=not err.is_terminal) as progress:
            total = count_images(store, window) if err.is_terminal else None
            report = replay(progress.track(images, total=total, description="images"), window, side, other)
    if against is not None:
        report.against = str(against)
    if as_json:
        out.print_json(json.dumps(report.as_dict()))
    else:
        _show_report(report)


def _show_report(report: Report) -> None:
    """Show a replay to a person."""
    until = f" and before {_spoken(report.until)}" if report.until else ""
    window = f"saved from {_spoken(report.since)} on{until}"
    out.print(f"{report.images} images of {report.studies} studies, {window}", highlight=False)
    table = Table(box=None, padding=(0, 1), header_style="bold")
    table.add_column("destination", overflow="fold")
    for name in ("studies", "gained", "lost", "images", "gained", "lost"):
        table.add_column(name, justify="right", no_wrap=True)
    for line in report.lines:
        studies = _changes(line.studies, line.studies_gained, line.studies_lost)
        images = _changes(line.images, line.images_gained, line.images_lost)
        table.add_row(escape(line.destination), *studies, *images)
    if report.lines:
        out.print(table, highlight=False)
    else:
        out.print("Nothing would go anywhere.", highlight=False)
    out.print(f"Gained and lost against {escape(report.against)}.", highlight=False)
    for count, text in (
        (report.fileless, "images have no file: no rule is asked of them"),
        (report.undecided, "images have no kept decision: nothing is known of where they went, and they count as gone nowhere"),
        (report.begun_before, "studies began before: here the first image since then decides them, which may differ"),
    ):
        if count:
            out.print(f"[yellow]{count} {text}", highlight=False)


def _changes(count: int, gained: int, lost: int) -> tuple[str, str, str]:
    return str(count), f"[green]+{gained}" if gained else "0", f"[red]-{lost}" if lost else "0"


def _spoken(fileman: str) -> str:
    """Write a FileMan date for a person."""
    return f"{from_fileman(fileman):%Y-%m-%d %H:%M:%S}".removesuffix(":00").removesuffix(" 00:00")
