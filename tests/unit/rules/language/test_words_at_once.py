"""Comparisons that are read as one word mean what they mean word by word, and their faults stand where they are."""

from __future__ import annotations

import re

import pytest

from rules import RuleFileErrors, parse_rule_file

CONDITIONS = [
    "MODALITY=CT",
    'SOURCE != "WICHITA KS"',
    'PATIENT="*CRAY*"',
    "URGENCY=STAT",
    "SliceThickness >= 5",
    '(0040,0275)>(0040,0007)="*STROKE*"',
    'StudyDescription>"(0008,1030)"',
    'TRACKING_ID="a=b>=c"',
    'priority="X"',
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
