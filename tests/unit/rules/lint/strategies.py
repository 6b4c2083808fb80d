"""Conditions and images that meet often enough for lint's claims to be put to the test."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hypothesis import strategies as st

from rules import Condition, Frame, ImageFacts, Moment, Rule, Share
from rules.judging.moment import full_text
from rules.language.ast import AllOf, AnyOf, Expression, Validity, negated
from rules.language.frames import clock_frame, date_frame
from rules.language.keywords import data_type_of

_TEXTS = ("CT", "MR", "CR", "C*", "?T", "*", "*T*", "M?", "ct", "")
_NUMBERS = ("1", "2", "2.5", "10", "9", "THIN")
_DAYS = ("3260105", "3260106", "3260107.08", "3260110", "3260112")


def _condition(keyword: str, operator: str, value: str) -> Condition:
    return Condition(keyword, operator, data_type_of(keyword), value)


def _framed(keyword: str, operator: str, frames: tuple[Frame, ...]) -> Condition:
    return Condition(keyword, operator, "DT", "", frames)


_clocks = st.builds(
    lambda day, begin, end: clock_frame(day, begin, end),
    st.sampled_from(["MON", "TUE", "SUN", "HOL", ""]),
    st.sampled_from(["0000", "0800", "0801", "1200", "1700", "080030"]),
    st.sampled_from(["0759", "0800", "1200", "1659", "1700", "2359", "170000"]),
)
_dates = st.builds(date_frame, st.sampled_from(_DAYS), st.sampled_from(_DAYS))
_frames = st.lists(st.one_of(_clocks, _dates), min_size=1, max_size=3).map(tuple)
_keywords = st.sampled_from(["MODALITY", "PROCEDURE", "PATIENT", "BODY_PART_EXAMINED"])
_leaves = st.one_of(
    st.builds(_condition, _keywords, st.sampled_from(["=", "!="]), st.sampled_from(_TEXTS)),
    st.builds(
        _condition,
        st.sampled_from(["PATIENT", "BODY_PART_EXAMINED"]),
        st.sampled_from(["<", ">", "<=", ">=", "=", "~"]),
        st.sampled_from(_NUMBERS),
    ),
    st.builds(
        _condition, st.just("URGENCY"), st.sampled_from(["=", "!=", "<"]), st.sampled_from(["STAT", "U*", "*", "S*", "X", "A"])
    ),
    st.builds(_framed, st.sampled_from(["NOW", "EXAM_TIME"]), st.sampled_from(["=", "!=", "<"]), _frames),
    st.builds(
        _condition,
        st.sampled_from(["NOW", "EXAM_TIME", "PROCEDURE_TIME"]),
        st.sampled_from(["=", "!=", "<", ">=", ">"]),
        st.sampled_from(["MON", "08:00", "8:01", "2026-01-06", "2026-01-07T08:00", "3260107", "3260107.08", "JUNK"]),
    ),
)


def _joined(kind: type[AllOf | AnyOf], parts: list[Expression]) -> Expression:
    return kind(tuple(inner for part in parts for inner in (part.parts if isinstance(part, kind) else (part,))))


expressions = st.recursive(
    _leaves,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: _joined(AllOf, parts)),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: _joined(AnyOf, parts)),
        inner.map(negated),
    ),
    max_leaves=6,
)
_validities = st.one_of(
    st.none(),
    st.none(),
    st.builds(Validity, st.sampled_from(["", "3260105", "3260107"]), st.sampled_from(["", "3260106", "3260110"])),
)
rules = st.builds(
    lambda conditions, valid: Rule(1, "SEND", (Share("KANSAS"),), tuple(conditions), valid=valid),
    st.lists(expressions, min_size=1, max_size=3),
    _validities,
)


@dataclass(frozen=True, slots=True)
class Case:
    """An image, when it is judged, and whether that day is a holiday."""

    facts: ImageFacts
    now: Moment
    holiday: bool

    def is_holiday(self, _day: str) -> bool:
        """Answer for any day."""
        return self.holiday


def _case(
    modality: str | None, patient: str | None, parts: list[str], urgency: str, exam: datetime | None, now: datetime, holiday: bool
) -> Case:
    values: dict[str, tuple[str, ...]] = {}
    if modality is not None:
        values |= dict.fromkeys(("MODALITY", "PROCEDURE"), (modality,))
    if patient is not None:
        values["PATIENT"] = (patient,)
    if parts:
        values["BODY_PART_EXAMINED"] = tuple(parts)
    if exam is not None:
        values |= dict.fromkeys(("EXAM_TIME", "PROCEDURE_TIME"), (full_text(exam)[4:],))
    return Case(ImageFacts(1, "1.2", values, urgency), Moment(now), holiday)


_words = st.sampled_from(["CT", "MR", "CR", "XT", "M", "C", "CTT", "ct", "T", ""])
_values = st.sampled_from(["0", "1", "1.5", "2", "2.5", "3", "9", "9.5", "10", "11", "THIN", "5x", "A", "Z", "", "CT", "CR"])
_moments = st.builds(
    lambda day, hour, minute, second: datetime.fromisoformat(f"2026-01-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}"),
    st.integers(3, 14),
    st.sampled_from([0, 7, 8, 9, 11, 12, 16, 17, 23]),
    st.sampled_from([0, 1, 59]),
    st.sampled_from([0, 29, 30, 31, 59]),
)
cases = st.builds(
    _case,
    st.one_of(st.none(), _words, _words),
    st.one_of(st.none(), _values, _values),
    st.lists(_values, max_size=3),
    st.sampled_from(["", "ROUTINE", "URGENT", "STAT"]),
    st.one_of(st.none(), _moments, _moments),
    _moments,
    st.booleans(),
)
