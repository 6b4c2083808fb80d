"""Why an image went where it went: its decision evaluated again, from the rules, the moment and the facts that were kept."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from fileman import from_fileman
from rules.evaluator.decisions import read_decision, read_facts
from rules.evaluator.versions import UnknownVersion, load
from rules.judging.explain import RuleExplanation, explain
from rules.judging.moment import Moment
from rules.language.errors import RuleError

#: Reasons that one line tells at most.
MOST_REASONS = 20


class NothingDecided(RuleError):
    """No decision about this image is kept."""


@dataclass(frozen=True, slots=True)
class ImageExplanation:
    """The decision about an image, and for each rule why it fired or did not.

    `decided_by` is the image whose facts decided, at `decided_at`; both times are FileMan's. `fired` and `queued` are what
    happened. `rules` is empty, and `unexplained` says why, where what decided is no longer kept.
    """

    image: int
    task: int
    version: str
    evaluated_at: str
    decided_by: int
    decided_at: str
    fired: tuple[int, ...]
    queued: tuple[dict[str, Any], ...]
    rules: tuple[RuleExplanation, ...] = ()
    unexplained: str = ""


def explain_image(connection: Connection, image: int, task: int | None = None) -> ImageExplanation:
    """Explain the newest decision about an image, or that of one evaluator's task. Raises NothingDecided."""
    row = read_decision(connection, image, task)
    if row is None:
        raise NothingDecided(f"No rules were asked about image {image}, or their decision is no longer kept.")
    decider = row["decided_by"] or image
    decided = row if decider == image else read_decision(connection, decider, row["task"])
    told = ImageExplanation(
        image,
        row["task"],
        row["version"],
        row["evaluated_at"],
        decider,
        decided["evaluated_at"] if decided is not None else "",
        tuple(json.loads(row["fired"])),
        tuple(json.loads(row["queued"])),
    )
    if decided is None or decided["version"] != row["version"]:
        why = f"Image {decider} decided for its study; what was known of it then is no longer kept."
        return replace(told, unexplained=why)
    facts, holidays = read_facts(decider, decided["facts"])
    try:
        compiled = load(connection, row["version"]).compiled
    except UnknownVersion:
        return replace(told, unexplained=f"The text of the rules {row['version']} is not kept.")
    except RuleError as error:
        return replace(told, unexplained=f"The rules {row['version']} are not understood any more: {error}")
    moment = Moment(from_fileman(told.decided_at))
    return replace(told, rules=tuple(explain(compiled, facts, moment, holidays.__contains__)))


def why_not(connection: Connection, image: int) -> str:
    """Say in one line why no rule fired for an image."""
    explained = explain_image(connection, image)
    if explained.unexplained:
        return explained.unexplained
    failed = (next((it.why for it in rule.conditions if it.result is not True), rule.why) for rule in explained.rules)
    return "; ".join(list(dict.fromkeys(why for why in failed if why))[:MOST_REASONS])
