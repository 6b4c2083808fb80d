"""Findings, codes and the reference page, written for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from rules.language.errors import pointing
from rules.lint.codes import CODES, FAMILIES, FOR_COVER, FOR_VISTA, Kind
from rules.lint.finding import Finding, Severity
from rules.lint.formula import MOST_CLAUSES
from rules.lint.pairs import MOST_PAIRS
from rules.lint.patterns import MOST_STEPS
from rules.lint.week import MOST_MOMENTS

_ASKED = {FOR_COVER: "with `--cover` only", FOR_VISTA: "with `--target vista` only"}
#: Notes of one code that are shown; the others are only counted.
MOST_NOTES = 3
#: Stands in the table's examples before the place of the finding.
MARK = "@"


def report(file: str, text: str, findings: Sequence[Finding], rules: int | None) -> str:
    """Write findings in the order of the file, each with its line and a caret under the place, and a line that sums up.

    `rules` is how many there are, None where the file was not understood. Of many notes with one code the first are shown.
    """
    lines = text.splitlines()
    seen: Counter[str] = Counter()
    shown: list[str] = []
    for finding in findings:
        seen[finding.code] += 1
        if finding.severity is not Severity.NOTE or seen[finding.code] <= MOST_NOTES:
            shown += _finding(file, lines, finding)
    notes = {finding.code for finding in findings if finding.severity is Severity.NOTE}
    shown += [
        f"{file}: {seen[code] - MOST_NOTES} more notes {code} (--json lists them all)"
        for code in sorted(notes)
        if seen[code] > MOST_NOTES
    ]
    return "\n".join([*shown, _summary(file, findings, rules)]) + "\n"


def _finding(file: str, lines: Sequence[str], finding: Finding) -> Iterator[str]:
    place = f":{finding.line}:{finding.column}" if finding.line else ""
    name = f' "{finding.name}"' if finding.name else ""
    rule = f" (rule {finding.rule}{name})" if finding.rule is not None else ""
    yield f"{file}{place}: {finding.severity} {finding.code}{rule}: {finding.problem}"
    if 0 < finding.line <= len(lines):
        yield pointing(lines[finding.line - 1], finding.column)
    yield f"    {finding.remedy}"


def _summary(file: str, findings: Sequence[Finding], rules: int | None) -> str:
    counts = Counter(finding.severity for finding in findings)
    parts = [_counted(counts[Severity.ERROR], "error") if counts[Severity.ERROR] else "no errors"]
    parts += [_counted(counts[kind], str(kind)) for kind in (Severity.WARNING, Severity.NOTE) if counts[kind]]
    if rules is None:
        where = f", the first in line {findings[0].line}" if findings and findings[0].line else ""
        return f"{file} is not understood: {', '.join(parts)}{where}"
    return f"{file}: {_counted(rules, 'rule')}, {', '.join(parts)}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def explanation(code: str) -> str:
    """Explain a code: what it means, why it matters, what to do, and an example. Raises KeyError for one that there is not."""
    kind = CODES[code]
    parts = [f"{code} ({_severities(kind)}): {kind.title}", f"    {kind.reason}", f"    {kind.remedy}"]
    if kind.example:
        parts += ["", *(f"        {line}" for line in _example(kind))]
    return "\n".join(parts) + "\n"


def _severities(kind: Kind) -> str:
    if kind.under_vista is None or kind.under_vista is kind.severity:
        return str(kind.severity)
    return f"{kind.severity}; {kind.under_vista} for a VistA"


def _example(kind: Kind) -> Iterator[str]:
    """Write an example with a caret under the place of the finding."""
    for line in kind.example.splitlines():
        yield line.replace(MARK, "")
        if MARK in line:
            yield " " * line.index(MARK) + "^"


def reference_page() -> str:
    """Write docs/reference/rule-lint.md."""
    parts = [_HEAD.format(clauses=MOST_CLAUSES, steps=MOST_STEPS, moments=MOST_MOMENTS, pairs=MOST_PAIRS)]
    for digits, family in FAMILIES.items():
        parts.append(f"## {family}\n")
        for code, kind in CODES.items():
            if code.startswith(digits):
                parts.append(_section(code, kind))
    return "\n".join(parts)


def _section(code: str, kind: Kind) -> str:
    conditions = [
        text
        for text, applies in (
            ("in caret elements only (`--elements`)", kind.elements),
            ("with a site only", kind.needs_site),
            (_ASKED.get(kind.asked, ""), bool(kind.asked)),
        )
        if applies
    ]
    when = f" Looked for {', '.join(conditions)}." if conditions else ""
    example = "".join(f"{line}\n" for line in _example(kind))
    block = f"\n```\n{example}```\n" if example else ""
    return f"### {code} ({_severities(kind)})\n\n{kind.title} {kind.reason}{when}\n\n*Remedy:* {kind.remedy}\n{block}"


_HEAD = """\
# What `magbroker rules check` finds

    magbroker rules check FILE [--json] [--cover] [--destination NAME] [--target magbroker|vista] [--site FILE | --data DIR]
    magbroker rules check --explain CODE

The command reads a rule file (with `--elements` caret elements, one a line) and says what in it cannot work, does nothing, or is
probably not what was meant. Each finding has a code, the place, what is wrong, and what to do; `--json` gives them as an array of
`code`, `severity`, `line`, `column`, `rule`, `name`, `problem` and `remedy`, in the order of the file. The texts may change, the
codes do not.

Exit status: 0 when nothing was found, or notes only; 1 for errors and warnings; 2 when the file cannot be read or is not
understood.

What it takes a site to know (whether destinations exist, are of the right sort and on line, names of institutions) is checked
against the site file that `--site` names, or else the database of the data directory, if there is one. Whether rules are meant
for a VistA says `--target`, or else the site's `rule_semantics`: what VistA would ignore is then a warning and not a note.

**"Can never" is certain.** A rule or a condition is only said never to hold, or always, where every value that could tell the
conditions apart was tried under the documented semantics; a VistA lets an image pass of which a field is undefined. What cannot
be found out in bounded time is passed over: a rule with more than {clauses} alternatives once its `or` and `in` are multiplied
out, patterns that need more than {steps:,} steps, times that need more than {moments:,} moments. VistA's fields have one value at
most; DICOM elements may have several, so that `X=A X=B` can hold for them.

Rules are compared with those only that have the same destination and ask for no value that the rule does not ask for, and at most
{pairs:,} pairs in all: 300 rules take far less than a second, 10,000 some seconds.
"""
