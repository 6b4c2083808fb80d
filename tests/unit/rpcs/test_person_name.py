"""Names and numbers compare as the recorded VistA compared them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from rpcs.image_processing.person_name import Association, compare, parse_dicom_name
from tests.oracle.records import read_records

COMPARISONS = [record for record in read_records("t_compare") if "result" in record]
CHECKS = [record for record in read_records("t_pidcheck") if "result" in record]


def m_number(value: Fraction) -> str:
    """Write a fraction as GT.M does: 18 digits, cut, no leading zero."""
    digits = f"{value.numerator * 10**18 // value.denominator:018d}"
    whole, decimals = digits[:-18], digits[-18:].rstrip("0")
    return (whole.lstrip("0") + ("." + decimals if decimals else "")) or "0"


def test_there_are_enough_records() -> None:
    assert len(COMPARISONS) > 100
    assert len(CHECKS) > 150


@pytest.mark.parametrize("record", COMPARISONS, ids=lambda record: record["id"])
def test_two_texts_score_as_recorded(record: dict[str, Any]) -> None:
    assert m_number(compare(record["a"], record["b"])) == record["result"]


@pytest.mark.parametrize("record", CHECKS, ids=lambda record: record["id"])
def test_a_patient_is_recognised_as_recorded(record: dict[str, Any]) -> None:
    name = parse_dicom_name(record["dicom_name"])
    patient = record["vista_patient"] or {"name": "", "ssn": ""}
    assert (name.last, name.first, name.middle) == (
        record["parsed_last"],
        record["parsed_first"],
        record["parsed_middle"],
    )
    assert name.text == record["name_after"]
    association = Association(
        name,
        record["dicom_pid"],
        record["case_number"],
        found=True,
        cancelled=record["exam_status"] == "CANCELLED",
        vista_name=patient["name"],
        vista_id=patient["ssn"],
    )
    assert (association.problem() or "0") == record["result"]


@pytest.mark.parametrize(
    ("case_number", "found", "cancelled", "problem"),
    [
        ("", False, False, "-1,NO CASE #"),
        ("1", False, False, "-2,BAD CASE #"),
        ("1", True, True, "-3,CANCELLED"),
        ("1", True, False, "-4,PID ERROR"),
    ],
)
def test_the_first_thing_that_does_not_fit_is_told(case_number: str, found: bool, cancelled: bool, problem: str) -> None:
    name = parse_dicom_name("NOBODY^AT ALL")
    assert Association(name, "1", case_number, found, cancelled, "DEMO,PATIENT", "2").problem() == problem
