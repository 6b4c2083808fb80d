"""Where a trial's actions lead: to the destinations of a site, to those that were listed, or to whatever the rules name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from rules.language.ast import BALANCE, DICOM, LOCAL, SEND, Rule

#: The files of an image that a network location may take (#2005.2, fields 8 to 12), in the order in which they are queued.
FILE_TYPES = ("ABSTRACT", "FULL", "BIG", "TEXT", "DICOM")


@dataclass(frozen=True, slots=True)
class Listed:
    """A destination that was listed for a trial: its number, and the types of files that it takes of an image."""

    name: str
    number: int
    files: tuple[str, ...] = FILE_TYPES


@dataclass(frozen=True, slots=True)
class Places:
    """The destinations that exist: router locations for SEND and BALANCE, services for DICOM."""

    routers: Mapping[str, int] = field(default_factory=dict)
    services: Mapping[str, int] = field(default_factory=dict)
    file_types: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    holidays: frozenset[str] = frozenset()

    def takes(self, verb: str, destination: int) -> bool:
        """Tell whether anything is queued for a destination: a router location without file types takes nothing."""
        return verb == DICOM or bool(self.file_types.get(destination))

    def taking(self, wheres: Iterable[str]) -> frozenset[str]:
        """Leave out those of `leads_to` that take nothing. What is no destination any more is kept: something went there."""
        return frozenset(where for where in wheres if self._takes(*where.split(" ", 1)))

    def _takes(self, verb: str, name: str) -> bool:
        return verb == DICOM or name not in self.routers or self.takes(verb, self.routers[name])


def listed_places(listed: Iterable[Listed]) -> Places:
    """Let those destinations exist that were listed, each for SEND, BALANCE and DICOM."""
    numbers = {it.name: it.number for it in listed}
    return Places(numbers, numbers, {it.number: it.files for it in listed})


def named_places(rules: Iterable[Rule]) -> Places:
    """Let every destination exist that a rule names, numbered from 1; it takes files of all types."""
    names = dict.fromkeys(name for rule in rules for name in destinations_of(rule) if name != LOCAL)
    return listed_places([Listed(name, number) for number, name in enumerate(names, start=1)])


def destinations_of(rule: Rule) -> tuple[str, ...]:
    """Give the names that a rule's action leads to: of SEND and DICOM the first parameter only, as VistA has it."""
    if rule.verb == BALANCE:
        return tuple(share.destination for share in rule.parameters)
    return (rule.location,) if rule.location else ()


def leads_to(verb: str, name: str) -> str:
    """Name where an action leads to: SEND and BALANCE to a router location, DICOM to a service."""
    return f"{DICOM if verb == DICOM else SEND} {name}"
