"""Rules of every kind that a rule file can hold, for hypothesis."""

from __future__ import annotations

from datetime import date

from hypothesis import strategies as st

from rules.language.ast import (
    Condition,
    Expression,
    Frame,
    NamedDestination,
    NamedHoliday,
    Rule,
    RuleFile,
    Share,
    Validity,
    all_of,
    any_of,
    as_conditions,
    negated,
)
from rules.language.frames import clock_frame, date_frame
from rules.language.keywords import data_type_of

#: Texts that a rule file can carry in quotes.
TEXTS = st.text(
    st.characters(codec="utf-8", exclude_characters='"^\n\r“”„‟', categories=["L", "N", "P", "Zs"]), min_size=1, max_size=12
)
#: Property names; the words of the language are some, which only what stands behind them tells apart.
PROPERTIES = "MODALITY SOURCE URGENCY PATIENT_S_NAME CALLING_AE_TITLE (0008,0060) (0040,0275)>(0040,0007) UNKNOWN A.B"
WORDS = "SEND DICOM BALANCE RULE DESTINATION HOLIDAY WHEN IF AND OR NOT IN TO FROM UNTIL VALID ENABLED PRIORITY PRIORSTUDY"
KEYWORDS = st.sampled_from(PROPERTIES.split() + WORDS.split())
CLOCKS = st.tuples(st.integers(0, 23), st.integers(0, 59), st.sampled_from(["", "07", "59"])).map(
    lambda parts: f"{parts[0]:02d}{parts[1]:02d}{parts[2]}"
)
DAYS = st.dates(min_value=date(1900, 1, 1)).map(
    lambda day: f"{day.year - 1700:03d}{day.month:02d}{day.day:02d}" if day.year < 2700 else "3260101"
)
MOMENTS = st.one_of(DAYS, st.tuples(DAYS, CLOCKS).map(".".join))
FRAMES = st.one_of(
    st.builds(clock_frame, st.sampled_from(["", "MON", "SUN", "HOL"]), CLOCKS, CLOCKS), st.builds(date_frame, MOMENTS, MOMENTS)
)


def _compared(keyword: str, operator: str, value: str) -> Condition:
    return Condition(keyword, operator, data_type_of(keyword), value)


def _framed(keyword: str, operator: str, frames: list[Frame]) -> Condition:
    return Condition(keyword, operator, "DT", "", tuple(frames))


TEXT_CONDITIONS = st.builds(_compared, KEYWORDS, st.sampled_from(["=", "!=", "<", ">=", "<=", ">"]), TEXTS)
DATE_CONDITIONS = st.builds(
    _framed, st.sampled_from(["NOW", "EXAM_TIME"]), st.sampled_from(["=", "!="]), st.lists(FRAMES, min_size=1, max_size=3)
)
CONDITIONS = TEXT_CONDITIONS | DATE_CONDITIONS


def expressions(conditions: st.SearchStrategy[Condition], leaves: int = 8) -> st.SearchStrategy[Expression]:
    """Give expressions over some conditions, in the form in which rules keep them."""
    return st.recursive(conditions, _combined, max_leaves=leaves)


def _combined(parts: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    several = st.lists(parts, min_size=2, max_size=3)
    return several.map(all_of) | several.map(any_of) | parts.map(negated)


ACTIONS = st.one_of(
    st.tuples(st.sampled_from(["SEND", "DICOM"]), TEXTS.map(lambda name: (Share(name),))),
    st.tuples(
        st.just("BALANCE"),
        st.lists(
            st.builds(Share, TEXTS | st.just("<LOCAL>"), st.just("25"), st.sampled_from(["", "7"])), min_size=1, max_size=3
        ).map(tuple),
    ),
)
VALIDITIES = st.one_of(
    st.none(),
    st.builds(Validity, DAYS),
    st.builds(Validity, st.just(""), DAYS),
    st.tuples(DAYS, DAYS).map(lambda days: Validity(min(days), max(days))),
)


def rules(conditions: st.SearchStrategy[tuple[Expression, ...]]) -> st.SearchStrategy[tuple[Rule, ...]]:
    """Give the rules of a file, numbered from 1."""
    drafts = st.builds(
        lambda action, parts, **how: Rule(0, action[0], action[1], parts, **how),
        ACTIONS,
        conditions,
        priority=st.sampled_from(["", "HIGH", "LOW", "MEDIUM"]),
        prior_study=st.sampled_from(["", "YES", "NO"]),
        name=st.just("") | TEXTS,
        valid=VALIDITIES,
        enabled=st.booleans(),
    )
    return st.lists(drafts, max_size=4).map(_numbered)


def _numbered(drafts: list[Rule]) -> tuple[Rule, ...]:
    return tuple(
        Rule(number, it.verb, it.parameters, it.conditions, it.priority, it.prior_study, it.name, it.valid, it.enabled)
        for number, it in enumerate(drafts, start=1)
    )


FLAT = st.lists(CONDITIONS, min_size=1, max_size=3).map(tuple)
NESTED = expressions(CONDITIONS).map(as_conditions)
FILES = st.builds(
    RuleFile,
    rules(FLAT | NESTED),
    st.lists(st.builds(NamedDestination, TEXTS, TEXTS), max_size=2, unique_by=lambda it: it.name.upper()).map(tuple),
    st.lists(st.builds(NamedHoliday, TEXTS, st.lists(DAYS, min_size=1, max_size=2).map(tuple)), max_size=2).map(tuple),
)

__all__ = ["CONDITIONS", "FILES", "FLAT", "NESTED", "TEXTS", "expressions", "rules"]
