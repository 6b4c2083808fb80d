"""Elements of a real gateway's kind are read and written; odd ones are taken or logged as VistA does, and none is refused."""

from __future__ import annotations

from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from rules import ImageFacts, MemoryDesk, Moment, compile_rules, from_elements, parse_rules, to_elements

#: Pieces of elements, such as there should be and such as should not.
NUMBERS = st.sampled_from(["1", "2", "3", "10", "1.5", "0", "-1", "01", "1A", ""])
QUALIFIERS = st.sampled_from(["ACTION", "CONDITION", "PRIORITY", "PRIORSTUDY", "NOTHING", ""])
PIECES = st.sampled_from(
    [
        "1",
        "2",
        "3",
        ".5",
        "KW",
        "OP",
        "DT",
        "VA",
        "M",
        "B",
        "E",
        "MODALITY",
        "NOW",
        "=",
        "!=",
        "LO",
        "SEND",
        "DDDyyyymmdd.HHMM",
        "25",
        "",
    ]
)
ELEMENTS = st.builds(
    lambda number, qualifier, pieces: "^".join([number, qualifier, *pieces]), NUMBERS, QUALIFIERS, st.lists(PIECES, max_size=6)
)


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


@given(st.lists(ELEMENTS, max_size=30))
def test_what_was_made_of_odd_elements_is_written_and_read_again(elements: list[str]) -> None:
    rules = from_elements(enumerate_from_one(elements)).rules
    assert from_elements(enumerate_from_one(to_elements(rules))).rules == rules


def enumerate_from_one(elements: list[str]) -> list[tuple[str, str]]:
    return [(str(number), element) for number, element in enumerate(elements, start=1)]


def test_a_foreign_element_is_logged_in_the_words_of_vista() -> None:
    taken = from_elements([("1", "1^ACTION^SEND"), ("2", "1^NOTHING"), ("3", "7"), ("4", ""), ("x", "1^LEFT^OUT^")])
    assert taken.log == ('Rule 1 has a qualifier "NOTHING".', 'Rule 7 has a qualifier "".', 'Rule  has a qualifier "".')
    assert [rule.number for rule in taken.rules] == [1]


@given(st.lists(st.tuples(st.text(max_size=4), st.text(max_size=30))))
def test_no_element_is_refused(pairs: list[tuple[str, str]]) -> None:
    compiled = compile_rules(from_elements(pairs).rules, "vista")
    now = Moment(datetime.fromisoformat("2026-11-21T00:00"))
    nowhere = MemoryDesk()
    evaluation = compiled.evaluate(ImageFacts(1, "1.2"), now, nowhere, None, lambda _day: False)
    assert set(evaluation.fired) <= {rule.number for rule in compiled.rules}


def test_a_rule_whose_number_is_not_whole_is_told_to_be_left_out() -> None:
    """VistA would evaluate these; it would not reach a rule 0, nor one behind a number that is none."""
    numbers = ("1.5", "2", "01", "0", "A")
    read = from_elements([(str(at), f"{number}^ACTION^SEND") for at, number in enumerate(numbers, start=1)])
    assert [rule.number for rule in read.rules] == [2]
    assert read.log == tuple(f"Rule {number} is left out: its number is not whole." for number in ("1.5", "01"))
