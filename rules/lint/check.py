"""Lint: all checks over a rule file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from rules.language.ast import RuleFile
from rules.language.errors import RuleFileErrors
from rules.lint import cover, destinations, pairs, reach, times, validity, vista, words
from rules.lint.codes import CODES, FOR_VISTA
from rules.lint.finding import Finding, Raised
from rules.lint.scope import VISTA, LintOptions, Scope, SiteNames

#: Said of what can never be where rules are for a VistA: that is found out as the manuals say.
IN_VISTA = " In VistA it may: what a field lacks passes there, and what VistA does not heed."
_NEVER = frozenset(["R101", "R102", "R104"])

_CHECKS: tuple[Callable[[Scope], Iterator[Raised]], ...] = (
    reach.unreachable,
    reach.certain,
    reach.alternatives,
    reach.superfluous,
    reach.unconditional,
    pairs.compared,
    times.frames,
    times.holidays,
    cover.gaps,
    words.words,
    words.ranges,
    words.modifiers,
    destinations.destinations,
    destinations.balances,
    destinations.names,
    validity.validity,
    vista.ignored,
)


def lint(file: RuleFile, site: SiteNames | None, options: LintOptions) -> tuple[Finding, ...]:
    """Look for faults in a rule file, in its order. What a site would have to tell is left out where none is known."""
    scope = Scope(file, site, options)
    raised = dict.fromkeys(one for check in _CHECKS for one in check(scope))
    found = []
    for one in raised:
        kind = CODES[one.code]
        if options.target == VISTA and one.code in _NEVER:
            one = replace(one, problem=one.problem + IN_VISTA)
        if kind.asked != FOR_VISTA or options.target == VISTA:
            found.append(one.as_finding(kind.severity_for(options.target), kind.remedy))
    return tuple(sorted(found, key=lambda finding: finding.order))


def unreadable(problem: str) -> tuple[Finding, ...]:
    """Give the reason why a file cannot be read as a finding."""
    return (Raised("R002", problem).as_finding(CODES["R002"].severity, CODES["R002"].remedy),)


def left_out(log: Iterable[str]) -> tuple[Finding, ...]:
    """Give what the evaluator would log of elements that it leaves out as findings."""
    return tuple(Raised("R003", line).as_finding(CODES["R003"].severity, CODES["R003"].remedy) for line in log)


def unread(errors: RuleFileErrors) -> tuple[Finding, ...]:
    """Give the errors of a file that is not understood as findings."""
    kind = CODES["R001"]
    return tuple(
        Finding(
            "R001",
            kind.severity,
            error.line,
            error.column,
            f"Expected {error.expected}.",
            f"Did you mean {error.suggestion}?" if error.suggestion else kind.remedy,
        )
        for error in errors.errors
    )
