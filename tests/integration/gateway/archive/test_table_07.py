"""Table 7 of the MagicStore statement: the attributes of studies, by Patient Root and Patient/Study Only."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.gateway.archive.samples import PATIENT_ID, STUDY
from tests.integration.gateway.archive.tables import UNIQUE, exercise, named
from tests.support.archive_site import ArchiveSite
from tests.support.magicstore_tables import TABLE_7, AttributeRow


@pytest.mark.parametrize("model", ["patient", "patient/study"])
@pytest.mark.parametrize("row", TABLE_7, ids=named)
def test_a_study_attribute_is_matched_and_told(archive: ArchiveSite, tmp_path: Path, row: AttributeRow, model: str) -> None:
    exercise(archive, model, "STUDY", {UNIQUE["PATIENT"]: PATIENT_ID}, row, STUDY, tmp_path)


@pytest.mark.parametrize("level", ["SERIES", "IMAGE"])
def test_patient_study_only_has_nothing_below_studies(archive: ArchiveSite, level: str) -> None:
    found = archive.find(level, {"PatientID": PATIENT_ID, "StudyInstanceUID": STUDY}, "patient/study")
    assert found.status == 0xA900
    assert found.comment
