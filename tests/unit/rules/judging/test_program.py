"""The index finds the same rules as a plain loop over all of them, and no fact is read twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules import CompiledRules, Condition, Frame, ImageFacts, Moment, Rule, Share, compile_rules, explain
from rules.judging.reading import Reading
from rules.judging.semantics import SEMANTICS, Semantics, Test, Verdict
from rules.language.ast import Expression, Validity, all_of, any_of, as_conditions, negated
from tests.unit.rules.judging.testing import SATURDAY, at, compiled, facts, judge

KEYWORDS = ("MODALITY", "SOURCE", "PACKAGE", "URGENCY", "BODY_PART_EXAMINED")
VALUES = ("A", "B", "C", "STAT", "A*", "?", "*B", "", "ROUTINE")
FRAMES = (
    Frame("DDDyyyymmdd.HHMM", "SAT        .0800", "SAT        .0900"),
    Frame("HOLyyyymmdd.HHMM", "HOL        .0000", "HOL        .2359"),
    Frame("    YYYMMDD", "    3261101", "    3261130"),
)
TEXTS = st.builds(
    Condition,
    st.sampled_from(KEYWORDS),
    st.sampled_from(["=", "=", "=", "!=", "<", ">="]),
    st.sampled_from(["LO", "CS", "SH", "UI", ""]),
    st.sampled_from(VALUES),
)
DATES = st.builds(
    Condition,
    st.sampled_from(["NOW", "EXAM_TIME"]),
    st.sampled_from(["=", "!=", "<"]),
    st.just("DT"),
    st.just(""),
    st.lists(st.sampled_from(FRAMES), max_size=2).map(tuple),
)
LEAVES = st.one_of(TEXTS, TEXTS, DATES)


def _nested(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    several = st.lists(inner, min_size=2, max_size=3)
    return st.one_of(several.map(all_of), several.map(any_of), inner.map(negated))


EXPRESSIONS: st.SearchStrategy[Expression] = st.recursive(LEAVES, _nested, max_leaves=5)
VALIDITY = st.sampled_from([None, None, Validity("3261121", ""), Validity("", "3261120"), Validity("3261101", "3261130")])


def rule_sets(conditions: st.SearchStrategy[tuple[Expression, ...]], *, flat: bool) -> st.SearchStrategy[list[Rule]]:
    one = st.tuples(conditions, st.none() if flat else VALIDITY, st.just(True) if flat else st.booleans())
    return st.lists(one, max_size=12).map(
        lambda drafts: [
            Rule(number, "SEND", (Share("A"),), parts, valid=valid, enabled=enabled)
            for number, (parts, valid, enabled) in enumerate(drafts, start=1)
        ]
    )


FLAT = rule_sets(st.lists(LEAVES, max_size=3).map(tuple), flat=True)
NESTED = rule_sets(st.lists(EXPRESSIONS, min_size=1, max_size=2).map(lambda it: as_conditions(all_of(it))), flat=False)
IMAGES = st.builds(
    lambda values, urgency, found: ImageFacts(1, "1.2", values, urgency, found, 7),
    st.dictionaries(
        st.sampled_from(["MODALITY", "SOURCE", "PACKAGE", "BODY_PART_EXAMINED"]),
        st.lists(st.sampled_from(["A", "B", "C", "AB", "*B"]), min_size=1, max_size=2).map(tuple),
    ).flatmap(
        lambda values: st.sampled_from([values, {**values, "EXAM_TIME": ("3261121.083",)}, {**values, "EXAM_TIME": ("?",)}])
    ),
    st.sampled_from(["", "STAT", "ROUTINE"]),
    st.booleans(),
)


def plain_loop(rules: CompiledRules, image: ImageFacts, now: Moment, day_off: bool) -> list[int]:
    """Give the rules that are met, asking each condition of each rule: the explanation knows no index."""
    return [it.number for it in explain(rules, image, now, lambda _day: day_off) if it.matched]


@pytest.mark.parametrize("semantics", SEMANTICS)
def test_the_index_finds_what_a_plain_loop_finds(semantics: str) -> None:
    @given(FLAT if semantics == "vista" else NESTED, st.lists(IMAGES, min_size=1, max_size=4), st.booleans())
    def compare(drafts: list[Rule], images: list[ImageFacts], day_off: bool) -> None:
        rules = compile_rules(drafts, semantics)
        for image in images:
            found = [rules.rules[place].number for place in rules.match(image, SATURDAY, lambda _day: day_off)]
            assert found == plain_loop(rules, image, SATURDAY, day_off)

    compare()


class CountingFacts(Mapping[str, tuple[str, ...]]):
    """Facts that count how often each is read."""

    def __init__(self, values: dict[str, tuple[str, ...]]) -> None:
        self.values_by_name = values
        self.read: Counter[str] = Counter()

    def __getitem__(self, name: str) -> tuple[str, ...]:
        self.read[name] += 1
        return self.values_by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_by_name)

    def __len__(self) -> int:
        return len(self.values_by_name)


@pytest.mark.parametrize("semantics", SEMANTICS)
def test_each_fact_is_read_at_most_once_for_all_rules(semantics: str) -> None:
    text = "\n".join(
        f'send(A) when MODALITY="C{n}*" SOURCE=S{n % 3} EXAM_TIME={{2024-01-01 to 2024-12-{n + 1:02d}}} SUMMARY!=X{n}'
        for n in range(20)
    )
    counting = CountingFacts({"MODALITY": ("C1",), "SOURCE": ("S1",), "EXAM_TIME": ("3240610.093",), "PATIENT": ("DEMO",)})
    judge(compiled(text, semantics), ImageFacts(1, "1.2", counting))
    assert counting.read
    assert set(counting.read.values()) == {1}
    assert "PATIENT" not in counting.read  # what no rule asks for is not read at all


def watch(monkeypatch: pytest.MonkeyPatch, semantics: Semantics) -> list[str]:
    """Let each condition that is judged from now on be listed."""
    judged: list[str] = []
    compile_test = semantics.test

    def watched_test(condition: Condition) -> Test:
        test = compile_test(condition)

        def watched(reading: Reading) -> Verdict:
            judged.append(str(condition))
            return test(reading)

        return watched

    monkeypatch.setattr(semantics, "test", watched_test)
    return judged


def test_a_condition_that_rules_share_is_judged_once_per_image(monkeypatch: pytest.MonkeyPatch) -> None:
    judged = watch(monkeypatch, SEMANTICS["documented"])
    rules = compiled("\n".join(f'send(A) when MODALITY="C*" SOURCE="S*" PATIENT="{n}*"' for n in range(30)))
    judge(rules, facts(MODALITY="CT", SOURCE="S1", PATIENT="DEMO"))
    assert (judged.count("MODALITY=C*"), judged.count("SOURCE=S*")) == (1, 1)


@pytest.mark.parametrize("semantics", SEMANTICS)
def test_rules_that_want_another_value_are_not_looked_at(semantics: str, monkeypatch: pytest.MonkeyPatch) -> None:
    judged = watch(monkeypatch, SEMANTICS[semantics])
    text = "\n".join(f'send(A) when MODALITY=CT SOURCE=S{n} PATIENT="P{n}*"' for n in range(300))
    evaluation = judge(compiled(text, semantics), facts(MODALITY="CT", SOURCE="S7", PATIENT="P77"))
    assert evaluation.fired == (8,)
    assert set(judged) <= {"PATIENT=P7*", "MODALITY=CT"}  # the source is the rarest: one rule of 300 is looked at


def test_the_same_moment_is_not_taken_for_another_one() -> None:
    rules = compiled("send(A) when NOW={SAT 08:00 to 09:00}")
    image = facts()
    fired = [judge(rules, image, at(f"2026-11-21T{clock}")).fired for clock in ("08:30", "09:30", "08:30", "09:00:59")]
    assert fired == [(1,), (), (1,), (1,)]


def test_a_holiday_is_asked_for_each_time() -> None:
    rules = compiled("send(A) when NOW={HOL 00:00 to 23:59}")
    answers = iter([True, False, True])
    assert [judge(rules, facts(), holiday=lambda _day: next(answers)).fired for _ in range(3)] == [(1,), (), (1,)]


class _Counting(tuple[Rule, ...]):
    """Rules that count how often one is taken; to walk through them counts for all."""

    taken = 0

    def __getitem__(self, place: Any) -> Any:
        _Counting.taken += 1
        return super().__getitem__(place)

    def __iter__(self) -> Iterator[Rule]:
        _Counting.taken += len(self)
        return super().__iter__()


@pytest.mark.parametrize("semantics", SEMANTICS)
def test_a_late_image_of_a_decided_study_looks_at_the_rules_that_fired_and_at_no_others(semantics: str) -> None:
    rules = compiled("\n".join(f"send(A) when MODALITY=M{n}" for n in range(2000)), semantics)
    first = judge(rules, facts(MODALITY="M1999"))
    counting = replace(rules, rules=_Counting(rules.rules))
    _Counting.taken = 0
    late = judge(counting, facts(image=3, MODALITY="M7"), remembered=first.memory)
    assert (late.fired, late.cached) == ((2000,), True)
    assert 0 < _Counting.taken < 10
