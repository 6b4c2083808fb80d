"""What elements carry is said in flat rules that fire when the rule does; what they cannot carry is refused with the reason."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.language import (
    NotForVista,
    NotInElements,
    for_elements,
    for_vista,
    is_flat,
    parse_rule_file,
    parse_rules,
    resolve,
    to_elements,
)
from rules.language.ast import AllOf, AnyOf, Condition, Expression, Not, Rule, Share, as_conditions
from tests.unit.rules.language.strategies import expressions

#: Conditions over few properties and values, so that alternatives meet.
SMALL = st.builds(
    Condition,
    st.sampled_from(["MODALITY", "SOURCE", "CLINIC"]),
    st.sampled_from(["=", "!="]),
    st.just("LO"),
    st.sampled_from("AB"),
)
FACTS = st.fixed_dictionaries({name: st.sampled_from(["A", "B", "C"]) for name in ("MODALITY", "SOURCE", "CLINIC")})
#: A property may be undefined, or have several values.
UNSURE = st.fixed_dictionaries({name: st.lists(st.sampled_from("ABC"), max_size=2) for name in ("MODALITY", "SOURCE", "CLINIC")})


def _holds(expression: Expression, facts: dict[str, list[str]]) -> bool | None:
    """Judge in three-valued logic: None is undefined."""
    match expression:
        case Condition(keyword, operator, value=value):
            return None if not facts[keyword] else (value in facts[keyword]) is (operator == "=")
        case Not(part):
            verdict = _holds(part, facts)
            return None if verdict is None else not verdict
        case AllOf(parts):
            verdicts = {_holds(part, facts) for part in parts}
            return False if False in verdicts else None if None in verdicts else True
        case AnyOf(parts):
            verdicts = {_holds(part, facts) for part in parts}
            return True if True in verdicts else None if None in verdicts else False


def _fires(rules: Iterable[Rule], facts: dict[str, list[str]]) -> bool:
    return any(all(_holds(part, facts) for part in rule.conditions) for rule in rules)


def _rule(expression: Expression) -> Rule:
    return Rule(1, "SEND", (Share("X"),), as_conditions(expression))


@given(expressions(SMALL), st.lists(FACTS, min_size=1, max_size=4))
def test_flat_rules_fire_exactly_when_the_rule_does(expression: Expression, images: list[dict[str, str]]) -> None:
    rule = _rule(expression)
    flat = for_vista([rule])
    assert all(is_flat(it) for it in flat)
    assert [it.number for it in flat] == list(range(1, len(flat) + 1))
    for image in images:
        facts = {name: [value] for name, value in image.items()}
        assert _fires(flat, facts) is _fires([rule], facts)


@given(expressions(SMALL), UNSURE)
def test_flat_rules_fire_exactly_when_the_rule_does_where_little_is_known(
    expression: Expression, facts: dict[str, list[str]]
) -> None:
    rule = _rule(expression)
    assert _fires(for_elements([rule]), facts) is _fires([rule], facts)


def _said(text: str) -> list[str]:
    return to_elements(for_vista(parse_rules(text)))


def test_alternatives_become_rules_numbered_anew() -> None:
    text = "send(A) when MODALITY in (CT, MR) SOURCE=X priority HIGH send(B) when MODALITY=US enabled NO send(C) when MODALITY=CR"
    other = (
        "send(A) when MODALITY=CT SOURCE=X priority HIGH send(A) when MODALITY=MR SOURCE=X priority HIGH send(C) when MODALITY=CR"
    )
    assert _said(text) == _said(other)


def test_not_is_said_with_the_opposite_operators() -> None:
    assert _said("send(A) when not (MODALITY=CT and SOURCE!=X)") == _said("send(A) when MODALITY!=CT send(A) when SOURCE=X")


@pytest.mark.parametrize(
    ("valid", "begin", "end"),
    [
        ("valid 2026-01-01 to 2026-06-30", "3260101", "3260630"),
        ("valid from 2026-01-01", "3260101", "9991231"),
        ("valid until 2026-06-30", "0000101", "3260630"),
    ],
)
def test_validity_becomes_a_frame_of_now(valid: str, begin: str, end: str) -> None:
    assert _said(f"send(A) when MODALITY=CT {valid}")[6:] == [
        "1^CONDITION^2^KW^NOW",
        "1^CONDITION^2^OP^=",
        "1^CONDITION^2^DT^DT",
        "1^CONDITION^2^VA^M^1^    YYYMMDD",
        f"1^CONDITION^2^VA^B^1^    {begin}",
        f"1^CONDITION^2^VA^E^1^    {end}",
    ]


@pytest.mark.parametrize(
    ("conditions", "reason"),
    [
        ("SHORT_DESCRIPTION<B", "VistA compares texts with = and != only"),
        ("BodyPartExamined=HEAD", "VistA's evaluator looks up no DICOM elements: BODY_PART_EXAMINED"),
        ("(0008,0060)=CT", "no DICOM elements: (0008,0060)"),
        ("CALLING_AE_TITLE=CT1", "no DICOM elements: CALLING_AE_TITLE"),
        ("MODALTY=CT", "no DICOM elements: MODALTY"),
        ("NOW!={MON 08:00 to 09:00}", "VistA compares dates with = only"),
        ("not NOW={MON 08:00 to 09:00}", "VistA compares dates with = only"),
        ("NOW=MON", "VistA compares dates with frames only"),
        ("EXAM_TIME={2026-01-01 to 2026-02-01}", "VistA compares other places of EXAM_TIME"),
        ("SOURCE={MON 08:00 to 09:00}", "SOURCE is no date"),
    ],
)
def test_what_vista_would_not_heed_is_refused_with_the_reason(conditions: str, reason: str) -> None:
    rules = parse_rules(f'rule "it" send(A) when MODALITY=CT\n  {conditions}')
    with pytest.raises(NotForVista) as raised:
        for_vista(rules)
    (found,) = raised.value.reasons
    assert reason in found.text
    assert (found.rule, found.name, found.place and found.place.line) == (1, "it", 2)
    assert str(raised.value).startswith('rule 1 "it" (line 2, column ')
    assert to_elements(for_elements(rules))  # our evaluator heeds it


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("balance(A=50%, B=50%) when MODALITY in (CT, MR)", "each with a deck of its own"),
        ("send(A) when not SLICE_THICKNESS<3", "where a field has several values"),
        ("send(A) when " + "MODALITY in (A, B, C) " * 4, "it would become 81 rules; 64 is the most"),
        ("send(A) when " + "MODALITY in (A, B, C, D, E) " * 5000, "more than a million"),
    ],
)
def test_what_elements_cannot_carry_is_refused_with_the_reason(text: str, reason: str) -> None:
    for say in (for_elements, for_vista):
        with pytest.raises(NotInElements, match=reason):
            say(parse_rules(text))


def test_every_reason_is_told_in_the_order_of_the_rules() -> None:
    text = "send(A) when SOURCE<X\nbalance(A=1%) when SOURCE=1 or NOW=MON\nsend(A) when X=1\nsend(B) when Y=1 enabled NO"
    with pytest.raises(NotForVista) as raised:
        for_vista(parse_rules(text))
    assert [(reason.rule, reason.place and reason.place.line) for reason in raised.value.reasons] == [
        (1, 1),
        (2, 2),
        (2, 2),
        (3, 3),
    ]


@pytest.mark.parametrize("how", ["X=1 or Y=1", "X=1 valid from 2026-01-01", "X=1 enabled NO"])
def test_only_flat_rules_are_written_as_elements(how: str) -> None:
    with pytest.raises(NotInElements):
        to_elements(parse_rules(f"send(A) when {how}"))


# ---- names ------------------------------------------------------------------------------------------------------------------


def test_names_are_replaced_by_what_they_stand_for_in_any_case() -> None:
    text = 'destination Night = "UNI TELERAD" balance(NIGHT=50%/7, "night"=25%, DAY=25%) when X=1'
    (rule,) = parse_rules(text)
    assert rule.parameters == (Share("UNI TELERAD", "50", "7"), Share("UNI TELERAD", "25"), Share("DAY", "25"))
    assert parse_rule_file(text).rules[0].parameters[0].destination == "NIGHT"


def test_holidays_of_the_file_are_days_besides_those_of_the_site() -> None:
    named = parse_rules(
        'holiday "F" = 2026-03-02, 3270301 send(A) when X=1 and not (Y=1 or NOW={MON 08:00 to 09:00; HOL 08:00 to 17:30})'
    )
    plain = parse_rules(
        "send(A) when X=1 and not (Y=1 or NOW={MON 08:00 to 09:00; HOL 08:00 to 17:30;"
        " 2026-03-02T08:00 to 2026-03-02T17:30:59; 2027-03-01T08:00 to 2027-03-01T17:30:59})"
    )
    assert named == plain


def test_a_file_without_names_is_as_it_stands() -> None:
    file = parse_rule_file("send(A) when NOW={HOL 08:00 to 17:30}")
    assert resolve(file) == file.rules
