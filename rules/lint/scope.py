"""What lint works on: the file, what is known of the site, and what was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from rules.language.ast import Condition, Expression, NamedDestination, Rule, RuleFile, leaves
from rules.language.layout import NotInWords, expression_text

DOCUMENTED, VISTA = "documented", "vista"


@dataclass(frozen=True, slots=True)
class SiteNames:
    """The names that a site knows, which rules may use.

    `routers` are network locations that copies may go to, with whether each is on line; `locations` are the others;
    `takes_nothing` are routers without a type of file; `services` are DICOM transmit destinations.
    """

    routers: Mapping[str, bool] = field(default_factory=dict)
    services: frozenset[str] = frozenset()
    locations: frozenset[str] = frozenset()
    takes_nothing: frozenset[str] = frozenset()
    institutions: frozenset[str] = frozenset()
    holidays: frozenset[str] = frozenset()
    semantics: str = DOCUMENTED


@dataclass(frozen=True, slots=True)
class LintOptions:
    """What lint is asked for: `today` as a FileMan date (empty: validity is not looked at), whose rules they are to be.

    `cover` asks for the gaps in the week, of all rules with frames on NOW or of those for some destinations.
    """

    today: str = ""
    target: str = DOCUMENTED
    cover: bool = False
    destinations: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scope:
    """One run of lint."""

    file: RuleFile
    site: SiteNames | None
    options: LintOptions

    @cached_property
    def aliases(self) -> dict[str, NamedDestination]:
        """The file's named destinations; names are compared without letter case."""
        return {named.name.upper(): named for named in self.file.destinations}

    def destination(self, name: str) -> str:
        """Give the destination of the site that a name in a rule stands for."""
        named = self.aliases.get(name.upper())
        return name if named is None else named.destination

    @cached_property
    def conditions(self) -> tuple[tuple[Rule, Condition], ...]:
        """Every single condition of every rule, in the order of the file."""
        return tuple((rule, leaf) for rule in self.file.rules for condition in rule.conditions for leaf in leaves(condition))


def written(expression: Expression, limit: int = 60) -> str:
    """Write an expression for a message, cut where it is long."""
    try:
        text = expression_text(expression)
    except NotInWords:
        text = " ".join(str(leaf) for leaf in leaves(expression))
    return text if len(text) <= limit else text[: limit - 3] + "..."
