"""FileMan dates and $HOROLOG, both ways."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fileman import (
    age_in_years,
    external_date,
    from_fileman,
    from_horolog,
    is_fileman,
    mixed_case_date_time,
    to_fileman,
    to_horolog,
)

# What FileMan writes, and the moment (year, month, day, hour, minute, second).
BOTH_WAYS = [
    ("3240610.093", (2024, 6, 10, 9, 30)),
    ("3240610.09301", (2024, 6, 10, 9, 30, 10)),
    ("3240610.093001", (2024, 6, 10, 9, 30, 1)),
    ("3240610.1", (2024, 6, 10, 10)),
    ("3240610.01", (2024, 6, 10, 1)),
    ("3240610.235959", (2024, 6, 10, 23, 59, 59)),
    ("3240610.000001", (2024, 6, 10, 0, 0, 1)),
    ("3240229", (2024, 2, 29)),
    ("2991231", (1999, 12, 31)),
    ("0000101", (1700, 1, 1)),
    ("9991231.235959", (2699, 12, 31, 23, 59, 59)),
]

moments = st.datetimes(datetime.fromisoformat("1841-01-01T00:00"), datetime.fromisoformat("2699-12-31T23:59:59")).map(
    lambda moment: moment.replace(microsecond=0)
)


@pytest.mark.parametrize(("text", "parts"), BOTH_WAYS)
def test_a_moment_is_written_and_read(text: str, parts: tuple[int, int, int]) -> None:
    moment = datetime(*parts)  # noqa: DTZ001  no zones here
    assert to_fileman(moment) == text
    assert from_fileman(text) == moment


def test_a_day_has_no_time() -> None:
    assert to_fileman(date(1950, 1, 31)) == "2500131"


def test_hour_24_is_the_midnight_that_ends_the_day() -> None:
    assert from_fileman("3240610.24") == from_fileman("3240611")
    assert from_fileman("3241231.24") == from_fileman("3250101")


@pytest.mark.parametrize(
    "text",
    ["", "324061", "32406100", "3240000", "3240600", "2700229", "3240610.", "3240610.25", "3240610.0960", "3240610.2401",
     "3240610.0930011", "2024-06-10", "T", " 3240610", "3240610\n"],
)  # fmt: skip
def test_what_is_no_exact_day_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        from_fileman(text)
    assert not is_fileman(text)


@pytest.mark.parametrize("year", [1, 1699, 2700, 9999])
def test_years_that_three_digits_cannot_name_are_refused(year: int) -> None:
    with pytest.raises(ValueError, match=str(year)):
        to_fileman(date(year, 1, 1))


@given(moments)
def test_every_moment_survives_both_texts(moment: datetime) -> None:
    assert from_fileman(to_fileman(moment)) == moment
    assert from_horolog(to_horolog(moment)) == moment
    assert is_fileman(to_fileman(moment))


@given(moments, st.integers(1, 10**9))
def test_texts_with_a_time_order_as_moments_do(moment: datetime, seconds: int) -> None:
    later = moment + timedelta(seconds=seconds)
    if later.year < 2700:
        assert float(to_fileman(moment)) < float(to_fileman(later))


@given(st.text(max_size=20))
def test_no_text_breaks_the_reader(text: str) -> None:
    if is_fileman(text):
        assert isinstance(from_fileman(text), datetime)


@pytest.mark.parametrize(
    ("text", "parts"),
    [("1,0", (1841, 1, 1)), ("58073,1", (1999, 12, 31, 0, 0, 1)), ("66810,86399", (2023, 12, 2, 23, 59, 59))],
)
def test_horolog_counts_days_and_seconds(text: str, parts: tuple[int, int, int]) -> None:
    moment = datetime(*parts)  # noqa: DTZ001  no zones here
    assert to_horolog(moment) == text
    assert from_horolog(text) == moment


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2500115", "JAN 15,1950"),
        ("3240610.0930", "JUN 10,2024"),
        ("2700229", "FEB 29,1970"),  # no calendar has it, VistA prints it
        ("2701301", "2701301"),
        ("2700001", "2700001"),
        ("", ""),
        ("UNKNOWN", "UNKNOWN"),
    ],
)
def test_the_external_day(text: str, shown: str) -> None:
    assert external_date(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("3261121.033733", "Nov 21, 2026@03:37:33"),
        ("3261121.0337", "Nov 21, 2026@03:37"),
        ("3261101", "Nov 01, 2026"),
    ],
)
def test_the_mixed_case_moment(text: str, shown: str) -> None:
    assert mixed_case_date_time(text) == shown


@pytest.mark.parametrize(
    ("birth", "today", "age"),
    [
        ("2500115", date(2026, 1, 14), "75"),
        ("2500115", date(2026, 1, 15), "76"),
        ("2700229", date(2026, 2, 28), "55"),
        ("2700229", date(2026, 3, 1), "56"),
        ("", date(2026, 3, 1), ""),
        ("UNKNOWN", date(2026, 3, 1), ""),
    ],
)
def test_ages_change_on_the_birthday(birth: str, today: date, age: str) -> None:
    assert age_in_years(birth, today) == age
