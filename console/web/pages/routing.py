"""Routing rules as a page: an editor that checks as one types, trials on an image and on past days, versions, the evaluator."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import asdict
from itertools import islice
from typing import Any

from sqlalchemy import Connection, select

from console.rule_checks import checked_text
from console.site_names import names_in_database
from console.trial_site import site_of_store
from console.web.errors import NoSuchPage, TooMany
from console.web.pages.frame import Frame, Route
from console.web.pages.rule_words import properties, words_of_language
from console.web.pages.visitor import Ask, Redirect
from fileman import Store, site_settings, to_fileman
from fileman.files import ImagingSite, Institution, NetworkLocation, TransmitDestination
from rpcs.actions import ActionError, BadRequest
from rules import RuleError, decompile, from_elements
from rules.evaluator.image_facts import elements_of
from rules.evaluator.versions import FILE
from rules.judging.moment import Moment
from rules.language import NotInElements
from rules.lint import LintOptions, SiteNames
from rules.trials import Side, TrialError, TrialQueues, Trials, memory_database, replay, rules_of_text, stored_images, window_of
from rules.trials.stored import Reader

#: Characters of a rule file, and images that a replay in the console goes through.
TEXT_LIMIT, MOST_REPLAYED = 500_000, 20_000
#: Versions that are listed.
VERSIONS = 20

_PLACES = (
    select(ImagingSite.institution, Institution.name)
    .join(Institution, Institution.ien == ImagingSite.institution, isouter=True)
    .order_by(ImagingSite.ien)
)
_DESTINATIONS = select(TransmitDestination.name).order_by(TransmitDestination.ien)
_ROUTERS = select(NetworkLocation.name).where(NetworkLocation.router).order_by(NetworkLocation.ien)
_replaying: set[int] = set()


async def rules_page(frame: Frame, ask: Ask) -> str | Redirect:
    """Lead to the rules of the first location."""
    frame.require(ask, "MAGB RULES VERSIONS")
    places = await _places(frame)
    if not places:
        return frame.page("rules_none.html", ask)
    return Redirect(f"/rules/{next(iter(places))}")


async def location_page(frame: Frame, ask: Ask, location: int) -> str:
    """Show the editor with the rules that are published for a location, or with another version of them."""
    answer = await frame.run("MAGB RULES VERSIONS", ask, {"location": location, "limit": VERSIONS})
    versions = answer["versions"]
    wanted = ask.values.get("version") or (versions[0]["version"] if versions else "")
    started = "" if wanted else await _started_with(frame, ask, location)
    shown = await frame.run("MAGB RULES SHOW", ask, {"version": wanted or started}) if wanted or started else None
    facts = {
        "location": location,
        "versions": versions,
        "evaluator": answer["evaluator"],
        "current": versions[0] if versions else None,
    }
    if ask.partial:
        return frame.page("rules_versions.html", ask, **facts)
    words = {"language": words_of_language(), "properties": properties(), "destinations": await frame.runner.scan(_destinations)}
    places = await _places(frame)
    if shown is not None and shown["kind"] != FILE:
        shown["text"] = _in_words(shown["text"])
    facts["started"] = bool(started)
    return frame.page("rules.html", ask, **facts, places=places, chosen=shown, words=json.dumps(words))


async def _started_with(frame: Frame, ask: Ask, location: int) -> str:
    """Name the rules that the evaluator judged the newest image by, where none are published: a gateway started it with them."""
    newest = await frame.run("MAGB IMAGE LIST", ask, {"location": location, "limit": 1})
    try:
        decided = await frame.run("MAGB RULES EXPLAIN", ask, {"image": newest["entries"][0]["ien"]})
    except (ActionError, IndexError):
        return ""
    return str(decided["version"])


def _in_words(text: str) -> str:
    """Write elements, one a line, as the rule file that they stand for; what only elements can carry stays as it is."""
    try:
        return decompile(from_elements([(str(number), line) for number, line in enumerate(text.splitlines(), 1) if line]).rules)
    except RuleError:
        return text


async def _places(frame: Frame) -> dict[int, str]:
    def look(connection: Connection) -> dict[int, str]:
        return {row.institution: row.name or "" for row in connection.execute(_PLACES)}

    return await frame.runner.scan(look)


def _destinations(connection: Connection) -> list[str]:
    return [name for statement in (_DESTINATIONS, _ROUTERS) for name in connection.execute(statement).scalars() if name]


def _text(ask: Ask) -> str:
    """Give the rule file that was sent, as it was typed."""
    text = str((ask.request.args.get(b"text") or [b""])[0].decode("utf-8", "replace")).replace("\r\n", "\n")
    if len(text) > TEXT_LIMIT:
        raise BadRequest(f"A rule file has at most {TEXT_LIMIT:,} characters here.")
    return text


async def lint_page(frame: Frame, ask: Ask, location: int) -> str:
    """Say as JSON what lint finds in a text: `[{line, column, severity, code, problem, remedy}]`."""
    frame.require(ask, "MAGB RULES VERSIONS")
    del location  # names and semantics are the site's
    text, today = _text(ask), to_fileman(frame.runner.dispatcher.environment.clock.now())[:7]

    def look(connection: Connection) -> tuple[SiteNames, str]:
        return names_in_database(connection), site_settings(connection).rule_semantics

    names, semantics = await frame.runner.scan(look)
    count, findings = await frame.runner.aside(lambda: checked_text(text, names, LintOptions(today, semantics)))
    ask.request.setHeader("Content-Type", "application/json")
    return frame.json({"rules": count, "findings": [asdict(it) for it in findings]})


async def try_page(frame: Frame, ask: Ask, location: int) -> str:
    """Try a text on an image: each rule, each condition with what it saw."""
    frame.require(ask, "MAGB RULES EXPLAIN")
    text, image = _text(ask), ask.values.get("image", "")
    if not image:
        newest = await frame.run("MAGB IMAGE LIST", ask, {"location": location, "limit": 1})
        image = str(newest["entries"][0]["ien"]) if newest["entries"] else ""
    if not (image.isascii() and image.isdigit() and len(image) < 10):
        return _refused(frame, ask, "Say an image's number; the newest of this location is taken if left out.")
    store, clock = frame.runner.dispatcher.environment.store, frame.runner.dispatcher.environment.clock
    now = Moment(clock.now().replace(microsecond=0, tzinfo=None))
    try:
        outcome = await frame.runner.aside(lambda: _tried(store, location, text, int(image), now))
    except (RuleError, TrialError) as error:
        return _refused(frame, ask, f"The rules are not understood: {error}")
    if outcome is None:
        return _refused(frame, ask, f"There is no image {image}.")
    return frame.page("rules_tried.html", ask, image=image, **outcome)


def _tried(store: Store, location: int, text: str, image: int, now: Moment) -> Mapping[str, Any] | None:
    where = site_of_store(store, location)
    rules = rules_of_text(text, where.semantics)
    given = where.image(image, rules.rules)
    if given is None:
        return None
    with memory_database() as connection:
        outcome = Trials(TrialQueues(connection), where.places).run(rules, given, now)
    pairs = zip(outcome.explained, outcome.rules, strict=False)
    explained = [asdict(rule) | {"matched": answer["matched"]} for rule, answer in pairs]
    queued = [
        {"action": f"{it.action.verb} {it.action.name}", "priority": it.action.priority, "entries": it.entries}
        for it in outcome.queued
    ]
    return {"rules": explained, "status": outcome.status, "queued": queued}


async def replay_page(frame: Frame, ask: Ask, location: int) -> str:
    """Run a text over the images of past days: where these would go, gained and lost against what happened."""
    frame.require(ask, "MAGB RULES EXPLAIN")
    text, since, until = _text(ask), ask.values.get("since", ""), ask.values.get("until", "")
    if not since:
        return _refused(frame, ask, "Say from which day on, as 2026-11-20.")
    if _replaying:
        raise TooMany("Another replay runs; one is done at a time. Try again when it is over.")
    store = frame.runner.dispatcher.environment.store
    _replaying.add(1)
    try:
        report, more = await frame.runner.aside(lambda: _replayed(store, location, text, since, until))
    except (RuleError, NotInElements, TrialError) as error:
        return _refused(frame, ask, str(error))
    finally:
        _replaying.clear()
    return frame.page("rules_replayed.html", ask, report=report, more=more, most=MOST_REPLAYED)


def _replayed(store: Store, location: int, text: str, since: str, until: str) -> tuple[Mapping[str, Any], bool]:
    window = window_of(since, until, location)
    where = site_of_store(store, location)
    side = Side(rules_of_text(text, where.semantics).compiled, where.places)
    images = stored_images(store, window, Reader(where.names, where.location, elements_of(side.compiled.rules)))
    report = replay(islice(images, MOST_REPLAYED), window, side)
    return report.as_dict(), next(images, None) is not None


async def publish_page(frame: Frame, ask: Ask, location: int) -> str:
    """Publish a text for the location."""
    asked = {"location": location, "text": _text(ask), "note": ask.values.get("note", "")}
    try:
        made = await frame.run("MAGB RULES PUBLISH", ask, asked)
    except ActionError as error:
        return frame.page("_refused.html", ask, kind=error.kind, message=str(error))
    ask.request.setHeader("HX-Trigger", "done")
    return frame.page("rules_published.html", ask, made=made)


async def difference_page(frame: Frame, ask: Ask, location: int) -> str:
    """Show how a version differs from the one that is published."""
    answer = await frame.run("MAGB RULES VERSIONS", ask, {"location": location, "limit": 1})
    if not answer["versions"]:
        raise NoSuchPage
    current = await frame.run("MAGB RULES SHOW", ask, {"version": answer["versions"][0]["version"]})
    other = await frame.run("MAGB RULES SHOW", ask, {"version": ask.values.get("version", "")})
    lines = difflib.unified_diff(
        other["text"].splitlines(), current["text"].splitlines(), other["id"], current["id"], lineterm=""
    )
    return frame.page("rules_difference.html", ask, lines=list(lines), version=other["id"])


def _refused(frame: Frame, ask: Ask, message: str) -> str:
    return frame.page("_refused.html", ask, kind="usage", message=message)


ROUTES = (
    Route("/rules", rules_page),
    Route("/rules/<int:location>", location_page),
    Route("/rules/<int:location>/lint", lint_page, ("POST",)),
    Route("/rules/<int:location>/try", try_page, ("POST",)),
    Route("/rules/<int:location>/replay", replay_page, ("POST",)),
    Route("/rules/<int:location>/publish", publish_page, ("POST",)),
    Route("/rules/<int:location>/difference", difference_page),
)
