"""Table 6 of the MagicStore statement: the attributes of patients, by Patient Root and Patient/Study Only."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.gateway.archive.samples import PATIENT_ID
from tests.integration.gateway.archive.tables import exercise, named
from tests.support.archive_site import ArchiveSite
from tests.support.magicstore_tables import TABLE_6, AttributeRow


@pytest.mark.parametrize("model", ["patient", "patient/study"])
@pytest.mark.parametrize("row", TABLE_6, ids=named)
def test_a_patient_attribute_is_matched_and_told(archive: ArchiveSite, tmp_path: Path, row: AttributeRow, model: str) -> None:
    exercise(archive, model, "PATIENT", {}, row, PATIENT_ID, tmp_path)


def test_study_root_has_no_patients(archive: ArchiveSite) -> None:
    found = archive.find("PATIENT", {"PatientID": ""}, "study")
    assert found.status == 0xA900
    assert found.comment
    assert not found.matches
