"""Lint finds each planted fault where it was planted, by its code, and nothing in a file that is clean."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules import RuleFile, RuleFileErrors, from_elements, parse_rule_file
from rules.judging.moment import DAYS
from rules.lint import (
    CODES,
    VISTA,
    Finding,
    Kind,
    LintOptions,
    Severity,
    SiteNames,
    left_out,
    lint,
    reference_page,
    report,
    unread,
)
from rules.lint.check import IN_VISTA
from rules.lint.codes import FOR_COVER, FOR_VISTA
from rules.lint.report import MARK
from tests.unit.rules.language.strategies import FILES

TODAY = "3260601"
SITE = SiteNames(
    routers={"KANSAS": True, "BACKUP": True, "FARAWAY": False, "TAKES NOTHING": True},
    services=frozenset(["READING ROOM"]),
    locations=frozenset(["RAID1"]),
    takes_nothing=frozenset(["TAKES NOTHING"]),
    institutions=frozenset(["WICHITA", "SALT LAKE CITY"]),
)
#: Codes without an example, and the test that plants them.
PLANTED_ELSEWHERE = {
    "R002": "tests/unit/console/test_rule_lint.py",
    "R109": "test_a_comparison_of_very_many_rules_ends_and_says_so",
    "R609": "test_many_rules_are_many_for_a_vista",
}
WITH_EXAMPLE = [code for code, kind in CODES.items() if kind.example]


def _options(kind: Kind) -> LintOptions:
    return LintOptions(TODAY, VISTA if kind.asked == FOR_VISTA else "documented", cover=kind.asked == FOR_COVER)


def _planted(example: str) -> tuple[str, int, int]:
    """Give an example without its mark, and the line and column of the mark; 0 where there is none."""
    before, mark, _after = example.partition(MARK)
    lines = before.split("\n")
    return example.replace(MARK, ""), len(lines) if mark else 0, len(lines[-1]) + 1 if mark else 0


def _found(kind: Kind, text: str) -> tuple[Finding, ...]:
    if kind.elements:
        parsed = from_elements([(str(number), line) for number, line in enumerate(text.splitlines(), start=1)])
        return (*left_out(parsed.log), *lint(RuleFile(parsed.rules), SITE, _options(kind)))
    try:
        return lint(parse_rule_file(text), SITE, _options(kind))
    except RuleFileErrors as errors:
        return unread(errors)


def test_every_code_has_an_example_or_a_test_of_its_own() -> None:
    assert set(CODES) == {*WITH_EXAMPLE, *PLANTED_ELSEWHERE}


@pytest.mark.parametrize("code", WITH_EXAMPLE)
def test_the_planted_fault_is_found_where_it_was_planted(code: str) -> None:
    kind = CODES[code]
    text, line, column = _planted(kind.example)
    found = [finding for finding in _found(kind, text) if finding.code == code or finding.severity is not Severity.NOTE]
    assert [(it.code, it.line, it.column, it.severity) for it in found] == [(code, line, column, kind.severity)]
    assert found[0].problem.endswith((".", "?"))
    assert found[0].remedy.endswith(".")


def _sorted_out(code: str) -> bool:
    """Leave out what cannot stand in one file with the others: what is no file, and what concerns all rules."""
    kind = CODES[code]
    return not kind.elements and not kind.asked and code not in ("R001", "R412", "R207")


def test_a_file_with_one_fault_of_every_kind_shows_each_at_its_place() -> None:
    text, planted = "", []
    for number, code in enumerate(filter(_sorted_out, WITH_EXAMPLE)):
        name = f"ALIAS{number}"
        example = CODES[code].example.replace("NIGHT", name).replace('"CHEST*"', f'"{name}*"')
        lines = text.count("\n")
        plain, line, column = _planted(_apart(example, number))
        text += plain + "\n"
        planted.append((code, lines + line, column))
    found = lint(parse_rule_file(text), SITE, LintOptions(TODAY))
    at = {(finding.code, finding.line, finding.column) for finding in found}
    assert set(planted) <= at


def _apart(example: str, number: int) -> str:
    """Give each rule of an example a condition that no other example has, so that rules of two have nothing to do together."""
    return "\n".join(_alone(line, number) for line in example.splitlines())


def _alone(line: str, number: int) -> str:
    if " when " not in line or "SOURCE" in line or '="*"' in line:
        return line
    head, _, rest = line.partition(" when ")
    conditions, word, modifiers = rest, "", ""
    for keyword in (" priority ", " priorstudy ", " valid ", " enabled "):
        if keyword in conditions:
            conditions, word, modifiers = (*conditions.partition(keyword)[:2], conditions.partition(keyword)[2])
            break
    return f'{head} when {conditions} TRACKING_ID="{number}"{word}{modifiers}'


_MODALITIES = ("CT", "MR", "US", "CR", "DX", "NM", "PT", "XA", "RF", "MG")
_SITES = ("WICHITA", "SALT LAKE CITY")


def clean_file() -> str:
    """Write 300 rules such as a department has: each does something that no other one does."""
    days = ("MON", "TUE", "WED", "THU", "FRI")
    night = "; ".join(f"{day} 18:00 to 23:59; {day} 00:00 to 06:59" for day in days)
    by_day = "; ".join(f"{day} 07:00 to 17:59" for day in days)
    lines = ["# routing rules", 'destination NIGHT = "KANSAS"', 'holiday "Founders Day" = 2027-03-02', ""]
    kinds = (
        'rule "{modality} {study} at night"\nsend(NIGHT) when {where} NOW={{{night}}} priority HIGH',
        'send("BACKUP") when {where} NOW={{{by_day}; HOL 08:00 to 12:00}}',
        'dicom("READING ROOM") when {where} URGENCY in (STAT, URGENT) priorstudy YES',
        'send("KANSAS") when {where} not (PATIENT="TEST*" or PATIENT="ZZ*") URGENCY=ROUTINE priority LOW',
        'balance("KANSAS"=25%, "BACKUP"=35%/40, <LOCAL>=40%) when {where} PATIENT!="DEMO*" NOW={{SAT 00:00 to 23:59}}'
        " valid 2026-01-01 to 2027-12-31",
    )
    studies = ("HEAD", "CHEST", "ABDOMEN")
    for modality, site, study, kind in itertools.product(_MODALITIES, _SITES, studies, kinds):
        where = f'MODALITY={modality} SOURCE="{site}" SHORT_DESCRIPTION="{study}*"'
        lines.append(kind.format(modality=modality, study=study, where=where, night=night, by_day=by_day))
    return "\n".join([*lines, "# end of file", ""])


def test_nothing_is_found_in_a_clean_file_of_300_rules() -> None:
    file = parse_rule_file(clean_file())
    assert len(file.rules) == 300
    assert lint(file, SITE, LintOptions(TODAY)) == ()


def test_the_rules_of_the_demo_site_are_clean() -> None:
    text = (Path(__file__).parents[4] / "data" / "demo.rule").read_text(encoding="utf-8")
    assert lint(parse_rule_file(text), None, LintOptions(TODAY)) == ()


def test_a_comparison_of_very_many_rules_ends_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rules.lint.pairs.MOST_PAIRS", 10)
    file = parse_rule_file("\n".join(f'send("KANSAS") when SOURCE="A{number}*"' for number in range(10)))
    assert [finding.code for finding in lint(file, SITE, LintOptions())] == ["R109", *["R313"] * 10]


def test_rules_that_ask_for_different_values_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rules.lint.pairs.MOST_PAIRS", 0)
    file = parse_rule_file("\n".join(f'send("KANSAS") when SOURCE="A{number}" MODALITY=CT' for number in range(1000)))
    assert lint(file, None, LintOptions()) == ()


def test_many_rules_are_many_for_a_vista() -> None:
    file = parse_rule_file("\n".join(f"send(KANSAS) when SOURCE=A{number}" for number in range(1001)))
    assert [finding.code for finding in lint(file, None, LintOptions(target=VISTA))] == ["R609"]
    assert lint(file, None, LintOptions()) == ()


@pytest.mark.parametrize(
    ("first", "second", "superfluous"),
    [
        ("send(A) when MODALITY=CT", "send(A) when MODALITY=CT priority HIGH", 1),
        ("send(A) when MODALITY=CT priority HIGH", "send(A) when MODALITY=CT", 2),
        ('send(A) when MODALITY="C*"', "send(A) when MODALITY=CT", 2),
        ("send(A) when MODALITY=CT SOURCE=X", "send(A) when MODALITY=CT", 1),
        ("send(A) when MODALITY in (CT, MR)", "send(A) when MODALITY in (MR, CT)", 2),
        ("send(A) when NOW={08:00 to 17:00}", "send(A) when NOW={MON 09:00 to 12:00}", 2),
        ("send(A) when MODALITY=CT valid from 2026-01-01", "send(A) when MODALITY=CT valid 2026-02-01 to 2026-03-01", 2),
        ("send(A) when MODALITY=CT priorstudy YES", "send(A) when MODALITY=CT", 2),
        ("destination B = A send(B) when MODALITY=CT", "send(A) when MODALITY=CT SOURCE=X", 2),
        ("send(A) when MODALITY=CT priority HIGH", 'send(A) when MODALITY="C*"', None),
        ("send(A) when MODALITY=CT priority LOW", "send(A) when MODALITY=CT SOURCE=X", None),
        ("send(A) when MODALITY=CT", "send(A) when MODALITY=CT SOURCE=X priorstudy YES", None),
        ("send(A) when MODALITY=CT", "send(B) when MODALITY=CT", None),
        ("send(A) when MODALITY=CT", "dicom(A) when MODALITY=CT", None),
        ("send(A) when MODALITY=CT valid until 2026-12-31", "send(A) when MODALITY=CT SOURCE=X", None),
        ("send(A) when MODALITY=CT SOURCE!=X", "send(A) when MODALITY=CT SPECIMEN=Y", None),
    ],
)
def test_a_rule_is_superfluous_only_where_another_one_does_as_much(first: str, second: str, superfluous: int | None) -> None:
    found = lint(parse_rule_file(f"{first}\n{second}"), None, LintOptions())
    assert [it.rule for it in found if it.code in ("R105", "R106")] == ([] if superfluous is None else [superfluous])


def test_a_disabled_rule_covers_no_other() -> None:
    file = parse_rule_file("send(A) when MODALITY=CT enabled NO\nsend(A) when MODALITY=CT")
    assert [finding.code for finding in lint(file, None, LintOptions())] == ["R503"]


@pytest.mark.parametrize(
    ("rule", "gaps"),
    [
        ("send(A) when NOW={00:00 to 23:59}", []),
        ("send(A) when NOW!={SAT 10:00 to 11:59}", ["SAT 10:00 to SAT 11:59"]),
        (
            "send(A) when NOW={06:00 to 23:59}",
            [f"{day} 00:00 to {day} 05:59" for day in DAYS],
        ),
        (
            "send(A) when MODALITY=CT NOW={MON 00:00 to 23:59; TUE 00:00 to 23:59; WED 00:00 to 23:59}\n"
            "send(B) when NOW={WED 12:00 to 23:59; THU 00:00 to 23:59; FRI 00:00 to 23:59; SAT 00:00 to 23:59}",
            ["SUN 00:00 to SUN 23:59"],
        ),
        ("send(A) when MODALITY=CT", []),
    ],
)
def test_gaps_in_the_week_are_shown_when_asked_for(rule: str, gaps: list[str]) -> None:
    file = parse_rule_file(rule)
    found = [it.problem for it in lint(file, None, LintOptions(TODAY, cover=True)) if it.code == "R204"]
    assert found == [f"From {gap} no rule with a time frame fires." for gap in gaps]
    assert not [it for it in lint(file, None, LintOptions(TODAY)) if it.code == "R204"]


def test_gaps_are_shown_for_one_destination() -> None:
    file = parse_rule_file("destination NIGHT = A\nsend(NIGHT) when NOW={00:00 to 11:59}\nsend(B) when NOW={12:00 to 23:59}")
    options = LintOptions(TODAY, cover=True, destinations=("A",))
    found = [it.problem for it in lint(file, None, options) if it.code == "R204"]
    assert len(found) == 7
    assert found[0] == "From MON 12:00 to MON 23:59 no rule with a time frame sends to A."


def test_without_a_site_nothing_is_said_of_destinations() -> None:
    file = parse_rule_file('send("NOWHERE") when MODALITY=CT')
    assert lint(file, None, LintOptions()) == ()
    assert [it.code for it in lint(file, SITE, LintOptions())] == ["R401"]


def test_for_a_vista_what_it_ignores_is_a_warning() -> None:
    file = parse_rule_file('send("KANSAS") when BodyPartExamined="CHEST"')
    for target, severity in (("documented", Severity.NOTE), (VISTA, Severity.WARNING)):
        assert [it.severity for it in lint(file, None, LintOptions(target=target))] == [severity]


def test_for_a_vista_what_can_never_be_is_said_to_be_otherwise_there() -> None:
    file = parse_rule_file('send("KANSAS") when MODALITY=CT MODALITY=MR')
    problems = [
        it.problem.endswith(IN_VISTA) for target in ("documented", VISTA) for it in lint(file, None, LintOptions("", target))
    ]
    assert problems == [False, True]


@pytest.mark.parametrize("named", ["BACKUP", "backup"])
def test_a_name_hides_a_destination_of_the_site_whatever_its_letter_case(named: str) -> None:
    file = parse_rule_file(f'destination {named} = "KANSAS"\nsend("BACKUP") when MODALITY=CT')
    assert [it.code for it in lint(file, SITE, LintOptions())] == ["R409"]
    itself = parse_rule_file('destination backup = "BACKUP"\nsend(backup) when MODALITY=CT')
    assert "R409" not in [it.code for it in lint(itself, SITE, LintOptions())]


@pytest.mark.parametrize(
    ("condition", "codes"),
    [
        ('URGENCY<"A"', ["R102", "R602"]),
        ('URGENCY>"STAT"', ["R602"]),
        ("SliceThickness>1e40", ["R601"]),
        ("SliceThickness>1e9 SliceThickness<1e8", ["R306", "R601", "R601"]),
        ("SliceThickness>1e9999999 SliceThickness<5", ["R601", "R601"]),
        ("PATIENT>1E999999999 PATIENT<3", ["R307", "R307", "R602", "R602"]),
    ],
)
def test_no_limit_is_beyond_lint(condition: str, codes: list[str]) -> None:
    found = lint(parse_rule_file(f'send("KANSAS") when {condition}'), None, LintOptions())
    assert sorted(it.code for it in found) == codes


def test_a_message_writes_conditions_as_the_file_has_them() -> None:
    file = parse_rule_file('send("KANSAS") when SOURCE in (A, B) not SOURCE in (A, B, C)')
    (found,) = lint(file, None, LintOptions())
    assert found.problem.startswith("SOURCE not in (A, B, C) and SOURCE in (A, B) cannot both hold")


def test_a_report_shows_each_line_with_a_caret_and_sums_up() -> None:
    text = 'rule "night"\nsend("KANSAS") when MODALITY=CT\n\tMODALITY=MR'
    found = lint(parse_rule_file(text), None, LintOptions())
    assert report("x.rule", text, found, 1).splitlines() == [
        'x.rule:3:2: error R101 (rule 1 "night"): MODALITY=MR and MODALITY=CT cannot both hold: the rule can never fire.',
        "    \tMODALITY=MR",
        "    \t^",
        "    Join the conditions by 'or', list the values with 'in (...)', or make two rules of it.",
        "x.rule: 1 rule, 1 error",
    ]


def test_a_report_counts_notes_that_repeat_themselves() -> None:
    text = "\n".join(f"send(A) when StationName=S{number}" for number in range(10))
    lines = report("x.rule", text, lint(parse_rule_file(text), None, LintOptions()), 10).splitlines()
    assert sum("note R601" in line for line in lines) == 3
    assert lines[-2:] == ["x.rule: 7 more notes R601 (--json lists them all)", "x.rule: 10 rules, no errors, 10 notes"]


def test_the_reference_page_is_the_table() -> None:
    page = Path(__file__).parents[4] / "docs" / "reference" / "rule-lint.md"
    assert page.read_text(encoding="utf-8") == reference_page()


@given(FILES, st.sampled_from(["documented", VISTA]))
def test_lint_has_an_answer_for_every_rule_file(file: RuleFile, target: str) -> None:
    found = lint(file, SITE, LintOptions(TODAY, target, cover=True, destinations=("KANSAS",)))
    assert all(finding.code in CODES for finding in found)


_pieces = st.sampled_from(
    ["1", "2", "ACTION", "CONDITION", "SEND", "BALANCE", "KW", "OP", "DT", "VA", "NOW", "MODALITY", "=", "<", "B", "M", "E"]
)
_masks = st.sampled_from(
    ["DDDyyyymmdd.HHMM", "HOL", "    YYYMMDD", "DDD   YYYM", "MON        .0800", "XXX        .9999", "    3260230", ""]
)


@given(st.lists(st.lists(st.one_of(_pieces, _pieces, _masks), min_size=1, max_size=8).map("^".join), max_size=12))
def test_lint_has_an_answer_for_all_elements(elements: list[str]) -> None:
    parsed = from_elements([(str(number), element) for number, element in enumerate(elements, start=1)])
    found = lint(RuleFile(parsed.rules), SITE, LintOptions(TODAY, VISTA, cover=True))
    assert all((finding.line, finding.column) == (0, 0) for finding in found)


@pytest.mark.parametrize(
    "conditions",
    [
        "SliceThickness>1E999999 SliceThickness<1E999999",
        "SliceThickness>0.10000000000000000000000000001 SliceThickness<0.10000000000000000000000000003",
        f'SOURCE="{"*AB" * 300}" SOURCE="{"*BA" * 300}"',
        " ".join(f'SOURCE!="*{letter}*{letter}*"' for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    ],
)
def test_what_is_hard_to_find_out_takes_no_time_and_is_passed_over(conditions: str) -> None:
    found = lint(parse_rule_file(f'send("KANSAS") when {conditions}'), None, LintOptions())
    assert {it.code for it in found} <= {"R601"}
