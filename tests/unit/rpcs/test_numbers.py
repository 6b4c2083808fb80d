"""Numbers and dates of callers are read as M reads them."""

from __future__ import annotations

import pytest

from rpcs.numbers import inverse_date


@pytest.mark.parametrize(
    ("date", "inverse"),
    [("3240610.093", "6759389.9069"), ("3240610", "6759389.9999"), ("3240610.0930", "6759389.9069"), ("", "9999999.9999")],
)
def test_an_exams_date_is_counted_down_and_back_again(date: str, inverse: str) -> None:
    assert inverse_date(date) == inverse
    assert inverse_date(inverse) == (date.rstrip("0") if "." in date else date or "0")
