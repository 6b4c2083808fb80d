"""Rules are written in one form, and what is written is read as what it was."""

from __future__ import annotations

from importlib import resources

import pytest
from hypothesis import event, given

from rules.language import (
    NotInElements,
    NotInWords,
    decompile,
    for_elements,
    format_rule_file,
    from_elements,
    parse_rule_file,
    parse_rules,
    resolve,
    to_elements,
)
from rules.language.ast import Condition, Frame, Rule, RuleFile, Share
from tests.unit.rules.language.strategies import FILES

EXAMPLES = sorted(resources.files("rules").joinpath("examples").iterdir(), key=str)


def _pairs(elements: list[str]) -> list[tuple[str, str]]:
    return [(str(number), element) for number, element in enumerate(elements, start=1)]


@given(FILES)
def test_what_is_written_is_read_as_what_it_was(file: RuleFile) -> None:
    text = decompile(file)
    assert parse_rule_file(text) == file
    assert format_rule_file(text) == text


@given(FILES)
def test_text_rules_and_elements_lead_to_each_other(file: RuleFile) -> None:
    try:
        rules = for_elements(parse_rules(decompile(file)))
    except NotInElements as error:
        event("refused")
        rules = for_elements(rule for rule in resolve(file) if rule.number not in {reason.rule for reason in error.reasons})
    elements = to_elements(rules)
    assert from_elements(_pairs(elements)).rules == rules
    assert tuple(parse_rules(decompile(rules))) == rules
    assert to_elements(parse_rules(decompile(from_elements(_pairs(elements)).rules))) == elements


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_every_example_is_read_laid_out_and_read_again(example: resources.abc.Traversable) -> None:
    text = example.read_text(encoding="utf-8")
    file = parse_rule_file(text)
    laid_out = format_rule_file(text)
    assert file.rules
    assert parse_rule_file(laid_out) == file
    assert format_rule_file(laid_out) == laid_out
    rules = for_elements(resolve(file))
    assert from_elements(_pairs(to_elements(rules))).rules == rules


@pytest.mark.parametrize(
    ("text", "laid_out"),
    [
        ('SEND("A")WHEN modality = "CT"', 'send("A") when MODALITY=CT'),
        (
            'send(A) when PATIENT="*X*" SOURCE="a b" SLICE_THICKNESS<2.5',
            'send("A") when PATIENT="*X*" SOURCE="a b" SLICE_THICKNESS<2.5',
        ),
        ("send(A) when X=1 and Y=2", 'send("A") when X=1 Y=2'),  # as VistA's files have it
        ("send(A) when X=1 Y in (2, 3)", 'send("A") when X=1 and Y in (2, 3)'),
        ("send(A) when (X=1) or ((Y=2) or Y=3)", 'send("A") when X=1 or Y in (2, 3)'),
        ("send(A) when (X=1 or Y=2) not not Z=3", 'send("A") when (X=1 or Y=2) and Z=3'),
        ("send(A) when X=1 Y=2 or Z=3", 'send("A") when (X=1 and Y=2) or Z=3'),
        ("send(A) when not (X=1 or X=2)", 'send("A") when X not in (1, 2)'),
        ("send(A) when X not in (1)", 'send("A") when X!=1'),
        ("send(A) when not (X=1 Y=2)", 'send("A") when not (X=1 and Y=2)'),
        ('send(A) when AND="x" or AND="y"', 'send("A") when AND="x" or AND="y"'),
        (
            "send(A) when NOW={3260101 to 3260630.12; MON 8:00AM to 05:00PM}",
            'send("A") when NOW={2026-01-01T00:00 to 2026-06-30T12:00; MON 08:00 to 17:00}',
        ),
        ("rule “r” send(A) when X=1 enabled no priority low", 'rule "r"\nsend("A") when X=1 priority LOW enabled NO'),
        ("send(A) when X=1 enabled yes", 'send("A") when X=1'),
        ("send(A) when X=1 valid until 3260101", 'send("A") when X=1 valid until 2026-01-01'),
        ('destination "N 1"=B destination N2=B', 'destination "N 1" = "B"\ndestination N2 = "B"'),
    ],
)
def test_a_rule_has_one_form(text: str, laid_out: str) -> None:
    assert format_rule_file(text) == laid_out + "\n"


def test_a_long_rule_is_broken_before_conditions_and_between_frames() -> None:
    frames = "; ".join(f"{day} 08:00 to 17:00" for day in ("MON", "TUE", "WED", "THU", "FRI", "SAT"))
    laid_out = format_rule_file(f'send("SOMEWHERE") when MODALITY="CT" NOW={{{frames}}} priority HIGH')
    assert laid_out == (
        'send("SOMEWHERE") when\n'
        "    MODALITY=CT\n"
        "    NOW={MON 08:00 to 17:00; TUE 08:00 to 17:00; WED 08:00 to 17:00; THU 08:00 to 17:00;\n"
        "        FRI 08:00 to 17:00; SAT 08:00 to 17:00}\n"
        "    priority HIGH\n"
    )


@pytest.mark.parametrize(
    "rule",
    [
        Rule(1, "SEND", (Share("A"),)),  # no condition
        Rule(1, "SEND", (Share("A"), Share("B")), (Condition("X", "=", "LO", "1"),)),
        Rule(1, "SEND", (Share("A", slot="2"),), (Condition("X", "=", "LO", "1"),)),
        Rule(1, "SEND", (Share('A"B'),), (Condition("X", "=", "LO", "1"),)),
        Rule(1, "BALANCE", (Share("A", "1E2"),), (Condition("X", "=", "LO", "1"),)),
        Rule(1, "BALANCE", (Share("A"),), (Condition("X", "=", "LO", "1"),)),
        Rule(1, "SEND", (Share("A"),), (Condition("X", "", "LO", "1"),)),
        Rule(1, "SEND", (Share("A"),), (Condition("x", "=", "LO", "1"),)),
        Rule(1, "SEND", (Share("A"),), (Condition("PATIENTID", "=", "LO", "1"),)),  # is PATIENT_ID when it is read
        Rule(1, "SEND", (Share("A"),), (Condition("X", "=", "DS", "1"),)),
        Rule(1, "SEND", (Share("A"),), (Condition("NOW", "=", "DT", "", (Frame("YYYMMDD", "3260101", "3260102"),)),)),
        Rule(1, "SEND", (Share("A"),), (Condition("NOW", "=", "DT", "", (Frame("DDDyyyymmdd.HHMM", "MON", "TUE"),)),)),
        Rule(1, "SEND", (Share("A"),), (Condition("X", "=", "LO", "1"),), "URGENT"),
    ],
)
def test_what_only_elements_can_carry_is_not_written(rule: Rule) -> None:
    with pytest.raises(NotInWords):
        decompile([rule])
