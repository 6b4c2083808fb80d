"""docs/conformance.md read as a peer's integrator reads it: its tables, by the sections in which they stand."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"
EVERY_STORAGE_CLASS = "every storage SOP class, and those that nobody knows"
ANY_OTHER = "any other, in the peer's order"
_HEADING = re.compile(r"^#+ [\d.]+ (.*)$", re.MULTILINE)
_BAR = re.compile(r"(?<!\\)\|")

Row = tuple[str, ...]


@dataclass(frozen=True)
class Taken:
    """How a SOP class is said to be accepted: transfer syntaxes by their UIDs, and what extended negotiation comes to."""

    transfer_syntaxes: Sequence[str]
    others: bool
    extended: str


@dataclass(frozen=True)
class Entity:
    """What is said of an entity that accepts associations: `taken` by SOP class and role of the peer."""

    name: str
    policies: Mapping[str, str]
    taken: Mapping[tuple[str, str], Taken]
    unknown: bool

    @property
    def title(self) -> str:
        """An AE title by which it may be called."""
        titles = self.policies["called AE titles"]
        return "WHOEVER" if titles == "any" else titles


class ConformancePage:
    """The page."""

    def __init__(self) -> None:
        pieces = _HEADING.split(PAGE.read_text(encoding="utf-8"))
        self._sections = dict(zip(pieces[1::2], pieces[2::2], strict=True))

    def tables(self, section: str) -> list[list[Row]]:
        """Give the tables of a section, without their headings."""
        tables: list[list[Row]] = []
        lines = self._sections[section].splitlines()
        for before, line in zip(["", *lines], lines, strict=False):
            if line.startswith("|---"):
                tables.append([])
            elif line.startswith("| ") and before.startswith("|"):
                tables[-1].append(tuple(cell.strip().replace("\\|", "|") for cell in _BAR.split(line)[1:-1]))
        return tables

    @cached_property
    def storage_classes(self) -> list[str]:
        """The storage SOP classes that are listed."""
        return [uid for _name, uid in self.tables("Storage SOP classes")[0]]

    @cached_property
    def transfer_syntaxes(self) -> dict[str, str]:
        """The transfer syntaxes, by their names."""
        return {row[0]: row[1] for row in self.tables("Transfer syntaxes")[0]}

    @cached_property
    def entities(self) -> dict[str, Entity]:
        """The entities that accept associations."""
        listening = [row[0] for row in self.tables("Implementation model")[0] if row[2]]
        return {name: self._entity(name) for name in listening}

    def _entity(self, name: str) -> Entity:
        policies, contexts, *_ = self.tables(name)
        taken: dict[tuple[str, str], Taken] = {}
        for sop_class, uid, syntaxes, roles, extended in contexts:
            named = syntaxes.split("; ")
            how = Taken([self.transfer_syntaxes[it] for it in named if it != ANY_OTHER], ANY_OTHER in named, extended)
            for one in self.storage_classes if sop_class == EVERY_STORAGE_CLASS else [uid]:
                taken |= {(one, role): how for role in roles.split(", ")}
        return Entity(name, {row[0]: row[1] for row in policies}, taken, any(row[0] == EVERY_STORAGE_CLASS for row in contexts))
