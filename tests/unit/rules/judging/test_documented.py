"""The promises of manuals and file 8994, and what we added to them, under documented semantics."""

from __future__ import annotations

import pytest

from rules import ImageFacts, MemoryDesk, PriorStudy, StudyMemory
from tests.unit.rules.judging.testing import at, compiled, compiled_elements, desk, facts, judge

IMAGE = facts(
    urgency="STAT",
    MODALITY="CT",
    SOURCE="SALT LAKE CITY",
    PATIENT="MCCRAY,ONE",
    SLICE_THICKNESS="2.50",
    STUDY_DESCRIPTION="CHEST W/O",
    IMAGE_TYPE=("ORIGINAL", "PRIMARY"),
    EXAM_TIME="3240610.093",
    STUDY_DATE="20240610",
    ACQUISITION_DATETIME="20240610093000.5+0200",
    PATIENT_S_BIRTH_DATE="20240631",
    CALLING_AE_TITLE="CT1",
)


@pytest.mark.parametrize(
    ("condition", "fires"),
    [
        # equality, wildcards, letter case
        ("MODALITY=CT", True),
        ("MODALITY=MR", False),
        ("MODALITY!=MR", True),
        ('MODALITY="ct"', False),
        ('MODALITY="C?"', True),
        ('MODALITY="CT?"', False),
        ('PATIENT="*CRAY*"', True),
        ('PATIENT="MC*"', True),
        ('PATIENT="*ONE"', True),
        ('PATIENT="MCCRAY,ONE*"', True),
        ('PATIENT="*"', True),
        ('MODALITY!="C*"', False),
        ('SOURCE="SALT*CITY"', True),
        # order, as numbers where both are
        ("SLICE_THICKNESS=2.50", True),
        ("SLICE_THICKNESS<=2.5", True),
        ("SLICE_THICKNESS<10", True),
        ("SLICE_THICKNESS>10", False),
        ("SLICE_THICKNESS>=2.5", True),
        ("SLICE_THICKNESS>2.5", False),
        ("MODALITY<DX", True),
        ("MODALITY>DX", False),
        # undefined
        ("BODY_PART_EXAMINED=HEAD", False),
        ("BODY_PART_EXAMINED!=HEAD", False),
        ("not BODY_PART_EXAMINED=HEAD", False),
        ("(BODY_PART_EXAMINED=HEAD or MODALITY=CT)", True),
        ("not (BODY_PART_EXAMINED=HEAD and MODALITY=MR)", True),
        ("not (BODY_PART_EXAMINED=HEAD or MODALITY=MR)", False),
        # several values
        ("IMAGE_TYPE=PRIMARY", True),
        ("IMAGE_TYPE=DERIVED", False),
        ("IMAGE_TYPE!=PRIMARY", False),
        ("IMAGE_TYPE!=DERIVED", True),
        ("IMAGE_TYPE in (DERIVED, ORIGINAL)", True),
        # logic
        ("MODALITY in (MR, CT)", True),
        ("MODALITY not in (MR, CT)", False),
        ("not MODALITY=MR and SOURCE=*CITY", True),
        ("(MODALITY=MR or MODALITY=CT) and URGENCY=STAT", True),
        ("(MODALITY=MR or MODALITY=CT) and URGENCY=ROUTINE", False),
        # the sender
        ("CALLING_AE_TITLE=CT1", True),
        ("CALLED_AE_TITLE=CT1", False),
        # frames; it is Saturday 21 November 2026, 08:30, Thanksgiving is on the 26th
        ("NOW={SAT 08:30 to 08:30}", True),
        ("NOW={SUN 08:00 to 09:00; SAT 08:00 to 09:00}", True),
        ("NOW={MON 00:00 to 23:59}", False),
        ("NOW={HOL 00:00 to 23:59}", False),
        ("NOW={20:00 to 23:59}", False),
        ("NOW={2026-11-01 to 2026-11-30}", True),
        ("NOW={2026-11-21T08:30:00 to 2026-11-21T08:30:00}", True),
        ("not NOW={SAT 08:00 to 09:00}", False),
        ("NOW!={SAT 09:00 to 10:00}", True),
        ("EXAM_TIME={MON 09:00 to 10:00}", True),
        ("EXAM_TIME<2024-07-01", True),
        ("EXAM_TIME=20240610", True),  # as exactly as it is written
        ("EXAM_TIME<=20240610", True),
        ("EXAM_TIME>2024-06-10T09:30", False),
        ("EXAM_TIME>=2024-06-10T09:30:00", True),
        ("EXAM_TIME<2024-W30-1", False),
        ("EXAM_TIME>=2024-W10-1", False),
        ("EXAM_TIME>=12:00", False),
        ("STUDY_TIME={2024-01-01 to 2024-12-31}", False),
        # dates of the header
        ("StudyDate={2024-06-10 to 2024-06-10}", True),
        ("StudyDate={MON 00:00 to 23:59}", True),
        ("StudyDate={2024-07-01 to 2024-12-31}", False),
        ("StudyDate!={2024-07-01 to 2024-12-31}", True),
        ("AcquisitionDateTime={MON 09:30 to 09:30}", True),
        ("AcquisitionDateTime={MON 10:00 to 23:59}", False),
        ("PatientBirthDate={2024-01-01 to 2024-12-31}", False),  # there is no such day
        ("PatientBirthDate!={2024-01-01 to 2024-12-31}", False),
    ],
)
def test_a_condition_means_what_the_manual_says(condition: str, fires: bool) -> None:
    assert bool(judge(compiled(f"send(A) when {condition}"), IMAGE).fired) is fires


@pytest.mark.parametrize(
    ("level", "urgency", "priority"),
    [
        ("priority HIGH", "", 750),
        ("priority HIGH", "STAT", 770),
        ("priority NORMAL", "URGENT", 510),
        ("priority MEDIUM", "ROUTINE", 500),
        ("priority LOW", "STAT", 270),
        ("", "", 500),
    ],
)
def test_urgency_raises_the_priority_however_the_exam_is_numbered(level: str, urgency: str, priority: int) -> None:
    rules = compiled(f"send(A) when MODALITY=CT {level}")
    for found in (True, False):
        image = ImageFacts(1, "1.2", {"MODALITY": ("CT",)}, urgency, urgency_found=found)
        assert judge(rules, image).actions[0].priority == priority


@pytest.mark.parametrize(
    ("validity", "fires"),
    [
        ("valid from 2026-11-21", True),
        ("valid from 2026-11-22", False),
        ("valid until 2026-11-21", True),
        ("valid until 2026-11-20", False),
        ("valid 2026-11-01 to 2026-11-30", True),
        ("valid 2027-11-01 to 2027-11-30", False),
        ("enabled NO", False),
        ("enabled YES", True),
    ],
)
def test_a_rule_holds_on_its_days_when_it_is_enabled(validity: str, fires: bool) -> None:
    assert bool(judge(compiled(f"send(A) when MODALITY=CT {validity}"), IMAGE).fired) is fires


def test_all_rules_that_are_met_fire_in_their_order() -> None:
    rules = compiled("dicom(P) when MODALITY=CT  send(B) when MODALITY=MR  send(A) when MODALITY=C*  send(B) when URGENCY=STAT")
    evaluation = judge(rules, IMAGE)
    assert [(action.verb, action.name, action.destination) for action in evaluation.actions] == [
        ("DICOM", "P", 1),
        ("SEND", "A", 14),
        ("SEND", "B", 15),
    ]
    assert (evaluation.fired, evaluation.cached) == ((1, 3, 4), False)


def test_the_log_says_what_was_done_and_once_what_was_not() -> None:
    rules = compiled(
        "send(B) when MODALITY=MR  send(A) when MODALITY=CT  send(A) when MODALITY=US  send(C) when MODALITY=US"
        "  send(C) when MODALITY=MR  send(X) when MODALITY=CT"
    )
    assert judge(rules, IMAGE).log == (
        "Image 2: SEND (A)",
        "Image 2: SEND (X)",
        'Image 2: Do not Cannot find location "X".',
        "Image 2: Do not SEND (B)",
        "Image 2: Do not SEND (C)",
    )


def test_a_study_is_decided_by_its_first_image() -> None:
    rules = compiled("send(A) when MODALITY=CT  send(B) when MODALITY=MR")
    first = judge(rules, IMAGE)
    late = judge(rules, facts(image=3, MODALITY="MR"), remembered=first.memory)
    assert (late.fired, late.cached, late.memory) == ((1,), True, StudyMemory(frozenset({1})))
    assert late.log == ("Image 3: SEND (A)", "Image 3: Do not SEND (B)")


def test_a_rule_that_the_study_knows_nothing_of_is_decided_by_the_image_that_comes() -> None:
    rules = compiled("send(A) when MODALITY=CT  send(B) when MODALITY=MR")
    late = judge(rules, facts(MODALITY="MR"), remembered=StudyMemory(frozenset({1}), frozenset({1})))
    assert (late.fired, late.cached) == ((1, 2), False)
    assert late.memory == StudyMemory(frozenset({1, 2}), frozenset({1, 2}))


def test_images_of_prior_studies_go_along_when_the_study_is_decided() -> None:
    prior = PriorStudy(8, "9.4", "660-010123-90", (9, 10))
    rules = compiled("dicom(P) when MODALITY=CT priorstudy YES priority HIGH  send(A) when MODALITY=CT")
    on, image = desk(prior_studies=(prior,)), facts(MODALITY="CT", PARENT_DATA="RADIOLOGY")
    first = judge(rules, image, on=on)
    assert [(action.image, action.name, action.priority, action.prior) for action in first.actions] == [
        (2, "P", 750, None),
        (9, "P", 750, prior),
        (10, "P", 750, prior),
        (2, "A", 500, None),
    ]
    assert "Image 2: SEND also image #10 from prior study" in first.log
    late = judge(rules, facts(image=3, MODALITY="CT", PARENT_DATA="RADIOLOGY"), on=on, remembered=first.memory)
    assert [action.image for action in late.actions] == [3, 3]


# ---- BALANCE ----------------------------------------------------------------------------------------------------------------


def dealt(text: str, studies: int, on: MemoryDesk, when: str = "2026-11-21T08:30", first: int = 10) -> str:
    rules, hands = compiled(text), ""
    for group in range(first, first + 10 * studies, 10):
        image = facts(image=group + 1, study=f"1.{group}", group=group, MODALITY="CT")
        hands += "".join(action.name for action in judge(rules, image, at(when), on).actions) or "-"
    return hands


def test_a_deck_has_as_many_cards_of_each_destination_as_its_percentage() -> None:
    hands = dealt("balance(A=10%, B=40%, C=50%) when MODALITY=CT", 200, desk())
    assert hands == ("ABC" * 10 + "BC" * 30 + "C" * 10) + ("ABC" * 10 + "BC" * 30 + "C" * 10)


def test_a_share_of_local_stays_here() -> None:
    assert dealt('balance(A=50%, "<LOCAL>"=50%) when MODALITY=CT', 4, desk()) == "A-A-"


def test_a_cap_is_a_number_of_studies_a_day() -> None:
    text, on = "balance(A=50%/3, B=50%) when MODALITY=CT", desk()
    assert dealt(text, 10, on) == "ABABABBBBB"
    assert dealt(text, 4, on, "2026-11-22T08:30", first=1000) in ("ABAB", "BABA")


def test_a_cap_counts_what_other_rules_gave_the_destination() -> None:
    on = desk()
    dealt("balance(A=100%) when MODALITY=CT", 3, on)
    assert dealt("balance(B=50%, A=50%/3) when MODALITY=CT", 4, on, first=1000) == "BBBB"


def test_what_a_full_destination_leaves_is_divided_among_the_others() -> None:
    hands = dealt("balance(A=40%/1, B=30%, C=30%) when MODALITY=CT", 100, desk())
    assert (hands.count("A"), hands.count("B"), hands.count("C")) == (1, 50, 49)
    assert dealt("balance(A=40%/1, B=40%/1, C=20%) when MODALITY=CT", 100, desk()) == "AB" + "C" * 98


def test_when_all_are_full_studies_stay_here_and_the_log_says_so() -> None:
    rules, on = compiled('rule "night" balance(A=100%/1) when MODALITY=CT'), desk()
    images = [facts(image=image, study=f"1.{group}", group=group, MODALITY="CT") for image, group in ((1, 10), (2, 20), (3, 20))]
    first, second, late = (judge(rules, image, on=on) for image in images)
    assert [len(it.actions) for it in (first, second, late)] == [1, 0, 0]
    assert second.log[0] == "No destination of rule night takes a study now: it stays here"
    assert late.log == ("Image 3: BALANCE (A^100^1)",)


def test_a_deck_survives_rules_that_are_numbered_anew() -> None:
    on = desk()
    assert dealt("balance(A=50%, B=50%) when MODALITY=CT", 1, on) == "A"
    assert dealt("send(C) when MODALITY=MR  balance(A=50%, B=50%) when MODALITY=CT", 1, on, first=1000) == "B"


def test_a_named_deck_survives_other_shares() -> None:
    on = desk()
    assert dealt('rule "night" balance(A=50%, B=50%) when MODALITY=CT', 1, on) == "A"
    assert dealt('rule "night" balance(A=30%, B=70%) when MODALITY=CT', 1, on, first=1000) == "B"


def test_two_rules_of_the_same_words_share_no_deck() -> None:
    rules = compiled("balance(A=50%, B=50%) when MODALITY=CT  balance(A=50%, B=50%) when MODALITY=CT")
    assert [action.name for action in judge(rules, IMAGE).actions] == ["A", "A"]
    assert rules.deck_keys == ("BALANCE (A^50, B^50)", "BALANCE (A^50, B^50) #2")


def test_a_study_follows_its_destination_while_that_is_among_the_shares() -> None:
    on = desk()
    assert dealt('rule "n" balance(A=50%, B=50%) when MODALITY=CT', 1, on) == "A"
    assert dealt('rule "n" balance(B=50%, A=50%) when MODALITY=CT', 1, on) == "A"
    assert dealt('rule "n" balance(B=50%, C=50%) when MODALITY=CT', 1, on) in "BC"


def test_today_and_yesterday_are_remembered() -> None:
    text, on = "balance(A=40%, B=30%, C=30%) when MODALITY=CT", desk()
    assert dealt(text, 1, on, "2026-11-30T23:00", first=10) == "A"
    assert dealt(text, 1, on, "2026-12-01T01:00", first=20) == "B"
    assert dealt(text, 1, on, "2026-12-01T02:00", first=10) == "A"
    assert dealt(text, 1, on, "2026-12-02T02:00", first=30) == "C"
    assert on.balances.dealt("BALANCE (A^40, B^30, C^30)", "10") is None


def test_a_deck_with_no_cards_deals_nothing() -> None:
    rules = compiled_elements("1^ACTION^BALANCE", semantics="documented")
    assert judge(rules, IMAGE).actions == ()
