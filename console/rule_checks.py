"""Checking a rule file's text: how many rules it has, and what lint finds, for commands and pages alike."""

from __future__ import annotations

from rules import RuleError, RuleFile, RuleFileErrors, from_elements, parse_rule_file
from rules.lint import Finding, LintOptions, SiteNames, left_out, lint, unread, unreadable


def checked_text(
    text: str, site: SiteNames | None, options: LintOptions, *, elements: bool = False
) -> tuple[int | None, tuple[Finding, ...]]:
    """Give the number of rules, None where the text is not understood, and what was found. `elements` are one a line."""
    try:
        rules, before = _read(text, elements)
    except RuleFileErrors as errors:
        return None, unread(errors)
    except RuleError as error:
        return None, unreadable(str(error))
    return len(rules.rules), (*before, *lint(rules, site, options))


def _read(text: str, elements: bool) -> tuple[RuleFile, tuple[Finding, ...]]:
    if not elements:
        return parse_rule_file(text), ()
    parsed = from_elements([(str(number), line) for number, line in enumerate(text.splitlines(), start=1) if line])
    return RuleFile(parsed.rules), left_out(parsed.log)
