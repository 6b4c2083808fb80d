"""Under vista semantics rules are judged as MAGBRTE3 and MAGBRTE4 are written, where no record is at hand."""

from __future__ import annotations

import pytest

from rules import Evaluation, ImageFacts, Moment, PriorStudy, RuleError, StudyMemory
from tests.unit.rules.judging.testing import SATURDAY, at, compiled, compiled_elements, desk, facts, judge

STEM = "1^CONDITION^1"
SEND_A = ("1^ACTION^SEND", "1^ACTION^1^A")


def condition(keyword: str, operator: str = "=", kind: str = "LO", value: str = "") -> list[str]:
    return [f"{STEM}^KW^{keyword}", f"{STEM}^OP^{operator}", f"{STEM}^DT^{kind}", f"{STEM}^VA^{value}"]


def frame(mask: str, begin: str, end: str, number: int = 1) -> list[str]:
    return [f"{STEM}^VA^{part}^{number}^{text}" for part, text in (("M", mask), ("B", begin), ("E", end))]


def fires(elements: list[str], image: ImageFacts | None = None, now: Moment = SATURDAY, holidays: tuple[str, ...] = ()) -> bool:
    evaluation = judge(compiled_elements(*SEND_A, *elements), image or facts(), now, holiday=holidays.__contains__)
    return bool(evaluation.fired)


@pytest.mark.parametrize("kind", ["CS", "DS", "IS", "LO", "LT", "OB", "OW", "PN", "SH", "ST", "S", ""])
def test_ten_types_of_text_and_none_are_compared(kind: str) -> None:
    image = facts(MODALITY="CT")
    assert fires(condition("MODALITY", "=", kind, "CT"), image)
    assert not fires(condition("MODALITY", "=", kind, "MR"), image)
    assert not fires(condition("MODALITY", "!=", kind, "C?"), image)
    assert fires(condition("MODALITY", "!=", kind, "MR"), image)


@pytest.mark.parametrize("kind", ["AE", "AS", "AT", "FD", "FL", "SL", "SQ", "SS", "UI", "UL", "UN", "US", "UT", "lo", "-"])
def test_other_types_pass(kind: str) -> None:
    assert fires(condition("MODALITY", "=", kind, "MR"), facts(MODALITY="CT"))


@pytest.mark.parametrize("operator", ["<", ">", "<=", ">=", "", "[", "=="])
def test_other_operators_pass(operator: str) -> None:
    assert fires(condition("MODALITY", operator, "LO", "MR"), facts(MODALITY="CT"))
    assert fires([*condition("NOW", operator, "DT"), *frame("DDD", "MON", "MON")])


def test_fields_that_are_undefined_or_have_several_values_pass() -> None:
    assert fires(condition("MODALITY", "=", "LO", "MR"))
    assert fires(condition("MODALITY", "!=", "LO", "MR"), facts(MODALITY=("MR", "CT")))
    assert fires(condition("BODY_PART_EXAMINED", "=", "CS", "HEAD"), facts(BODY_PART_EXAMINED="CHEST"))


def test_an_index_heeds_that_these_pass() -> None:
    rules = compiled("send(A) when MODALITY=CT  send(B) when MODALITY=MR  send(C) when SOURCE=X MODALITY=MR", "vista")
    assert judge(rules, facts()).fired == (1, 2, 3)
    assert judge(rules, facts(MODALITY=("US", "CR"))).fired == (1, 2, 3)
    assert judge(rules, facts(MODALITY="MR")).fired == (2, 3)
    assert judge(rules, facts(SOURCE="Y")).fired == (1, 2)


@pytest.mark.parametrize(
    ("frames", "fired"),
    [
        (frame("DDD", "SAT", "SAT"), True),
        (frame("DDD", "SUN", "SAT"), False),  # the begin's weekday counts
        (frame("DDD", "SAT", "MON"), True),
        (frame("DDDyyyymmdd.HHMM", "SAT        .0000", "SAT        .2359"), True),
        (frame("DDDyyyymmdd.HHMM", "SAT        .0900", "SAT        .1000"), False),
        (frame("   yyyymmdd.HHMM", "           .0830", "           .0830"), False),  # .083 is 83
        (frame("           .HHMM", "           .0080", "           .0090"), True),
        (frame("    YYYMMDD", "    3261121", "    3261121"), True),
        (frame("    YYYMMDD", "    3261122", "    3261130"), False),
        (frame("    YYYMMDD", "    3261130", "    3261101"), False),
        (frame("    yyymmdd", "    3300101", "    3300101"), True),  # nothing is compared
        (frame("", "", ""), True),
        ([], False),  # no range
        ([*frame("DDD", "SUN", "SUN"), *frame("DDD", "SAT", "SAT", 2)], True),
        ([*frame("DDD", "SUN", "SUN"), *frame("DDD", "SAT", "SAT", 0)], False),  # frame 0 is not reached
    ],
)
def test_frames_of_now(frames: list[str], fired: bool) -> None:
    assert fires([*condition("NOW", "=", "DT"), *frames], now=at("2026-11-21T08:30")) is fired


@pytest.mark.parametrize(
    ("mask", "begin", "end", "holidays", "fired"),
    [
        ("HOL", "HOL", "HOL", ("3261121",), True),
        ("HOL", "HOL", "HOL", ("3261122",), False),
        ("HOL", "MON", "TUE", ("3261121",), True),
        ("HOLyyyymmdd.HHMM", "HOL        .0700", "HOL        .0815", ("3261121",), False),
        ("HOLyyyymmdd.HHMM", "HOL        .0000", "HOL        .2359", ("3261121",), True),
        ("hol", "HOL", "HOL", (), True),
    ],
)
def test_holidays_are_days_of_file_40_5(mask: str, begin: str, end: str, holidays: tuple[str, ...], fired: bool) -> None:
    assert fires([*condition("NOW", "=", "DT"), *frame(mask, begin, end)], holidays=holidays) is fired


def test_a_holiday_is_looked_up_at_the_places_of_now_for_other_dates_too() -> None:
    assert fires([*condition("EXAM_TIME", "=", "DT"), *frame("HOL", "", "")], facts(EXAM_TIME="3240610.1"), holidays=("610.1",))


@pytest.mark.parametrize("kind", ["DT", "DA", "TM"])
def test_three_types_of_dates(kind: str) -> None:
    image = facts(IMAGE_SAVED="3261121.1015")
    assert fires([*condition("IMAGE_SAVED", "=", kind), *frame("YYYMMDD", "3261101", "3261130")], image)
    assert not fires([*condition("IMAGE_SAVED", "=", kind), *frame("YYYMMDD", "3261201", "3261230")], image)


def test_urgency_is_the_priority_that_a_normal_action_would_have() -> None:
    def urgent(urgency: str, wanted: str, found: bool = True) -> bool:
        return fires(condition("URGENCY", "=", "SH", wanted), ImageFacts(2, "1.2", {}, urgency, found))

    assert [urgent(given, given) for given in ("STAT", "URGENT", "ROUTINE")] == [True] * 3
    assert urgent("", "ROUTINE")
    assert urgent("STAT", "ROUTINE", found=False)


# ---- a study is decided once per rule ---------------------------------------------------------------------------------------


def test_each_rule_is_decided_for_itself() -> None:
    one = compiled_elements(*SEND_A, *condition("MODALITY", value="CT"))
    two = compiled_elements(*SEND_A, *condition("MODALITY", value="CT"), "2^ACTION^SEND", "2^ACTION^1^B")
    memory = judge(one, facts(MODALITY="MR")).memory
    late = judge(two, facts(image=3, MODALITY="CT"), remembered=StudyMemory(memory.fired, frozenset({1})))
    assert (late.fired, late.cached) == ((2,), False)
    assert late.memory == StudyMemory(frozenset({2}), frozenset({1, 2}))


def test_what_was_decided_stands_whatever_the_later_image_and_rule_say() -> None:
    rules = compiled_elements(*SEND_A, *condition("MODALITY", value="CT"))
    late = judge(rules, facts(image=3, MODALITY="MR"), remembered=StudyMemory(frozenset({1, 7}), frozenset({1, 7})))
    assert (late.fired, late.cached) == ((1,), True)
    assert late.memory == StudyMemory(frozenset({1, 7}), frozenset({1, 7}))


def test_what_failed_stays_failed_and_is_logged_each_time() -> None:
    rules = compiled_elements(*SEND_A, *condition("MODALITY", value="CT"))
    late = judge(rules, facts(image=3, MODALITY="CT"), remembered=StudyMemory())
    assert (late.actions, late.log) == ((), ("Image 3: Do not SEND (A)",))


def test_an_image_without_a_study_is_passed_over() -> None:
    assert judge(compiled_elements(*SEND_A), facts(study="")) == Evaluation((), (), (), StudyMemory(decided=frozenset()))


# ---- what is done, and said -------------------------------------------------------------------------------------------------


def test_the_log_is_in_the_order_of_m() -> None:
    rules = compiled_elements(
        *(f"{rule}^ACTION^{text}" for rule, text in ((1, "SEND"), (2, "10"), (3, "9"), (4, "DICOM"), (5, "send")))
    )
    assert judge(rules, facts()).log == (
        "Image 2: 9",
        "Image 2: 10",
        "Image 2: DICOM",
        "Image 2: SEND",
        "Image 2: send",
        "Image 2: Do not No location for rule 1",
        "Image 2: Do not No location for rule 4",
    )


def test_the_balance_stands_before_all_that_was_met() -> None:
    rules = compiled_elements(*SEND_A, "2^ACTION^BALANCE", "2^ACTION^1^B^100")
    assert judge(rules, facts()).log == ("Load-Balance Destination is B", "Image 2: BALANCE (B^100)", "Image 2: SEND (A)")


@pytest.mark.parametrize("word", ["yes", "Yes", "NO", "", "1"])
def test_prior_studies_want_the_word_in_capitals(word: str) -> None:
    on = desk(prior_studies=(PriorStudy(8, "9.4", "1", (9, 10)),))
    evaluation = judge(compiled_elements(*SEND_A, f"1^PRIORSTUDY^{word}"), facts(PARENT_DATA="RADIOLOGY"), on=on)
    assert [action.image for action in evaluation.actions] == [2]


def test_prior_studies_go_along_with_each_image_and_are_told_in_the_order_of_text() -> None:
    prior = PriorStudy(8, "9.4", "1", (9, 10))
    rules = compiled_elements(*SEND_A, "1^PRIORSTUDY^YES", "1^PRIORITY^HIGH")
    for image in (2, 3):
        evaluation = judge(rules, facts(image=image, PARENT_DATA="RADIOLOGY"), on=desk(prior_studies=(prior,)))
        assert [(it.image, it.priority, it.prior) for it in evaluation.actions] == [
            (image, 750, None),
            (9, 750, prior),
            (10, 750, prior),
        ]
        assert evaluation.log == (
            f"Image {image}: SEND (A)",
            f"Image {image}: SEND also image #10 from prior study",
            f"Image {image}: SEND also image #9 from prior study",
        )


def test_prior_studies_of_a_balance_go_where_the_study_goes_and_nowhere_with_one_that_stays() -> None:
    prior = PriorStudy(8, "9.4", "1", (9,))
    rules = compiled_elements("1^ACTION^BALANCE", "1^ACTION^1^A^1", "1^ACTION^2^<LOCAL>^1", "1^PRIORSTUDY^YES")
    on = desk(prior_studies=(prior,))
    images = [facts(image=it + 1, study=f"1.{it}", group=it, PARENT_DATA="RADIOLOGY") for it in (10, 20)]
    sent, stays = (judge(rules, image, on=on) for image in images)
    assert [(it.verb, it.image, it.name) for it in sent.actions] == [("SEND", 11, "A"), ("SEND", 9, "A")]
    assert (stays.actions, stays.log) == ((), ("Image 21: BALANCE (A^1, <LOCAL>^1)",))


@pytest.mark.parametrize(
    "text",
    [
        "send(A) when MODALITY=CT or MODALITY=MR",
        "send(A) when not MODALITY=CT",
        "send(A) when MODALITY=CT enabled NO",
        "send(A) when MODALITY=CT valid from 2026-01-01",
    ],
)
def test_what_elements_cannot_carry_is_refused(text: str) -> None:
    with pytest.raises(RuleError, match="rule 1"):
        compiled(text, "vista")
