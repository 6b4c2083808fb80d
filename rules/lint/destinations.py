"""Destinations: whether the site has them and they are of the right sort, shares of balances, and the file's own names."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator

from rules.language.ast import BALANCE, DICOM, LOCAL, SEND, Rule, Share
from rules.lint.finding import Raised
from rules.lint.scope import Scope, SiteNames


def destinations(scope: Scope) -> Iterator[Raised]:
    """Check every destination that a rule names."""
    for rule in scope.file.rules:
        if rule.verb in (SEND, DICOM) and len(rule.parameters) > 1:
            rest = ", ".join(share.destination for share in rule.parameters[1:])
            yield Raised("R418", f"Only {rule.location} is sent to; {rest} is not.", rule)
        for share in rule.parameters:
            yield from _destination(scope, rule, share)


def _destination(scope: Scope, rule: Rule, share: Share) -> Iterator[Raised]:
    if share.destination == LOCAL and rule.verb == BALANCE:
        return
    name = scope.destination(share.destination)
    if not name.strip():
        yield Raised("R408", f"{rule.verb.lower()} has no destination.", rule, share.place)
    elif scope.site is not None:
        code, problem = _at_site(scope.site, rule.verb, name)
        if code:
            yield Raised(code, problem, rule, share.place)


def _at_site(site: SiteNames, verb: str, name: str) -> tuple[str, str]:
    """Say what is wrong with a destination's name; no code where nothing is."""
    if verb == DICOM:
        if name in site.services:
            return "", ""
        if name in site.routers:
            return "R403", f"{name} is a network location and no DICOM transmit destination: write send({name})."
        return "R401", f"There is no DICOM transmit destination {name}.{_close(name, site.services)}"
    if name in site.routers:
        if not site.routers[name]:
            return "R402", f"{name} is off line."
        if name in site.takes_nothing:
            return "R415", f"{name} takes no type of file, so that nothing is queued for it."
        return "", ""
    if name in site.services:
        return "R403", f"{name} is a DICOM transmit destination and no network location: write dicom({name})."
    if name in site.locations:
        return "R401", f"{name} is a network location, but no router."
    return "R401", f"There is no router {name} among the network locations.{_close(name, site.routers)}"


def _close(name: str, known: Iterable[str]) -> str:
    names = {each.upper(): each for each in known}
    close = difflib.get_close_matches(name.upper(), list(names), n=1, cutoff=0.7)
    return f" Did you mean {names[close[0]]}?" if close else ""


def balances(scope: Scope) -> Iterator[Raised]:
    """Check the shares of every balance."""
    for rule in scope.file.rules:
        if rule.verb != BALANCE:
            continue
        missing = [share for share in rule.parameters if not share.percent.isdecimal()]
        for share in missing:
            yield Raised("R417", f"{share.destination} has no percentage.", rule, share.place)
        total = sum(int(share.percent) for share in rule.parameters if share not in missing)
        if rule.parameters and not missing and total != 100:
            yield Raised("R404", f"The percentages sum to {total}, not to 100.", rule)
        if all(share.destination == LOCAL for share in rule.parameters):
            yield Raised("R416", "All shares stay where they are: the rule sends nothing.", rule)
        names = [scope.destination(share.destination) for share in rule.parameters]
        for at, share in enumerate(rule.parameters):
            if share.percent.isdecimal() and int(share.percent) == 0:
                yield Raised("R407", f"{share.destination} has a share of 0%.", rule, share.place)
            if share.cap.isdecimal() and int(share.cap) == 0:
                yield Raised("R405", f"{share.destination} may have 0 studies a day.", rule, share.place)
            if names[at] in names[:at]:
                yield Raised("R406", f"{share.destination} is in the balance already.", rule, share.place)


def names(scope: Scope) -> Iterator[Raised]:
    """Check the file's named destinations and holidays."""
    used = Counter(share.destination.upper() for rule in scope.file.rules for share in rule.parameters)
    theirs = (*scope.site.routers, *scope.site.services) if scope.site is not None else ()
    site = {name.upper(): name for name in theirs}  # a rule's name is looked up in the file whatever its letter case
    seen: set[str] = set()
    for named in scope.file.destinations:
        name = named.name.upper()
        if name in seen:
            yield Raised("R413", f"{named.name} is given twice.", place=named.place)
        elif named.destination.upper() in scope.aliases:
            problem = f"{named.name} stands for {named.destination}, which is a name of this file and not followed further."
            yield Raised("R410", problem, place=named.place)
        elif not used[name]:
            yield Raised("R411", f"No rule uses {named.name}.", place=named.place)
        elif name in site and named.destination != site[name]:
            problem = f"{site[name]} is a destination of the site, and here stands for {named.destination}."
            yield Raised("R409", problem, place=named.place)
        seen.add(name)
    if not any(frame.mask[:3] == "HOL" for _rule, condition in scope.conditions for frame in condition.frames):
        for holiday in scope.file.holidays:
            yield Raised("R412", f"No frame is for holidays, so {holiday.name} says nothing.", place=holiday.place)
