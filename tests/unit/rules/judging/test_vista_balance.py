"""BALANCE under vista semantics deals as BALANCE^MAGBRTE5 is written, its defects included."""

from __future__ import annotations

import pytest

from rules import CompiledRules, Evaluation, MemoryDesk, balance_nodes
from tests.unit.rules.judging.testing import at, compiled_elements, desk, facts, judge

TODAY = "2026-11-21T08:30"


def balance(*shares: str, rule: int = 1) -> CompiledRules:
    """Make one BALANCE rule of its parameters as VistA keeps them."""
    return compiled_elements(f"{rule}^ACTION^BALANCE", *(f"{rule}^ACTION^{at}^{share}" for at, share in enumerate(shares, 1)))


def deal(rules: CompiledRules, on: MemoryDesk, group: int, when: str = TODAY) -> Evaluation:
    """Judge the first image of a study."""
    return judge(rules, facts(image=group + 1, study=f"1.{group}", group=group), at(when), on)


def names(evaluation: Evaluation) -> str:
    return "".join(action.name for action in evaluation.actions) or "-"


def dealt(rules: CompiledRules, studies: int, on: MemoryDesk | None = None) -> str:
    """Give who got each of some studies, one letter each; `-` for none."""
    where = on or desk()
    return "".join(names(deal(rules, where, group)) for group in range(10, 10 + 10 * studies, 10))


def test_a_deck_is_dealt_evenly_while_cards_last_then_among_those_that_have_more() -> None:
    hands = dealt(balance("A^10", "B^40", "C^50"), 100)
    assert hands == "ABC" * 10 + "BC" * 30 + "C" * 10


def test_a_deck_that_is_dealt_out_begins_anew_behind_the_last_place() -> None:
    rules, on = balance("A^2", "B^1"), desk()
    assert dealt(rules, 3, on) == "ABA"
    assert balance_nodes(on.balances)[-4:-3] == ["^MAGRT(2006.5906,1,2)=1^0^0^0"]
    assert names(deal(rules, on, 500)) == "B"


def test_the_state_is_kept_as_vista_keeps_it() -> None:
    on = desk()
    dealt(balance("A^10", "<LOCAL>^40", "B^50"), 3, on)
    assert balance_nodes(on.balances) == [
        "^MAGRT(2006.5906,0)=ROUTE LOAD BALANCE^2006.5906^1^1",
        "^MAGRT(2006.5906,1,0)=1",
        "^MAGRT(2006.5906,1,1,0)=^2006.59061^30^3",
        "^MAGRT(2006.5906,1,1,10,0)=10^3261121^1",
        "^MAGRT(2006.5906,1,1,20,0)=20^3261121^2",
        "^MAGRT(2006.5906,1,1,30,0)=30^3261121^3",
        "^MAGRT(2006.5906,1,2)=3^3^1^1^1",
        '^MAGRT(2006.5906,"D",3261121,1,1,10)=',
        '^MAGRT(2006.5906,"D",3261121,3,1,30)=',
    ]


def test_the_further_images_of_a_group_follow_the_first() -> None:
    rules, on = balance("A^50", "B^50"), desk()
    assert names(deal(rules, on, 10)) == "A"
    late = judge(rules, facts(image=99, study="1.10", group=10), at(TODAY), on)
    assert (names(late), names(deal(rules, on, 20))) == ("A", "B")
    assert late.log == ("Load-Balance Destination is A", "Image 99: BALANCE (A^50, B^50)")


def test_what_was_dealt_outlives_the_study_cache() -> None:
    rules, on = balance("A^1", "B^1"), desk()
    assert [names(deal(rules, on, group)) for group in (10, 20, 10, 20)] == ["A", "B", "A", "B"]


def test_a_study_that_stays_here_is_logged_without_a_destination_and_leaves_no_mark() -> None:
    on = desk()
    evaluation = deal(balance("<LOCAL>^100"), on, 10)
    assert (evaluation.actions, evaluation.log) == ((), ("Image 11: BALANCE (<LOCAL>^100)",))
    assert not [node for node in balance_nodes(on.balances) if '"D"' in node]


def test_images_without_a_group_are_one_study_to_vista() -> None:
    rules, on = balance("A^50", "B^50"), desk()
    first = judge(rules, facts(image=18, study="1.18", group=0), at(TODAY), on)
    second = judge(rules, facts(image=19, study="1.19", group=0), at(TODAY), on)
    assert (names(first), names(second)) == ("A", "A")
    assert '^MAGRT(2006.5906,1,1,"",0)=^3261121^1' in balance_nodes(on.balances)


def test_a_cap_counts_rules_and_not_studies() -> None:
    """With a cap of 2 a single rule may send any number of studies; a cap of 1 leaves one."""
    assert dealt(balance("A^50^2", "B^50"), 10) == "AB" * 5
    assert dealt(balance("A^50^1", "B^50"), 10) == "ABBBBBBBBB"


def test_a_cap_counts_another_rules_studies_by_the_number_of_the_parameter() -> None:
    on = desk()
    deal(balance("A^100", rule=2), on, 10)
    assert names(deal(balance("B^50^1", "C^50", rule=7), on, 20)) == "C"


def test_what_a_cap_frees_is_divided_by_the_number_of_those_that_are_full() -> None:
    """25 of a full one of three are added to each of the others, which leaves more shares than cards."""
    on = desk()
    rules = balance("A^25^1", "B^25", "C^50")
    assert dealt(rules, 100, on) == "A" + "BC" * 49 + "B"
    assert on.balances.deck("1") is not None
    assert names(deal(rules, on, 5000)) == "C"


def test_two_full_ones_leave_too_few_shares_so_that_the_deck_is_never_dealt_out() -> None:
    """40 and 40 freed are halved for the one that remains: 60 cards in a deck of 100."""
    on = desk()
    rules = balance("A^40^1", "B^40^1", "C^20")
    assert dealt(rules, 62, on) == "AB" + "C" * 60
    skipped = deal(rules, on, 5000)
    assert skipped.actions == ()
    assert skipped.log[0] == "Rule 1 is skipped: no share is left to be dealt"


def test_where_all_are_full_the_rule_is_skipped_and_others_go_on() -> None:
    on = desk()
    rules = compiled_elements("1^ACTION^BALANCE", "1^ACTION^1^A^100^1", "2^ACTION^SEND", "2^ACTION^1^B")
    deal(rules, on, 10)
    second = deal(rules, on, 20)
    assert [action.name for action in second.actions] == ["B"]
    assert second.log == (
        "Rule 1 is skipped: no share is left to be dealt",
        "Image 21: BALANCE (A^100^1)",
        "Image 21: SEND (B)",
    )


def test_a_cap_of_nothing_is_no_cap() -> None:
    assert dealt(balance("A^50^0", "B^50^"), 4) == "ABAB"


@pytest.mark.parametrize(
    ("when", "kept"),
    [
        ("2026-11-22T00:01", True),  # yesterday's studies are remembered
        ("2026-11-23T00:01", False),
        ("2026-12-01T00:01", False),
    ],
)
def test_studies_of_days_before_yesterday_are_forgotten_when_a_new_one_comes(when: str, kept: bool) -> None:
    rules, on = balance("A^50", "B^50"), desk()
    deal(rules, on, 10)
    deal(rules, on, 20, when)
    assert (on.balances.dealt("1", "10") is not None) is kept
    studies = 1 + kept
    assert f"^MAGRT(2006.5906,1,1,0)=^2006.59061^20^{studies}" in balance_nodes(on.balances)


def test_on_the_first_of_a_month_yesterday_is_forgotten_too() -> None:
    rules, on = balance("A^50", "B^50"), desk()
    deal(rules, on, 10, "2026-11-30T23:59")
    deal(rules, on, 20, "2026-12-01T00:01")
    assert on.balances.dealt("1", "10") is None


def test_the_counts_of_the_deck_are_never_forgotten() -> None:
    rules, on = balance("A^2", "B^1"), desk()
    deal(rules, on, 10)
    assert [names(deal(rules, on, group, "2027-03-01T10:00")) for group in (20, 30)] == ["B", "A"]


def test_a_study_that_stayed_here_is_never_forgotten() -> None:
    rules, on = balance("<LOCAL>^1", "A^1"), desk()
    deal(rules, on, 10)
    deal(rules, on, 20, "2027-03-01T10:00")
    assert names(deal(rules, on, 10, "2027-03-01T10:00")) == "-"


def test_a_study_follows_the_number_of_its_parameter_when_the_rule_was_changed() -> None:
    on = desk()
    dealt(balance("A^50", "B^50"), 2, on)
    assert names(deal(balance("C^50", "A^50"), on, 10)) == "C"
    gone = deal(balance("C^100"), on, 20)
    assert gone.log == ("Image 21: BALANCE (C^100)", "Image 21: Do not No location for rule 1, alternative 2")


def test_of_parameters_with_one_name_the_first_is_marked() -> None:
    on = desk()
    assert dealt(balance("A^50", "A^50"), 2, on) == "AA"
    assert {mark.slot for mark in on.balances.marks()} == {"1"}


def test_an_unknown_destination_is_dealt_to_all_the_same() -> None:
    evaluation = deal(balance("NOWHERE^1", "A^1"), desk(), 10)
    assert evaluation.actions == ()
    assert evaluation.log == ("Load-Balance Destination is NOWHERE", "Image 11: BALANCE (NOWHERE^1, A^1)")


def test_parameters_are_known_by_their_own_numbers() -> None:
    rules = compiled_elements("1^ACTION^BALANCE", "1^ACTION^3^A^1", "1^ACTION^7^B^1")
    on = desk()
    assert dealt(rules, 2, on) == "AB"
    assert [mark.slot for mark in sorted(on.balances.marks(), key=lambda mark: mark.slot)] == ["3", "7"]


def test_two_rules_have_a_deck_each() -> None:
    rules = compiled_elements(*(f"{rule}^ACTION^{text}" for rule in (2, 9) for text in ("BALANCE", "1^A^50", "2^B^50")))
    on = desk()
    assert dealt(rules, 2, on) == "AABB"
    assert "^MAGRT(2006.5906,0)=ROUTE LOAD BALANCE^2006.5906^9^2" in balance_nodes(on.balances)


def test_changes_are_given_once_and_rebuild_the_same_state() -> None:
    on, seen = desk(), desk()
    rules = balance("A^50", "B^50")
    decks, deals, marks = {}, {}, {}
    for group, when in ((10, TODAY), (20, TODAY), (30, "2026-12-05T10:00"), (10, "2026-12-06T10:00")):
        deal(rules, on, group, when)
        changes = on.balances.changes()
        assert changes
        assert not on.balances.changes()
        decks |= changes.decks
        deals |= changes.deals
        marks |= changes.marks
    seen.balances = type(on.balances)(
        decks.items(),
        [(key, study, value) for (key, study), value in deals.items() if value is not None],
        [mark for mark, there in marks.items() if there],
    )
    assert balance_nodes(seen.balances) == balance_nodes(on.balances)
    assert not seen.balances.changes()
