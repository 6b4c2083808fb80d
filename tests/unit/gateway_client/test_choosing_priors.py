"""Priors are earlier studies of the same patient, the latest ones, as the settings say."""

from __future__ import annotations

from datetime import date

import pytest

from gateway_client.priors.choosing import Candidate, NewStudy, Series, fits, in_order, may_be_asked_for, period
from runtime import PriorSettings

NEW = NewStudy("1.1", "P1", "19500131", "20261121", "1030", "CT", "CHEST")
TODAY = date(2026, 11, 22)


@pytest.mark.parametrize(
    ("study_date", "years", "expected"),
    [
        ("20261121", 5, "20211121-20261121"),
        ("20240301", 1, "20230302-20240301"),
        ("", 1, "20251122-20261122"),  # no date: up to today
        ("2026", 1, "20251122-20261122"),
        ("20261331", 1, "20251122-20261122"),
        ("01500101", 200, "00010101-01500101"),
    ],
)
def test_they_are_looked_for_in_the_years_before_the_study(study_date: str, years: float, expected: str) -> None:
    assert period(NewStudy("1.1", "P1", study_date=study_date), years, TODAY) == expected


@pytest.mark.parametrize(
    ("patient_id", "expected"), [("P1", True), ("000-00-1234", True), ("", False), ("P*", False), ("P?", False), ("A\\B", False)]
)
def test_a_patient_is_asked_for_by_an_id_that_is_one_patients(patient_id: str, expected: bool) -> None:
    assert may_be_asked_for(NewStudy("1.1", patient_id)) is expected


def test_the_latest_come_first_and_none_of_another_patient() -> None:
    older, newer = Candidate("1.2", "P1", "19500131", "20200101"), Candidate("1.3", "P1", "", "20250101", "1000")
    evening = Candidate("1.4", "", "19500131", "20250101", "2000")
    others = [
        Candidate("1.5", "P1X", "19500131", "20250102"),  # an archive that matched more than it was asked for
        Candidate("1.6", "P1", "19600131", "20250102"),  # one ID, two patients
        Candidate("1.1", "P1", "19500131", "20261121"),  # the study itself
        Candidate("", "P1", "19500131", "20250102"),
    ]
    assert in_order(NEW, [older, *others, newer, newer, evening]) == [evening, newer, older]


@pytest.mark.parametrize(
    ("its", "new", "earlier"),
    [
        (("20261120", "2359"), ("20261121", "0001"), True),
        (("20261122", "0900"), ("20261121", "1030"), False),
        (("20261121", "102959.999"), ("20261121", "103000"), True),
        (("20261121", "1030"), ("20261121", "103059"), False),  # in the same minute: nobody knows
        (("20261121", "10"), ("20261121", "1030"), False),
        (("20261121", "10"), ("20261121", "09:30:00"), False),
        (("20261121", "09:30:00"), ("20261121", "10"), True),
        (("20261121", "235900"), ("20261121", "1030"), False),
        (("20261121", ""), ("20261121", "1030"), False),
        (("20261121", "0900"), ("20261121", ""), False),
        (("20261121", "0900"), ("", ""), True),  # no date: what was found up to today
    ],
)
def test_none_is_of_the_same_day_unless_it_began_earlier(its: tuple[str, str], new: tuple[str, str], earlier: bool) -> None:
    candidate = Candidate("1.2", "P1", "", *its)
    assert in_order(NewStudy("1.1", "P1", "", *new), [candidate]) == ([candidate] if earlier else [])


@pytest.mark.parametrize(
    ("same_modality", "same_body_part", "series", "expected"),
    [
        (False, False, ("MR", "HEAD"), True),
        (True, False, ("CT", "HEAD"), True),
        (True, False, ("MR", "CHEST"), False),
        (False, True, ("MR", "chest"), True),
        (False, True, ("CT", ""), False),
        (True, True, ("CT", "CHEST"), True),
        (True, True, ("CT", "HEAD"), False),
    ],
)
def test_one_series_has_what_they_are_to_have_in_common(
    same_modality: bool, same_body_part: bool, series: tuple[str, str], expected: bool
) -> None:
    settings = PriorSettings(archive="ARCHIVE", same_modality=same_modality, same_body_part=same_body_part)
    assert fits(NEW, settings, [Series("OT", "FOOT"), Series(*series)]) is expected
