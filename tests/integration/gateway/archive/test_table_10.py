"""Table 10 of the MagicStore statement: the attributes of studies and their patients, by Study Root."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.gateway.archive import test_table_06, test_table_07
from tests.integration.gateway.archive.samples import OTHER_STUDY, STUDY
from tests.integration.gateway.archive.tables import Row, exercise, is_right
from tests.support.archive_site import ArchiveSite

#: Tables 6 and 7 together; Patient ID is no unique key here.
ROWS = (
    *(
        Row(row.tag, row.keyword, "R" if row.type == "U" else row.type, STUDY, row.values, row.matching, row.failing)
        for row in test_table_06.ROWS
    ),
    *test_table_07.ROWS,
)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_study_attribute_is_matched_and_told(archive: ArchiveSite, tmp_path: Path, row: Row) -> None:
    exercise(archive, "study", "STUDY", {}, row, tmp_path)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_row_has_the_tag_of_the_table(row: Row) -> None:
    is_right(row)


def test_without_keys_every_study_is_found(archive: ArchiveSite) -> None:
    found = archive.find("STUDY", {"StudyInstanceUID": ""})
    assert set(found.by("StudyInstanceUID")) == {STUDY, OTHER_STUDY}
    assert found.status == 0x0000
