"""Table 7 of the MagicStore statement: the attributes of studies, by Patient Root and Patient/Study Only."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.gateway.archive.samples import PATIENT_ID, STUDY
from tests.integration.gateway.archive.tables import Row, exercise, is_right
from tests.support.archive_site import ArchiveSite

S = STUDY
ROWS = (
    Row(
        (0x0008, 0x0020),
        "StudyDate",
        "R",
        S,
        ("20260210",),
        ("20260210", "20260101-20260228", "20260210-", "-20260210"),
        ("20260211", "20260211-", "-20260209"),
    ),
    Row(
        (0x0008, 0x0030),
        "StudyTime",
        "R",
        S,
        ("101530.25",),
        ("101530.25", "1015", "1000-1100", "1015-", "-1015"),
        ("1030", "101531-", "-1014"),
    ),
    Row(
        (0x0008, 0x0050),
        "AccessionNumber",
        "R",
        S,
        ("021026-201",),
        ("021026-201", "021026*", "??1026-201"),
        ("021026-202", "021026"),
    ),
    Row((0x0008, 0x0061), "ModalitiesInStudy", "O", S, ("CT", "PR"), ("CT", "PR", "C*"), ("MR", "C")),
    Row((0x0020, 0x0010), "StudyID", "R", S, ("STUDY-1",), ("STUDY-1", "STUDY-?"), ("STUDY-2", "STUDY", "study-1")),
    Row((0x0020, 0x000D), "StudyInstanceUID", "U", S, (S,), (S, ["2.25.9", S]), ("2.25.100", ["2.25.9", "2.25.8"])),
    Row(
        (0x0008, 0x0090),
        "ReferringPhysicianName",
        "O",
        S,
        ("REFERRER^ROBERT",),
        ("REFERRER^ROBERT", "REF*"),
        ("ROBERT*", "REFERRER"),
    ),
    Row((0x0008, 0x1030), "StudyDescription", "O", S, ("CT OF THE HEAD",), ("CT OF THE HEAD", "*HEAD", "CT*"), ("CT", "*BRAIN")),
    Row(
        (0x0008, 0x1060),
        "NameOfPhysiciansReadingStudy",
        "O",
        S,
        ("READER^RITA", "SECOND^SAM"),
        ("READER^RITA", "SECOND^SAM", "SEC*"),
        ("READER", "THIRD*"),
    ),
    Row((0x0020, 0x1208), "NumberOfStudyRelatedInstances", "O", S, ("3",), ("3",), ("2",)),
)


@pytest.mark.parametrize("model", ["patient", "patient/study"])
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_study_attribute_is_matched_and_told(archive: ArchiveSite, tmp_path: Path, row: Row, model: str) -> None:
    exercise(archive, model, "STUDY", {"PatientID": PATIENT_ID}, row, tmp_path)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_row_has_the_tag_of_the_table(row: Row) -> None:
    is_right(row)


@pytest.mark.parametrize("level", ["SERIES", "IMAGE"])
def test_patient_study_only_has_nothing_below_studies(archive: ArchiveSite, level: str) -> None:
    found = archive.find(level, {"PatientID": PATIENT_ID, "StudyInstanceUID": STUDY}, "patient/study")
    assert found.status == 0xA900
    assert found.comment
