"""What a replay found: per destination what would go, and what is gained and lost against the other side."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from rules.trials.ledger import StudySoFar


@dataclass(slots=True)
class Line:
    """One destination: images and studies that would go there, and how many more and fewer than on the other side."""

    destination: str
    images: int = 0
    studies: int = 0
    images_gained: int = 0
    images_lost: int = 0
    studies_gained: int = 0
    studies_lost: int = 0


@dataclass(slots=True)
class Report:
    """All of a replay.

    `begun_before` are studies with an image from before the window: here its first image in the window decides them. `against`
    is `what happened` or `other rules`. `fileless` images have no file, so that no rule is asked. `undecided` images have no
    kept decision: they count as having gone nowhere where the other side is what happened.
    """

    since: str
    until: str
    against: str
    images: int = 0
    studies: int = 0
    begun_before: int = 0
    fileless: int = 0
    undecided: int = 0
    _lines: dict[str, Line] = field(default_factory=dict)

    @property
    def lines(self) -> list[Line]:
        """The destinations in order of their names."""
        return [self._lines[name] for name in sorted(self._lines)]

    def count(self, study: StudySoFar, here: Iterable[str], there: Iterable[str]) -> None:
        """Count an image that would go to some destinations, and that goes to others on the other side."""
        would, other = set(here), set(there)
        for name in would | other:
            line = self._lines.setdefault(name, Line(name))
            line.images += name in would
            line.images_gained += name in would - other
            line.images_lost += name in other - would
            self._count_study(line, study, goes=name in would, went=name in other)

    def _count_study(self, line: Line, study: StudySoFar, *, goes: bool, went: bool) -> None:
        """Count a study once: an image that makes it go on the other side too takes a gain or loss back."""
        left, right = study.sides
        before = line.destination in left, line.destination in right
        if goes:
            left.add(line.destination)
        if went:
            right.add(line.destination)
        after = before[0] or goes, before[1] or went
        line.studies += after[0] - before[0]
        line.studies_gained += (after == (True, False)) - (before == (True, False))
        line.studies_lost += (after == (False, True)) - (before == (False, True))

    def as_dict(self) -> dict[str, Any]:
        """Give the report as JSON has it."""
        names = ("since", "until", "against", "images", "studies", "begun_before", "fileless", "undecided")
        return {name: getattr(self, name) for name in names} | {"destinations": [asdict(line) for line in self.lines]}
