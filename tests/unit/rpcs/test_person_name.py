"""Names and numbers compare as the recorded VistA compared them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from rpcs.image_processing.person_name import compare, is_same_patient, parse_dicom_name
from tests.oracle.records import read_records

COMPARISONS = [record for record in read_records("t_compare") if "result" in record]
CHECKS = [record for record in read_records("t_pidcheck") if record.get("vista_patient") and record["case_number"]]


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
    patient = record["vista_patient"]
    same = is_same_patient(name, record["dicom_pid"], patient["name"], patient["ssn"])
    assert (name.last, name.first, name.middle) == (
        record["parsed_last"],
        record["parsed_first"],
        record["parsed_middle"],
    )
    assert name.text == record["name_after"]
    if record["exam_status"] != "CANCELLED":
        assert ("0" if same else "-4,PID ERROR") == record["result"]
