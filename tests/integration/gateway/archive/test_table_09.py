"""Table 9 of the MagicStore statement: the attributes of images and presentation states, by Patient Root and Study Root."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.gateway.archive.samples import IMAGE, IMAGES, PATIENT_ID, STATE, STATES, STUDY
from tests.integration.gateway.archive.tables import UNIQUE, exercise, named
from tests.support.archive_site import ArchiveSite
from tests.support.magicstore_tables import TABLE_9, AttributeRow

#: The group of the attributes of presentation states.
PRESENTATION = 0x0070


@pytest.mark.parametrize("model", ["patient", "study"])
@pytest.mark.parametrize("row", TABLE_9, ids=named)
def test_an_image_attribute_is_matched_and_told(archive: ArchiveSite, tmp_path: Path, row: AttributeRow, model: str) -> None:
    series, instance = (STATES, STATE) if row.tag >> 16 == PRESENTATION else (IMAGES, IMAGE)
    above = {UNIQUE["STUDY"]: STUDY, UNIQUE["SERIES"]: series}
    if model == "patient":
        above[UNIQUE["PATIENT"]] = PATIENT_ID
    exercise(archive, model, "IMAGE", above, row, instance, tmp_path)
