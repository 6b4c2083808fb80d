"""Lint, pure: what in a rule file does nothing, cannot work, or is probably not what was meant."""

from rules.lint.check import left_out, lint, unread, unreadable
from rules.lint.codes import CODES, FAMILIES, Kind
from rules.lint.finding import Finding, Severity
from rules.lint.report import explanation, reference_page, report
from rules.lint.scope import DOCUMENTED, VISTA, LintOptions, SiteNames

__all__ = [
    "CODES",
    "DOCUMENTED",
    "FAMILIES",
    "VISTA",
    "Finding",
    "Kind",
    "LintOptions",
    "Severity",
    "SiteNames",
    "explanation",
    "left_out",
    "lint",
    "reference_page",
    "report",
    "unread",
    "unreadable",
]
