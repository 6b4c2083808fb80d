"""What a person does with routing rules: publish, look at versions, go back, start and stop an evaluator, ask why.

Everybody who may use the context may look; a change takes the key MAG SYSTEM. Who published what, and when, is kept for good.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from sqlalchemy import bindparam, select

import taskman.api as taskman
from fileman import site_settings
from fileman.files import Institution
from rpcs.actions import parameters as takes
from rpcs.actions.action import Act, Done, action
from rpcs.actions.errors import BadRequest, NotFound, RefusedAction
from rpcs.actions.tasks import task_stop
from rules import RuleError
from rules.evaluator import ENTRY_POINT, set_flag, subject_of
from rules.evaluator.explaining import NothingDecided, explain_image
from rules.evaluator.versions import (
    FILE,
    MOST_LISTED,
    NoEarlierVersion,
    NothingPublished,
    Publication,
    UnknownVersion,
    compile_text,
    current_version,
    list_publications,
    publish,
    read_version,
    roll_back,
    store_version,
)

#: The key of those who say how images are routed.
KEY = "MAG SYSTEM"
#: Characters of a remark beside a publication.
NOTE_LIMIT = 200

_NAME = select(Institution.name).where(Institution.ien == bindparam("ien_"))


@contextmanager
def _explained() -> Iterator[None]:
    """Say in an action's words what is wrong with rules."""
    try:
        yield
    except (UnknownVersion, NothingPublished, NothingDecided) as error:
        raise NotFound(str(error)) from error
    except NoEarlierVersion as error:
        raise RefusedAction(str(error)) from error
    except RuleError as error:
        raise BadRequest(str(error)) from error


def _location(act: Act) -> int:
    """Give the institution that is asked for. Raises NotFound for one that the site does not know."""
    location = act.number("LOCATION")
    if act.connection.execute(_NAME, {"ien_": location}).first() is None:
        raise NotFound(f"There is no institution {location}.")
    return location


def _rules_of(location: int) -> str:
    return f"rules of location {location}"


def _told(publication: Publication) -> dict[str, Any]:
    return asdict(publication)


@action(
    "MAGB RULES PUBLISH",
    takes.number("LOCATION", "The institution whose images are routed.", required=True),
    takes.text("TEXT", "The rule file.", required=True),
    takes.text("NOTE", "Why, to be kept with it."),
    writes=True,
    key=KEY,
)
def rules_publish(act: Act) -> dict[str, Any]:
    """Publish the rule file TEXT for LOCATION, whose evaluator takes it up with its next image; NOTE says why.

    A file with errors is refused, with all of them; under the semantics of a real VistA so is one that this could not carry out.
    """
    location, text = _location(act), act.text("TEXT")
    semantics = site_settings(act.connection).rule_semantics
    with _explained():
        count = len(compile_text(text, FILE, semantics).compiled.rules)
        if not count:
            raise BadRequest("There is no rule in this text; MAG DICOM ROUTE EVAL STOP stops routing.")
        version = store_version(act.connection, text, FILE, semantics, act.caller.name, act.now)
        note = act.text("NOTE")[:NOTE_LIMIT]
        before = current_version(act.connection, location)
        made = publish(act.connection, location, version, act.caller.name, act.now, note)
    act.changed(_rules_of(location), before, made)
    return {**_told(made), "rules": count, "semantics": semantics, "evaluator": _runs(act, location)}


def _runs(act: Act, location: int) -> bool:
    return taskman.is_running(act.connection, subject_of({"location": location}), act.now)


@action(
    "MAGB RULES VERSIONS",
    takes.number("LOCATION", "The institution whose images are routed.", required=True),
    takes.limit(MOST_LISTED),
    lists={"versions": ("version", "published_at", "published_by", "note")},
)
def rules_versions(act: Act) -> dict[str, Any]:
    """List what was published for LOCATION, the newest first: that is what counts. LIMIT says how many at most."""
    location = _location(act)
    found = list_publications(act.connection, location, act.number("LIMIT"))
    return {"location": location, "evaluator": _runs(act, location), "versions": [_told(it) for it in found]}


@action(
    "MAGB RULES SHOW",
    takes.text("VERSION", "The version, or the beginning of its name.", required=True),
)
def rules_show(act: Act) -> dict[str, Any]:
    """Give the text of VERSION, which the beginning of its name is enough for; of START's RULES the elements, one a line."""
    with _explained():
        version = read_version(act.connection, act.text("VERSION"))
    return {**asdict(version), "text": version.shown}


@action(
    "MAGB RULES ROLLBACK",
    takes.number("LOCATION", "The institution whose images are routed.", required=True),
    takes.text("VERSION", "The version to publish again; the one before the current if left out."),
    writes=True,
    key=KEY,
)
def rules_rollback(act: Act) -> dict[str, Any]:
    """Publish an earlier VERSION of LOCATION again; without one, what it had before the current."""
    location = _location(act)
    before = current_version(act.connection, location)
    with _explained():
        made = roll_back(act.connection, location, act.text("VERSION"), act.caller.name, act.now)
    act.changed(_rules_of(location), before, made)
    return {**_told(made), "evaluator": _runs(act, location)}


@action(
    "MAGB RULES START",
    takes.number("LOCATION", "The institution whose images are routed.", required=True),
    writes=True,
    key=KEY,
)
def rules_start(act: Act) -> Done:
    """Start the evaluator of LOCATION with the rules that are published for it."""
    location = _location(act)
    publication = current_version(act.connection, location)
    if publication is None:
        raise NotFound(f"No rules are published for location {location}.")
    if _runs(act, location):
        raise RefusedAction(f"An evaluator of location {location} runs already; it takes up what is published.")
    set_flag(act.connection, running=True)
    name = act.connection.execute(_NAME, {"ien_": location}).scalar()
    number = taskman.load(
        act.connection,
        ENTRY_POINT,
        arguments={"location": location, "rules": [], "published": 0},
        description=f"Evaluate Routing Rules for Origin={name}",
        duz=act.caller.duz,
        now=act.now,
    )
    act.changed(f"evaluator of location {location}", None, {"task": number, "version": publication.version})
    return Done({"number": number, "version": publication.version, "taskman": taskman.tm(act.connection, act.now)}, number)


@action(
    "MAGB RULES STOP",
    takes.number("LOCATION", "The institution whose images are routed.", required=True),
    writes=True,
    key=KEY,
)
def rules_stop(act: Act) -> dict[str, Any]:
    """Ask the evaluator of LOCATION, and of no other, to stop after the image it is at."""
    act.number("LOCATION")
    return dict(task_stop(act))


@action(
    "MAGB RULES EXPLAIN",
    takes.number("IMAGE", "The image.", required=True),
    takes.number("TASK", "As this evaluator decided; the newest if left out."),
)
def rules_explain(act: Act) -> dict[str, Any]:
    """Explain where IMAGE went: each rule, each of its conditions with what it saw, as the newest evaluator, or TASK, decided."""
    image = act.number("IMAGE")
    task = act.number("TASK") or None
    with _explained():
        return asdict(explain_image(act.connection, image, task))
