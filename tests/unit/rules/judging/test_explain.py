"""An explanation shows each condition with what it saw, and says the same each time."""

from __future__ import annotations

import pytest

from rules import ConditionExplanation, ImageFacts, Moment, RuleExplanation, StudyMemory, explain
from rules.judging.semantics import SEMANTICS
from tests.unit.rules.judging.testing import SATURDAY, compiled, compiled_elements, facts, judge

IMAGE = facts(MODALITY="CT", IMAGE_TYPE=("ORIGINAL", "PRIMARY"), EXAM_TIME="noon")


def explained(text: str, semantics: str = "documented", image: ImageFacts = IMAGE, now: Moment = SATURDAY) -> RuleExplanation:
    return explain(compiled(text, semantics), image, now, lambda _day: False)[0]


def condition(text: str, semantics: str = "documented") -> ConditionExplanation:
    return explained(f"send(A) when {text}", semantics).conditions[0]


def test_a_rule_is_explained_whole() -> None:
    rule = explained('rule "ct" send(A) when MODALITY=CT SOURCE="X" NOW={SAT 08:00 to 09:00} priority HIGH')
    assert (rule.number, rule.name, rule.action, rule.destinations, rule.priority) == (1, "ct", "SEND (A)", ("A",), 750)
    assert rule.matched is False
    assert rule.conditions == (
        ConditionExplanation("MODALITY", "=", "CT", ("CT",), True, "MODALITY is CT"),
        ConditionExplanation("SOURCE", "=", "X", (), None, "SOURCE is undefined"),
        ConditionExplanation("NOW", "=", "{SAT 08:00 to 09:00}", ("SAT 3261121.083000",), True, "NOW is SAT 3261121.083000"),
    )


@pytest.mark.parametrize(
    ("text", "semantics", "result", "why"),
    [
        ("MODALITY=MR", "documented", False, "MODALITY is CT"),
        ("IMAGE_TYPE=DERIVED", "documented", False, "IMAGE_TYPE is ORIGINAL, PRIMARY"),
        ("EXAM_TIME={MON 08:00 to 09:00}", "documented", None, "EXAM_TIME is noon, which is no date"),
        ("NOW>SAT", "documented", None, "NOW is SAT 3261121.083000, which cannot be compared with > SAT"),
        ("SOURCE=X", "vista", None, "SOURCE is undefined, which passes"),
        ("BODY_PART_EXAMINED=X", "vista", None, "VistA's evaluator never finds BODY_PART_EXAMINED, which passes"),
        ("MODALITY<CR", "vista", True, "MODALITY is CT; VistA does not compare with <, which passes"),
        ("MODALITY!=CT", "vista", False, "MODALITY is CT"),
        ("NOW!={SAT 08:00 to 09:00}", "vista", True, "NOW is SAT 3261121.083; VistA does not compare with !=, which passes"),
    ],
)
def test_each_verdict_has_a_reason(text: str, semantics: str, result: bool | None, why: str) -> None:
    found = condition(text, semantics)
    assert (found.result, found.why) == (result, why)


def test_several_values_and_unknown_types_are_told_under_vista() -> None:
    elements = ["1^ACTION^SEND", "1^CONDITION^1^KW^PACKAGE", "1^CONDITION^1^OP^=", "1^CONDITION^1^VA^RAD"]
    stem = "1^CONDITION^2"
    elements += [f"{stem}^KW^MODALITY", f"{stem}^OP^=", f"{stem}^DT^UI", f"{stem}^VA^MR"]
    rules = compiled_elements(*elements)
    rule = explain(rules, facts(PACKAGE=("RAD", "MED"), MODALITY="CT"), SATURDAY, lambda _day: False)[0]
    assert rule.matched
    assert [it.why for it in rule.conditions] == [
        "PACKAGE is RAD, MED: several values, which pass",
        "MODALITY is CT; VistA does not compare the type UI, which passes",
    ]


def test_a_condition_says_where_it_stands_in_the_rule() -> None:
    rule = explained("send(A) when MODALITY=CT (not (PACKAGE=RAD and SOURCE=X) or MODALITY=MR)")
    assert [(it.keyword, it.within) for it in rule.conditions] == [
        ("MODALITY", ""),
        ("PACKAGE", "any 1 > not > all 1"),
        ("SOURCE", "any 1 > not > all 2"),
        ("MODALITY", "any 2"),
    ]


def test_a_rule_out_of_its_days_says_so() -> None:
    rule = explained("send(A) when MODALITY=CT valid 2027-01-01 to 2027-02-01")
    assert (rule.matched, rule.why) == (False, "valid from 3270101 until 3270201, and it is 3261121")
    assert rule.conditions[0].result is True


def test_an_image_without_a_study_says_so_under_vista() -> None:
    rule = explained("send(A) when MODALITY=CT", "vista", facts(study="", MODALITY="CT"))
    assert (rule.matched, rule.why) == (False, "the image has no study UID")


def test_a_disabled_rule_takes_no_part() -> None:
    assert explain(compiled("send(A) when MODALITY=CT enabled NO"), IMAGE, SATURDAY, lambda _day: False) == ()


@pytest.mark.parametrize("semantics", SEMANTICS)
def test_the_same_facts_are_explained_the_same_and_as_they_were_judged(semantics: str) -> None:
    rules = compiled("send(A) when MODALITY=CT  send(B) when MODALITY=MR  balance(A=50%, B=50%) when MODALITY=CT", semantics)
    fired = judge(rules, IMAGE).fired
    first, second = (explain(rules, IMAGE, SATURDAY, lambda _day: False) for _ in range(2))
    assert first == second
    assert tuple(it.number for it in first if it.matched) == fired


def test_an_explanation_is_of_the_image_and_not_of_what_its_study_decided() -> None:
    rules = compiled("send(A) when MODALITY=MR")
    assert judge(rules, IMAGE, remembered=StudyMemory(frozenset({1}))).fired == (1,)
    assert not explain(rules, IMAGE, SATURDAY, lambda _day: False)[0].matched
