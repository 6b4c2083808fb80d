"""Table 6 of the MagicStore statement: the attributes of patients, by Patient Root and Patient/Study Only."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.gateway.archive.samples import PATIENT_ID
from tests.integration.gateway.archive.tables import Row, exercise, is_right
from tests.support.archive_site import ArchiveSite

P = PATIENT_ID
ROWS = (
    Row(
        (0x0010, 0x0010),
        "PatientName",
        "R",
        P,
        ("DEMO^PATIENT ONE",),
        ("DEMO^PATIENT ONE", "DEMO^P*", "D?MO^*ONE"),
        ("DEMO", "demo^*", "*TWO"),
    ),
    Row((0x0010, 0x0020), "PatientID", "U", P, (P,), (P, "6660011?0", "*1100"), ("666001101", "6660011?", "1100*")),
    Row(
        (0x0010, 0x0030),
        "PatientBirthDate",
        "O",
        P,
        ("19500131",),
        ("19500131", "19500101-19501231", "-19500131", "19500131-"),
        ("19500201", "-19500130", "19500201-"),
    ),
    Row((0x0010, 0x0040), "PatientSex", "O", P, ("M",), ("M", "?"), ("F", "O")),
    Row((0x0010, 0x1000), "OtherPatientIDs", "O", P, ("OTHER-1", "OTHER-2"), ("OTHER-1", "OTHER-2", "*-2"), ("OTHER-3", "OTHER")),
)


@pytest.mark.parametrize("model", ["patient", "patient/study"])
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_patient_attribute_is_matched_and_told(archive: ArchiveSite, tmp_path: Path, row: Row, model: str) -> None:
    exercise(archive, model, "PATIENT", {}, row, tmp_path)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_row_has_the_tag_of_the_table(row: Row) -> None:
    is_right(row)


def test_study_root_has_no_patients(archive: ArchiveSite) -> None:
    found = archive.find("PATIENT", {"PatientID": ""}, "study")
    assert found.status == 0xA900
    assert found.comment
    assert not found.matches
