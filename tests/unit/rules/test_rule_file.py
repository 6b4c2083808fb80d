"""The rule file is read as people write it, survives the way to elements and back, and its errors show the place."""

from __future__ import annotations

from datetime import datetime
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules import (
    Condition,
    Frame,
    ImageFacts,
    MemoryDesk,
    Moment,
    Rule,
    RuleFileErrors,
    Share,
    compile_rules,
    decompile,
    from_elements,
    parse_rules,
    to_elements,
)
from rules.language.frames import clock_frame, read_time

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
    ],
)
def test_a_rule_is_read(text: str, rule: Rule) -> None:
    assert parse_rules(text) == [rule]


def test_the_elements_are_those_of_the_manual() -> None:
    text = 'send("KANSAS") when MODALITY=CR NOW={MON 08:00 to 17:00} priority HIGH priorstudy YES'
    assert to_elements(parse_rules(text)) == [
        "1^ACTION^SEND",
        "1^ACTION^1^KANSAS",
        "1^CONDITION^1^KW^MODALITY",
        "1^CONDITION^1^OP^=",
        "1^CONDITION^1^DT^LO",
        "1^CONDITION^1^VA^CR",
        "1^CONDITION^2^KW^NOW",
        "1^CONDITION^2^OP^=",
        "1^CONDITION^2^DT^DT",
        "1^CONDITION^2^VA^M^1^DDDyyyymmdd.HHMM",
        "1^CONDITION^2^VA^B^1^MON        .0800",
        "1^CONDITION^2^VA^E^1^MON        .1700",
        "1^PRIORITY^HIGH",
        "1^PRIORSTUDY^YES",
    ]


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


def test_every_error_of_a_file_is_told_with_its_place() -> None:
    text = (
        'send("A") whn MODALITY=CR\n\nsend("B") when MODALITY CR\n'
        "send(C) when NOW={MON 25:00 to 26:00}\nsend(D) when X=1 priority HIHG\n"
    )
    with pytest.raises(RuleFileErrors) as raised:
        parse_rules(text)
    errors = raised.value.errors
    assert [(error.line, error.column) for error in errors] == [(1, 11), (3, 25), (4, 23), (4, 32), (5, 27)]
    assert errors[0].suggestion == "WHEN"
    assert errors[4].suggestion == "HIGH"
    assert errors[2].expected == "a time from 00:00 to 23:59"
    assert str(errors[0]).splitlines()[1:] == ['    send("A") whn MODALITY=CR', "              ^"]


def test_text_before_the_first_rule_is_an_error() -> None:
    with pytest.raises(RuleFileErrors, match="line 1, column 1: expected send"):
        parse_rules('sned("A") when MODALITY=CR')


def test_the_rules_of_the_demo_are_read() -> None:
    text = (resources.files("magbroker_data") / "demo.rule").read_text(encoding="utf-8")
    assert len(parse_rules(text)) == 10


WORDS = st.text(
    st.characters(codec="ascii", exclude_characters='"^\n\r', categories=["L", "N", "P", "Zs"]), min_size=1, max_size=12
)
CLOCKS = st.tuples(st.integers(0, 23), st.integers(0, 59)).map(lambda pair: f"{pair[0]:02d}{pair[1]:02d}")
FRAMES = st.builds(clock_frame, st.sampled_from(["", "MON", "HOL"]), CLOCKS, CLOCKS)
CONDITIONS = st.one_of(
    st.builds(Condition, st.just("MODALITY"), st.sampled_from(["=", "!=", "<", ">=", "<=", ">"]), st.just("LO"), WORDS),
    st.builds(
        Condition, st.just("NOW"), st.just("="), st.just("DT"), st.just(""), st.lists(FRAMES, min_size=1, max_size=3).map(tuple)
    ),
)
ACTIONS = st.one_of(
    st.tuples(st.sampled_from(["SEND", "DICOM"]), WORDS.map(lambda name: (Share(name),))),
    st.tuples(
        st.just("BALANCE"),
        st.lists(st.builds(Share, WORDS, st.just("25"), st.sampled_from(["", "7"])), min_size=1, max_size=3).map(tuple),
    ),
)
RULES = st.lists(
    st.tuples(
        ACTIONS, st.lists(CONDITIONS, min_size=1, max_size=3), st.sampled_from(["", "HIGH", "LOW"]), st.sampled_from(["", "YES"])
    ),
    min_size=1,
    max_size=4,
).map(
    lambda drafts: [
        Rule(number, action[0], action[1], tuple(conditions), priority, prior)
        for number, (action, conditions, priority, prior) in enumerate(drafts, start=1)
    ]
)


@given(RULES)
def test_text_rules_and_elements_lead_to_each_other(rules: list[Rule]) -> None:
    assert parse_rules(decompile(rules)) == rules
    elements = [(str(number), element) for number, element in enumerate(to_elements(rules), start=2)]
    assert list(from_elements(elements).rules) == rules


@given(st.lists(st.tuples(st.text(max_size=4), st.text(max_size=30))))
def test_no_element_is_refused(pairs: list[tuple[str, str]]) -> None:
    compiled = compile_rules(from_elements(pairs).rules, "vista")
    now = Moment(datetime.fromisoformat("2026-11-21T00:00"))
    nowhere = MemoryDesk()
    evaluation = compiled.evaluate(ImageFacts(1, "1.2"), now, nowhere, None, lambda _day: False)
    assert set(evaluation.fired) <= {rule.number for rule in compiled.rules}


@given(st.text(alphabet=' \n"(){};=<>%,.:AaBbSsEeNnDdWwHhIi0123456789#', max_size=80))
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    problems = []
    try:
        parse_rules(text)
    except RuleFileErrors as error:
        problems = [*error.errors]
    assert all(problem.line >= 1 and problem.column >= 1 for problem in problems)


def judge(text: str, semantics: str = "documented", urgency: str = "", **values: str) -> bool:
    facts = ImageFacts(1, "1.2", {name: (value,) for name, value in values.items()}, urgency)
    compiled = compile_rules(parse_rules(f"send(A) when {text}"), semantics)
    now = Moment(datetime.fromisoformat("2026-11-21T08:30"))
    anywhere = MemoryDesk({"A": 14})
    return compiled.evaluate(facts, now, anywhere, None, lambda day: day == "3261121").fired == (1,)


@pytest.mark.parametrize(
    ("text", "documented", "vista"),
    [
        ("MODALITY=CT", True, True),
        ('MODALITY="CT*"', True, False),  # a trailing star of VistA wants a character
        ('MODALITY="*"', True, True),
        ("MODALITY!=MR", True, True),
        ("SLICE_THICKNESS<3", True, True),
        ("SLICE_THICKNESS>3", False, True),  # VistA knows neither DICOM elements nor > and <
        ("BODY_PART=HEAD", False, True),  # undefined: never fires, and always passes in VistA
        ("BODY_PART!=HEAD", False, True),
        ("NOW={SAT 08:00 to 09:00}", True, False),  # VistA drops the zero of 08:30 and compares 083
        ("NOW={SAT 09:00 to 10:00}", False, False),
        ("NOW={SAT 00:00 to 09:00}", True, True),
        ("NOW={HOL 00:00 to 23:59}", True, True),
        ("NOW!={SAT 08:00 to 09:00}", False, True),  # VistA compares dates with = only
        ("URGENCY=STAT", True, True),
        ("EXAM_TIME={3240101 to 3241231}", True, False),  # VistA compares the wrong places
    ],
)
def test_the_two_semantics_differ_where_they_should(text: str, documented: bool, vista: bool) -> None:
    values = {"MODALITY": "CT", "SLICE_THICKNESS": "2.5", "EXAM_TIME": "3240610.093"}
    assert judge(text, "documented", "STAT", **values) is documented
    assert judge(text, "vista", "STAT", **values) is vista
