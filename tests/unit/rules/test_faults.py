"""What a hostile or careless rule, element or value must not do; and what VistA does at the edges of the element form."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules import (
    Condition,
    Evaluation,
    ImageFacts,
    MemoryDesk,
    Moment,
    NotInWords,
    Rule,
    RuleError,
    RuleFileErrors,
    Share,
    StudyMemory,
    compile_rules,
    decompile,
    from_elements,
    parse_rules,
    to_elements,
)
from rules.judging.wildcard import documented_match, vista_match

FIRED = {True: (1,), False: ()}
DESTINATIONS = MemoryDesk({"A": 14, "B": 15}, {"P": 1})
SATURDAY = Moment(datetime.fromisoformat("2026-11-21T08:30"))


def evaluate(elements: list[str], semantics: str = "vista", study: str = "1.2", **values: str) -> Evaluation:
    parsed = from_elements([(str(number), text) for number, text in enumerate(elements, start=1)])
    facts = ImageFacts(2, study, {keyword: (value,) for keyword, value in values.items()})
    return compile_rules(parsed.rules, semantics).evaluate(facts, SATURDAY, DESTINATIONS, None, lambda _day: False)


# ---- wildcards --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("match", [vista_match, lambda value, pattern: documented_match(pattern)(value)])
def test_a_pattern_of_many_stars_costs_no_search_through_every_way_to_match(match: Any) -> None:
    assert not match("a" * 2000, "*a" * 60 + "b")  # would not come back in a lifetime if each star tried each place
    assert match("a" * 2000 + "b", "*a" * 60 + "b")


def test_many_stars_in_pattern_and_value_come_to_an_end_too() -> None:
    assert not vista_match("*a" * 40, "*a" * 20 + "b")
    assert not vista_match("b" * 3000 + "*", "*b" * 1500 + "c")


def test_characters_are_bytes_to_vista() -> None:
    assert not vista_match("\u00c9", "?")
    assert vista_match("\u00c9", "??")
    assert documented_match("?")("\u00c9")


@given(st.text(alphabet="AB*?", max_size=7), st.text(alphabet="AB*?", max_size=5))
def test_vista_and_manual_differ_only_at_a_final_star_or_a_literal_one(value: str, pattern: str) -> None:
    if "*" in value or pattern.endswith("*"):
        return
    assert vista_match(value, pattern) is documented_match(pattern)(value)


def _as_wldmatch_says(value: str, pattern: str) -> bool:
    if not value or not pattern:
        return not value and not pattern
    if value[0] == pattern[0] or pattern[0] == "?":
        return _as_wldmatch_says(value[1:], pattern[1:])
    rest = pattern[1:]
    return pattern[0] == "*" and (not rest or any(_as_wldmatch_says(value[at:], rest) for at in range(len(value))))


@given(st.text(alphabet="AB*?", max_size=8), st.text(alphabet="AB*?", max_size=6))
def test_a_star_in_the_value_is_first_taken_for_that_of_the_pattern(value: str, pattern: str) -> None:
    assert vista_match(value, pattern) is _as_wldmatch_says(value, pattern)


# ---- elements ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("piece", ["\u00b2", "\u0663", "\u2460", "9" * 400, "-1", "0", "1E999", "."])
def test_a_number_that_is_none_to_m_is_passed_over(piece: str) -> None:
    texts = [f"{piece}^ACTION^SEND", f"1^ACTION^{piece}^A", f"1^CONDITION^{piece}^KW^X", f"1^CONDITION^1^VA^M^{piece}^DDD"]
    assert [rule.number for rule in from_elements([(str(at), text) for at, text in enumerate(texts)]).rules] == [1]


@pytest.mark.parametrize(
    ("elements", "log", "sent"),
    [
        (["1^ACTION^SEND", "1^ACTION^1^A", "1^ACTION^2^B"], ["SEND (A, B)"], [14]),
        (["1^ACTION^SEND", "1^ACTION^2^B"], ["SEND (B)", "Do not No location for rule 1"], []),
        (["1^ACTION^SEND", "1^ACTION^.5^A", "1^ACTION^1^B"], ["SEND (A, B)"], [15]),
        (["1^ACTION^SEND", "1^ACTION^1^A^"], ["SEND (A^)", 'Do not Cannot find location "A^".'], []),
        (["1^ACTION^SEND", "1^ACTION^1^A^25^40"], ["SEND (A^25^40)", 'Do not Cannot find location "A^25^40".'], []),
        (["1^ACTION^SEND", "1^ACTION^1^"], ["SEND ()", "Do not No location for rule 1"], []),
        (["1^ACTION"], ["Rule #1"], []),
        (["1^CONDITION"], ["Rule #1"], []),
        (["1^FOO^BAR"], ["Rule #1"], []),
    ],
)
def test_what_vista_makes_of_odd_actions(elements: list[str], log: list[str], sent: list[int]) -> None:
    evaluation = evaluate(elements)
    assert [line.removeprefix("Image 2: ") for line in evaluation.log] == log
    assert [action.destination for action in evaluation.actions] == sent


@pytest.mark.parametrize("elements", [["1^ACTION^SEND", "1^ACTION^2^B"], ["1^ACTION^SEND", "1^ACTION^1^A^"]])
def test_odd_parameters_are_written_as_they_came(elements: list[str]) -> None:
    rules = from_elements([(str(at), text) for at, text in enumerate(elements)]).rules
    assert to_elements(rules) == elements


def test_a_frame_element_of_six_pieces_empties_what_it_names() -> None:
    elements = ["1^CONDITION^1^KW^NOW", "1^CONDITION^1^DT^DT", "1^CONDITION^1^OP^="]
    frame = ["1^CONDITION^1^VA^M^1^DDD", "1^CONDITION^1^VA^B^1^MON", "1^CONDITION^1^VA^E^1^MON"]
    assert evaluate(elements + frame).fired == FIRED[False]
    assert evaluate([*elements, *frame, "1^CONDITION^1^VA^M^1"]).fired == FIRED[True]
    assert evaluate([*elements, *frame, "1^CONDITION^1^VA^B^1^SAT^more"]).fired == FIRED[True]


@pytest.mark.parametrize(("pattern", "met"), [("SAT*", True), ("SUN*", False)])
@pytest.mark.parametrize("kind", ["LO", "CS DS", ""])
def test_now_without_a_date_type_is_text_to_vista(kind: str, pattern: str, met: bool) -> None:
    stem = "1^CONDITION^1"
    elements = [f"{stem}^KW^NOW", f"{stem}^DT^{kind}", f"{stem}^OP^=", f"{stem}^VA^{pattern}"]
    assert evaluate(elements).fired == FIRED[met]


def test_vista_leaves_an_image_without_a_study_alone() -> None:
    elements = ["1^ACTION^SEND", "1^ACTION^1^A", "1^CONDITION^1^KW^MODALITY", "1^CONDITION^1^OP^=", "1^CONDITION^1^VA^CR"]
    assert evaluate(elements, "vista", study="", MODALITY="CR") == Evaluation((), (), (), StudyMemory(decided=frozenset()))
    assert len(evaluate(elements, "documented", study="", MODALITY="CR").actions) == 1


# ---- text -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ['send("A^B") when X=1', 'send(A) when X="1^2"', "send(A) when X=1^2"])
def test_a_caret_is_refused_because_elements_cannot_carry_it(text: str) -> None:
    with pytest.raises(RuleFileErrors, match="without a caret"):
        parse_rules(text)


CT = Condition("MODALITY", "=", "LO", "CT")


@pytest.mark.parametrize(
    "rule",
    [
        Rule(1, "SEND", (Share("A"),)),
        Rule(1, "SEND", (), (CT,)),
        Rule(1, "SEND", (Share("A"), Share("B")), (CT,)),
        Rule(1, "SEND", (Share("A", "25"),), (CT,)),
        Rule(1, "SEND", (Share("A", slot="2"),), (CT,)),
        Rule(1, "BALANCE", (Share("A", "x"),), (CT,)),
        Rule(1, "BALANCE", (), (CT,)),
        Rule(1, "MAIL", (Share("A"),), (CT,)),
        Rule(1, "SEND", (Share('A"B'),), (CT,)),
        Rule(1, "SEND", (Share("A\u201cB"),), (CT,)),
        Rule(1, "SEND", (Share("A"),), (Condition("MODALITY", "[", "LO", "CT"),)),
        Rule(1, "SEND", (Share("A"),), (Condition("modality", "=", "LO", "CT"),)),
        Rule(1, "SEND", (Share("A"),), (Condition("MODALITY", "=", "XX", "CT"),)),
        Rule(1, "SEND", (Share("A"),), (CT,), "999"),
        Rule(1, "SEND", (Share("A"),), (CT,), "", "yes"),
    ],
)
def test_what_has_no_words_is_refused_and_not_written_wrong(rule: Rule) -> None:
    with pytest.raises(NotInWords) as raised:
        decompile([rule])
    assert isinstance(raised.value, RuleError)


# ---- dates under documented semantics ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "fired"),
    [
        ("NOW>=08:00", True),
        ("NOW<08:30", False),
        ("NOW<=08:30", True),
        ("NOW>17:00", False),
        ("NOW=SAT", True),
        ("NOW!=SAT", False),
        ("EXAM_TIME=3240610", True),
        ("EXAM_TIME<=3240610", True),
        ("EXAM_TIME>=2024-06-10", True),
        ("EXAM_TIME>2024-06-10", False),
        ('EXAM_TIME<"2024-06-10 09:31"', True),
        ("EXAM_TIME=09:30", True),
        ("EXAM_TIME=MON", True),
        ("EXAM_TIME>MON", False),  # undefined: weekdays have no order
        ("EXAM_TIME=noon", False),  # undefined: no date
        ("IMAGE_SAVED!=3240610", False),  # undefined: the image has none
        ("EXAM_TIME={MON 09:00 to 10:00}", True),
        ("EXAM_TIME={TUE 09:00 to 10:00}", False),
        ("EXAM_TIME={09:30 to 09:30}", True),
    ],
)
def test_dates_and_times_compare_as_such(text: str, fired: bool) -> None:
    rules = parse_rules(f"send(A) when {text}")
    facts = ImageFacts(1, "1.2", {"EXAM_TIME": ("3240610.093",)})
    evaluation = compile_rules(rules, "documented").evaluate(facts, SATURDAY, DESTINATIONS, None, lambda _day: False)
    assert evaluation.fired == FIRED[fired]


@pytest.mark.parametrize(
    ("mask", "begin", "end", "documented", "vista"),
    [
        ("YYYMMDD", "3240101", "3241231", True, True),
        ("YYYMMDD", "3000101", "3001231", False, True),  # VistA never compares the year's first three places
        ("YYYMMDD", "3240101", "3240131", False, False),
        ("   MMDD", "   0601", "   0630", True, True),
        ("        HHMM", "        0900", "        1000", True, False),  # VistA reads .093 as 93
        ("    YYYMMDD", "    3240101", "    3241231", True, False),  # NOW's layout; VistA compares other places
    ],
)
def test_frames_that_came_as_elements_mean_dates(mask: str, begin: str, end: str, documented: bool, vista: bool) -> None:
    stem = "1^CONDITION^1"
    elements = [f"{stem}^KW^EXAM_TIME", f"{stem}^DT^DT", f"{stem}^OP^="]
    elements += [f"{stem}^VA^M^1^{mask}", f"{stem}^VA^B^1^{begin}", f"{stem}^VA^E^1^{end}"]
    assert evaluate(elements, "documented", EXAM_TIME="3240610.093").fired == FIRED[documented]
    assert evaluate(elements, "vista", EXAM_TIME="3240610.093").fired == FIRED[vista]
