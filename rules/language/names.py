"""What the names of a rule file stand for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from rules.language.ast import AllOf, AnyOf, Condition, Expression, Frame, Not, Rule, RuleFile, Share
from rules.language.frames import holiday_frame


def resolve(file: RuleFile) -> tuple[Rule, ...]:
    """Replace names by what they stand for; number, name, validity and `enabled` of each rule are kept.

    An action's destination that is a name of the file becomes the destination; frames of HOL mean the file's holidays besides
    the site's.
    """
    destinations = {named.name.upper(): named.destination for named in file.destinations}
    days = tuple(dict.fromkeys(day for holiday in file.holidays for day in holiday.dates))
    if not destinations and not days:
        return file.rules
    return tuple(
        replace(
            rule,
            parameters=tuple(_share(share, destinations) for share in rule.parameters),
            conditions=tuple(_expression(part, days) for part in rule.conditions),
        )
        for rule in file.rules
    )


def _share(share: Share, destinations: Mapping[str, str]) -> Share:
    destination = destinations.get(share.destination.upper())
    return share if destination is None else replace(share, destination=destination)


def _expression(expression: Expression, days: tuple[str, ...]) -> Expression:
    match expression:
        case Condition(frames=frames):
            return replace(expression, frames=tuple(_frames(frames, days))) if _has_holidays(frames) else expression
        case Not(part):
            return Not(_expression(part, days))
        case AllOf(parts):
            return AllOf(tuple(_expression(part, days) for part in parts))
        case AnyOf(parts):
            return AnyOf(tuple(_expression(part, days) for part in parts))


def _has_holidays(frames: Iterable[Frame]) -> bool:
    return any(frame.mask.startswith("HOL") for frame in frames)


def _frames(frames: Iterable[Frame], days: tuple[str, ...]) -> Iterable[Frame]:
    for frame in frames:
        yield frame
        if frame.mask.startswith("HOL"):
            yield from (replace(holiday_frame(frame, day), place=frame.place) for day in days)
