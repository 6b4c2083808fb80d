"""Table 10 of the MagicStore statement: the attributes of studies and their patients, by Study Root."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.gateway.archive.samples import OTHER_STUDY, STUDY
from tests.integration.gateway.archive.tables import exercise, named
from tests.support.archive_site import ArchiveSite
from tests.support.magicstore_tables import TABLE_10, AttributeRow


@pytest.mark.parametrize("row", TABLE_10, ids=named)
def test_a_study_attribute_is_matched_and_told(archive: ArchiveSite, tmp_path: Path, row: AttributeRow) -> None:
    exercise(archive, "study", "STUDY", {}, row, STUDY, tmp_path)


def test_without_keys_every_study_is_found(archive: ArchiveSite) -> None:
    found = archive.find("STUDY", {"StudyInstanceUID": ""})
    assert set(found.by("StudyInstanceUID")) == {STUDY, OTHER_STUDY}
    assert found.status == 0x0000
