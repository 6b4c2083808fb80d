"""What lint says of a rule file: a finding, with its code, its place and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from rules.language.ast import Place, Rule


class Severity(StrEnum):
    """How bad a finding is: an error does not do what it says, a warning probably not, a note is worth knowing."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault, or what looks like one. Line and column count from 1; both are 0 where rules came as caret elements."""

    code: str
    severity: Severity
    line: int
    column: int
    problem: str
    remedy: str
    rule: int | None = None
    name: str = ""

    @property
    def order(self) -> tuple[int, int, int, str]:
        """Sort findings as the file is read."""
        return self.line, self.rule or 0, self.column, self.code


@dataclass(frozen=True, slots=True)
class Raised:
    """What a check gives: a code of the table, where, and what is wrong here; the table knows the rest.

    `remedy` replaces the table's where the place lets us say more exactly what to do.
    """

    code: str
    problem: str
    rule: Rule | None = None
    place: Place | None = None
    remedy: str = ""

    def as_finding(self, severity: Severity, remedy: str) -> Finding:
        """Complete a finding by what the table says of its code."""
        place = self.place or (self.rule.place if self.rule is not None else None)
        number, name = (self.rule.number, self.rule.name) if self.rule is not None else (None, "")
        line, column = (place.line, place.column) if place is not None else (0, 0)
        return Finding(self.code, severity, line, column, self.problem, self.remedy or remedy, number, name)
