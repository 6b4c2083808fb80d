"""What lint says can never be, or always is: no image contradicts it, and contradictions that were planted are found."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from rules import Rule, RuleFile, Share, compile_rules, parse_rule_file
from rules.judging.wildcard import documented_match
from rules.language.ast import Expression, negated
from rules.lint import LintOptions, lint
from rules.lint.formula import all_imply, never, rule_clauses
from rules.lint.patterns import matchable
from rules.lint.reach import is_certain
from tests.unit.rules.lint.strategies import Case, cases, expressions, rules


def _fired_by(rule: Rule, images: list[Case]) -> list[Case]:
    """Give the images that a rule fires for, as the evaluator judges them."""
    compiled = compile_rules([rule], "documented")
    return [case for case in images if compiled.match(case.facts, case.now, case.is_holiday)]


@settings(max_examples=200)
@given(rules, st.lists(cases, min_size=4, max_size=8))
def test_no_image_fires_a_rule_that_can_never_fire(rule: Rule, images: list[Case]) -> None:
    impossible = never(rule_clauses(rule))
    fired = _fired_by(rule, images)
    event("can never fire" if impossible else "fires" if fired else "may fire")
    assert not (impossible and fired)


@settings(max_examples=150)
@given(expressions, st.lists(cases, min_size=4, max_size=8))
def test_no_image_makes_a_condition_false_that_always_holds(condition: Expression, images: list[Case]) -> None:
    if is_certain(condition):
        event("always holds")
        assert not _fired_by(Rule(1, "SEND", (Share("KANSAS"),), (negated(condition),)), images)


@settings(max_examples=150)
@given(rules, rules, st.lists(cases, min_size=4, max_size=8))
def test_every_image_that_fires_a_covered_rule_fires_the_one_that_covers_it(rule: Rule, other: Rule, images: list[Case]) -> None:
    if not never(rule_clauses(rule)) and all_imply(rule_clauses(rule), rule_clauses(other)):
        event("covered")
        covering = _fired_by(other, images)
        assert all(case in covering for case in _fired_by(rule, images))


_MEETABLE = (
    "MODALITY=CT",
    'MODALITY="C*"',
    "PROCEDURE!=MR",
    'PATIENT="*CRAY*"',
    "URGENCY in (STAT, URGENT)",
    'BodyPartExamined="CHEST"',
    "SliceThickness>2",
    "NOW={MON 08:00 to 17:00; TUE 08:00 to 12:00}",
    "EXAM_TIME>=2026-01-01",
    "(MODALITY=CT or SOURCE=WICHITA)",
)
_CONTRADICTIONS = (
    "MODALITY=MR PROCEDURE=US",
    'SOURCE="A*" SOURCE!="?*"',
    'PATIENT="A*" PATIENT="B*"',
    'PATIENT="*X" PATIENT="*Y"',
    "URGENCY=STAT URGENCY=ROUTINE",
    "URGENCY!=STAT URGENCY!=ROUTINE URGENCY!=URGENT",
    'BodyPartExamined="HEAD" BodyPartExamined!="H*"',
    "PATIENT>M PATIENT<D",
    "NOW={WED 08:00 to 17:00} NOW={THU 08:00 to 17:00}",
    "NOW={WED 08:00 to 12:00} NOW={WED 13:00 to 17:00}",
    "NOW={2026-03-04 to 2026-03-04} NOW={MON 00:00 to 23:59}",
    'NOW="WED" NOW={THU 08:00 to 17:00}',
    "NOW>=18:00 NOW<17:00",
    "EXAM_TIME>2026-01-02 STUDY_TIME<2026-01-01",
    "SOURCE in (A, B) not SOURCE in (A, B, C)",
    "(SOURCE=A or SOURCE=B) SOURCE=C",
    "not (SOURCE=A or SPECIMEN=B) (SOURCE=A or SPECIMEN=B)",
)


@pytest.mark.parametrize(("meetable", "contradiction"), list(product(_MEETABLE, _CONTRADICTIONS)))
def test_a_contradiction_is_found_whatever_stands_beside_it(meetable: str, contradiction: str) -> None:
    file = parse_rule_file(f'send("KANSAS") when {contradiction} {meetable}\nsend("BACKUP") when {meetable}')
    found = lint(file, None, LintOptions())
    dead = [(finding.rule, finding.code) for finding in found if finding.code in ("R101", "R102")]
    assert dead in ([(1, "R101")], [(1, "R102")])


def test_a_contradiction_is_found_between_conditions_and_validity() -> None:
    file = parse_rule_file('send("KANSAS") when NOW={2026-03-02 to 2026-03-08} valid until 2026-02-28')
    assert [finding.code for finding in lint(file, None, LintOptions())] == ["R101"]


def test_elements_with_several_values_may_have_what_no_single_value_can() -> None:
    file = parse_rule_file('send("KANSAS") when ImageType="ORIGINAL" ImageType="PRIMARY"')
    assert [finding.code for finding in lint(file, None, LintOptions())] == ["R601", "R601"]


def test_what_takes_too_long_to_find_out_is_passed_over() -> None:
    values = ", ".join(f"A{number}" for number in range(9))
    many = " ".join(f"{keyword} in ({values})" for keyword in ("SOURCE", "SPECIMEN", "STAIN"))
    file = parse_rule_file(f'send("KANSAS") when {many}')
    assert rule_clauses(file.rules[0]) is None
    assert lint(file, None, LintOptions()) == ()


def test_a_rule_is_dead_when_each_of_its_alternatives_is() -> None:
    values = ", ".join(f"A{number}" for number in range(9))
    many = " ".join(f"{keyword} in ({values})" for keyword in ("SOURCE", "SPECIMEN", "STAIN"))
    file = parse_rule_file(f'send("KANSAS") when {many} (SOURCE="B" or STAIN="B")')
    assert [it.code for it in lint(file, None, LintOptions())] == ["R101"]


def test_alternatives_that_exclude_each_other_are_dropped_on_the_way() -> None:
    many = " ".join(f"SOURCE in ({', '.join(f'A{at}{letter}' for at in range(9))})" for letter in "XYZ")
    assert [it.code for it in lint(parse_rule_file(f'send("KANSAS") when {many}'), None, LintOptions())] == ["R101"]


_patterns = st.text("ab*?", max_size=4)


@given(st.lists(_patterns, max_size=3).map(tuple), st.lists(_patterns, max_size=3).map(tuple))
def test_patterns_are_matchable_when_some_text_matches_them(wanted: tuple[str, ...], unwanted: tuple[str, ...]) -> None:
    """Texts of up to five letters are tried; c stands for any letter that the patterns do not name."""
    texts = ["".join(letters) for length in range(6) for letters in product("abc", repeat=length)]
    yes = [documented_match(pattern) for pattern in wanted]
    no = [documented_match(pattern) for pattern in unwanted]
    found = any(all(matches(text) for matches in yes) and not any(matches(text) for matches in no) for text in texts)
    possible = matchable(wanted, unwanted)
    event("matchable" if possible else "not matchable")
    assert possible or not found
    if sum(map(len, (*wanted, *unwanted))) < 5:
        assert possible is found  # patterns so short are told apart by five letters


def test_a_rule_file_without_rules_has_nothing_to_find() -> None:
    assert lint(RuleFile(()), None, LintOptions()) == ()
