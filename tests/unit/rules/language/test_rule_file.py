"""The rule file is read as people write it, survives the way to elements and back, and its errors show the place."""

from __future__ import annotations

from importlib import resources

import pytest

from rules.language import parse_rule_file, parse_rules
from rules.language.ast import AllOf, AnyOf, Condition, Frame, Not, Place, Rule, RuleFile, Share, Validity, all_of, leaves
from rules.language.errors import RuleFileErrors
from rules.language.frames import read_time

X1, X2, Y1 = (Condition(name[0], "=", "LO", name[1]) for name in ("X1", "X2", "Y1"))
WORDS = "send dicom balance rule destination holiday when if and or not in to valid enabled priority priorstudy"
NIGHT = Frame("DDDyyyymmdd.HHMM", "MON        .0800", "MON        .1700")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ('send("KANSAS") when MODALITY="CT"', Rule(1, "SEND", (Share("KANSAS"),), (Condition("MODALITY", "=", "LO", "CT"),))),
        ("DICOM( KANSAS )\nIf modality = ct", Rule(1, "DICOM", (Share("KANSAS"),), (Condition("MODALITY", "=", "LO", "ct"),))),
        (
            "send(\u201cA B\u201d) when SOURCE!=\u201cX\u201d Priority High priorstudy yes",
            Rule(1, "SEND", (Share("A B"),), (Condition("SOURCE", "!=", "SH", "X"),), "HIGH", "YES"),
        ),
        (
            'balance("A"=25%, "B"=35%/40, <LOCAL>=40%) when MODALITY=CR',
            Rule(
                1,
                "BALANCE",
                (Share("A", "25"), Share("B", "35", "40"), Share("<LOCAL>", "40")),
                (Condition("MODALITY", "=", "LO", "CR"),),
            ),
        ),
        (
            "send(A) when NOW={MON 08:00AM to 17:00PM}",
            Rule(1, "SEND", (Share("A"),), (Condition("NOW", "=", "DT", "", (NIGHT,)),)),
        ),
        (
            "# a comment\nsend(A)\n# another\nwhen SLICE_THICKNESS<=2.5\n",
            Rule(1, "SEND", (Share("A"),), (Condition("SLICE_THICKNESS", "<=", "LO", "2.5"),)),
        ),
        (
            "send(A) # it\n  when X=CT # a comment behind a blank\n #1=3\n",
            Rule(1, "SEND", (Share("A"),), (Condition("X", "=", "LO", "CT"),)),
        ),
        ("send(#1) when X= #1", Rule(1, "SEND", (Share("#1"),), (Condition("X", "=", "LO", "#1"),))),
        ("send(A) when X=DOE,JANE", Rule(1, "SEND", (Share("A"),), (Condition("X", "=", "LO", "DOE,JANE"),))),
        ("\ufeffSEND\r\n(A)\r\nIF X=1\r\n", Rule(1, "SEND", (Share("A"),), (X1,))),
        ("send(A) when X in (1, “2”)", Rule(1, "SEND", (Share("A"),), (AnyOf((X1, X2)),))),
        ("send(A) when X not in (1, 2)", Rule(1, "SEND", (Share("A"),), (Not(AnyOf((X1, X2))),))),
        ("send(A) when X=1 AND X=2 Y=1", Rule(1, "SEND", (Share("A"),), (X1, X2, Y1))),
        ("send(A) when X=1 X=2 or Y=1", Rule(1, "SEND", (Share("A"),), (AnyOf((AllOf((X1, X2)), Y1)),))),
        ("send(A) when X=1 (X=2 or Y=1)", Rule(1, "SEND", (Share("A"),), (X1, AnyOf((X2, Y1))))),
        ("send(A) when not X=1 X=2", Rule(1, "SEND", (Share("A"),), (Not(X1), X2))),
        ("send(A) when not (X=1 X=2)", Rule(1, "SEND", (Share("A"),), (Not(AllOf((X1, X2))),))),
        (
            'rule "r" send(A) when X=1 enabled no valid 2026-01-01 to 3260630 priorstudy no priority medium',
            Rule(1, "SEND", (Share("A"),), (X1,), "MEDIUM", "NO", "r", Validity("3260101", "3260630"), enabled=False),
        ),
        ("send(A) when X=1 valid from 2026-01-01", Rule(1, "SEND", (Share("A"),), (X1,), valid=Validity("3260101"))),
        ("send(A) when X=1 valid until 3260101", Rule(1, "SEND", (Share("A"),), (X1,), valid=Validity("", "3260101"))),
    ],
)
def test_a_rule_is_read(text: str, rule: Rule) -> None:
    assert parse_rules(text) == [rule]


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("08:00", "0800"),
        ("8:05", "0805"),
        ("12:00AM", "0000"),
        ("12:30pm", "1230"),
        ("08:00 PM", "2000"),
        ("17:00PM", "1700"),
        ("23:59:59", "235959"),
    ],
)
def test_times_are_read_with_and_without_halves(text: str, digits: str) -> None:
    assert read_time(text) == digits


@pytest.mark.parametrize("text", ["24:00", "8:60", "8", "noon"])
def test_impossible_times_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=text):
        read_time(text)


def test_the_rules_of_the_demo_are_read() -> None:
    text = (resources.files("magbroker_data") / "demo.rule").read_text(encoding="utf-8")
    assert len(parse_rules(text)) == 10


@pytest.mark.parametrize("word", WORDS.split())
@pytest.mark.parametrize("before", ["", "X=1 ", "not ", "X=1 or "])
def test_a_word_of_the_language_before_an_operator_is_a_property(word: str, before: str) -> None:
    (rule,) = parse_rules(f'send(A) when {before}{word}="CT" priority LOW')
    assert list(leaves(all_of(rule.conditions)))[-1] == Condition(word.upper(), "=", "LO", "CT")
    assert parse_rules(f"send(A) when {before}X={word} priority LOW")[0].priority == "LOW"


def test_a_list_of_frames_that_ends_with_its_rule_needs_no_brace() -> None:
    begun = "send(A) when NOW={MON 08:00AM to 17:00PM"
    whole = parse_rules(f"{begun}}}")[0]
    for text in (begun, f"{begun};", f"{begun}\nsend(B) when X=1", f'{begun};\n\nrule "r" send(B) when X=1'):
        assert parse_rules(text)[0] == whole
    assert len(parse_rules(f"{begun} send(B) when NOW={{HOL 1:00 to 2:00; destination X=Y")) == 2


def test_places_are_those_of_the_text() -> None:
    file = parse_rule_file('# c\ndestination N=B\nrule "r"\n send(N) when\r\n\tX=1 NOW={MON 1:00 to 2:00;\n HOL 1:00 to 2:00}')
    (rule,) = file.rules
    first, second = rule.conditions
    assert (rule.place, file.destinations[0].place, rule.parameters[0].place) == (Place(3, 6), Place(2, 13), Place(4, 7))
    assert isinstance(first, Condition)
    assert isinstance(second, Condition)
    assert (first.place, second.place) == (Place(5, 2), Place(5, 6))
    assert [frame.place for frame in second.frames] == [Place(5, 11), Place(6, 2)]


def test_what_is_nested_alike_is_one_expression() -> None:
    assert parse_rules("send(A) when ((X=1) (X=2 Y=1))") == parse_rules("send(A) when X=1 X=2 Y=1")
    assert parse_rules("send(A) when ((X=1 or X=2) or Y=1)") == parse_rules("send(A) when X in (1, 2) or Y=1")
    assert parse_rules("send(A) when not not (not X=1)") == parse_rules("send(A) when not X=1")


def test_an_empty_file_has_no_rules() -> None:
    assert parse_rule_file("") == parse_rule_file("# nothing\n\n") == RuleFile(())


@pytest.mark.parametrize("following", ['send("B") when A=1', 'send( # to\n "B") when A=1', "destination N = X", ""])
def test_a_list_of_frames_in_an_open_bracket_lacks_its_brace(following: str) -> None:
    with pytest.raises(RuleFileErrors) as refused:
        parse_rule_file(f"send(A) when (A=1 NOW={{MON 08:00 to 17:00;\n{following}\n")
    assert [(error.line, error.column, "}" in error.expected) for error in refused.value.errors] == [(1, 43, True)]
