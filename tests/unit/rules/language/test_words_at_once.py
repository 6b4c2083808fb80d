"""What is read as one word means what it means word by word, and its faults stand where they are."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules import RuleFileErrors, parse_rule_file
from rules.language.ast import leaves

PROPERTY = 'priority="X"'  # with a comment behind it, the word of the language
CONDITIONS = [
    "MODALITY=CT",
    'SOURCE != "WICHITA KS"',
    'PATIENT="*CRAY*"',
    "URGENCY=STAT",
    "SliceThickness >= 5",
    '(0040,0275)>(0040,0007)="*STROKE*"',
    'StudyDescription>"(0008,1030)"',
    'TRACKING_ID="a=b>=c"',
    PROPERTY,
    "NOW={MON 08:00AM to 17:00PM}",
    "NOW != {MON 08:00 to 17:00; HOL 00:00 to 23:59;}",
    "EXAM_TIME={08:00:30 to 09:15}",
]
_OPERATOR = re.compile(r'^(\([^"]*\)|\w+)\s*(!=|>=|=|>)')


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_comment_before_the_operator_changes_nothing(condition: str) -> None:
    word_by_word = _OPERATOR.sub(r"\1 # a comment\n \2", condition)
    assert word_by_word != condition
    text = "send(A) when not {} and CLASS=1 priority HIGH"
    assert parse_rule_file(text.format(condition)) == parse_rule_file(text.format(word_by_word))


@given(
    st.lists(st.sampled_from(CONDITIONS), min_size=1, max_size=6),
    st.lists(st.sampled_from([" ", " and ", "\n  ", " or ", " and not ", " AND\n"]), min_size=6, max_size=6),
    st.booleans(),
)
def test_conditions_in_a_row_are_what_they_are_one_by_one(conditions: list[str], between: list[str], negate: bool) -> None:
    text = "not " * negate + conditions[0] + "".join(word + part for word, part in zip(between, conditions[1:], strict=False))
    rule = parse_rule_file(f"send(A) when {text}").rules[0]
    for condition in {*conditions} - {PROPERTY}:
        text = text.replace(condition, _OPERATOR.sub(r"\1 # a comment\n \2", condition))
    assert parse_rule_file(f"send(A) when {text}").rules[0] == rule


def test_conditions_in_a_row_know_their_places() -> None:
    (rule,) = parse_rule_file('send( "B" ) when A=1 and B="2"\n  (0040,0275)=3 and\n C=4').rules
    places = [(leaf.place.line, leaf.place.column) for part in rule.conditions for leaf in leaves(part) if leaf.place]
    assert places == [(1, 18), (1, 26), (2, 3), (3, 2)]
    assert [(share.place.line, share.place.column) for share in rule.parameters if share.place] == [(1, 7)]


@pytest.mark.parametrize(
    ("text", "word_by_word"),
    [
        ('send("KANSAS CITY") when A=1', 'send( # to\n "KANSAS CITY") when A=1'),
        ("dicom(PACS_1)when A=1", "dicom(PACS_1 # to\n ) when A=1"),
        ("send(A) when A=1 priority low", "send(A) when A=1 priority # how\n low"),
        ("send(A) when A=1 priorstudy Yes", "send(A) when A=1 priorstudy # how\n Yes"),
    ],
)
def test_a_comment_inside_changes_nothing(text: str, word_by_word: str) -> None:
    assert parse_rule_file(text) == parse_rule_file(word_by_word)


@pytest.mark.parametrize("blank", ["\u00a0", "\u2003", "\u3000", "\x1f", "\t"])
def test_blanks_of_a_word_processor_are_blanks(blank: str) -> None:
    text = 'send("B C") when MODALITY = CT SOURCE=X and NOW={MON 08:00 to 17:00; TUE 08:00 to 17:00} priority HIGH'
    assert parse_rule_file(text.replace(" ", blank).replace(f"B{blank}C", "B C")) == parse_rule_file(text)


def test_a_value_in_quotes_keeps_its_blanks() -> None:
    (rule,) = parse_rule_file('send("B\u00a0C") when SOURCE="X\u00a0Y"\u00a0priority LOW').rules
    assert (rule.location, rule.conditions[0], rule.priority) == (
        "B\u00a0C",
        parse_rule_file('send(A) when SOURCE="X\u00a0Y"').rules[0].conditions[0],
        "LOW",
    )


@pytest.mark.parametrize("text", ["MON ٠٨:00 to 17:00", "٣٢٦٠١٠١ to 3260102"])
def test_digits_that_are_no_ascii_are_no_time(text: str) -> None:
    with pytest.raises(RuleFileErrors):
        parse_rule_file(f"send(A) when NOW={{{text}}}")


@pytest.mark.parametrize("frames", [200, 2000])
@pytest.mark.parametrize("end", ["; MON 08:00 til 09:00}", "; MON 08:00 to 09:00 x}", "; TUE}", "=}", "^}"])
def test_a_typo_behind_many_frames_is_told_at_once(frames: int, end: str) -> None:
    """Of a word that is ambiguous every reading would be tried: 2 ** frames."""
    with pytest.raises(RuleFileErrors) as refused:
        parse_rule_file("send(A) when NOW={" + "; ".join(["MON 08:00  to  17:59"] * frames) + end)
    assert len(refused.value.errors) == 1


@pytest.mark.parametrize("frames", [200, 2000])
def test_many_frames_that_end_with_their_rule_need_no_brace(frames: int) -> None:
    text = "send(A) when NOW={" + "; ".join(["MON 08:00 to 17:59"] * frames)
    assert parse_rule_file(text) == parse_rule_file(text + "}")


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ('send("A^B") when A=1', 1, 6),
        ("send(A B) when A=1", 1, 8),
        ("send(A) when A=1 priority HIGH priority LOW", 1, 32),
        ("send(A) when A=1 priorstudy YES\npriorstudy NO", 2, 1),
        ("send(A) when A=1 priority FAST", 1, 27),
        ("send(A) when A=1 send(B) priority HIGH", 1, 26),
        ("send(A) send(B) when A=1", 1, 8),
    ],
)
def test_a_fault_of_an_action_or_modifier_is_shown_at_its_place(text: str, line: int, column: int) -> None:
    with pytest.raises(RuleFileErrors) as refused:
        parse_rule_file(text)
    assert [(error.line, error.column) for error in refused.value.errors][:1] == [(line, column)]


@pytest.mark.parametrize(
    ("conditions", "line", "column"),
    [
        ("MODALITY=CT^MR", 1, 23),
        ('MODALITY="CT^MR"', 1, 23),
        ("NOW={MON 08:00 to 25:00}", 1, 32),
        ("NOW={MON 08:00 to 17:00;\n  TUE 08:00 to 17:60}", 2, 16),
        ("A=1 NOW={MON 08:00 to 17:00; HOL 24:30 to 23:59}", 1, 47),
        ('MODALITY="CT', 1, 23),
        ("MODALITY==CT", 1, 23),
        ("A=1 B=2 C==3", 1, 24),
        ("A=1 B=2\n C=3^4", 2, 4),
    ],
)
def test_a_fault_is_shown_at_its_place(conditions: str, line: int, column: int) -> None:
    with pytest.raises(RuleFileErrors) as refused:
        parse_rule_file(f"send(A) when {conditions}\n")
    assert [(error.line, error.column) for error in refused.value.errors] == [(line, column)]


def test_frames_read_at_once_know_their_places() -> None:
    (rule,) = parse_rule_file("send(A) when A=1\n  NOW={MON 08:00 to 17:00;\n TUE 08:00 to 17:00; WED 08:00 to 17:00}").rules
    places = [(frame.place.line, frame.place.column) for frame in rule.conditions[1].frames if frame.place]
    assert places == [(2, 8), (3, 2), (3, 22)]
