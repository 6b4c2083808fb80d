"""Table 8 of the MagicStore statement: the attributes of series, by Patient Root and Study Root."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import Dataset

from tests.integration.gateway.archive.samples import IMAGES, PATIENT_ID, STUDY
from tests.integration.gateway.archive.tables import UNIQUE, exercise, named
from tests.support.archive_site import ArchiveSite
from tests.support.magicstore_tables import TABLE_8, AttributeRow

OF_STUDY = {UNIQUE["STUDY"]: STUDY}
ABOVE = {"patient": {UNIQUE["PATIENT"]: PATIENT_ID, **OF_STUDY}, "study": OF_STUDY}


@pytest.mark.parametrize("model", ["patient", "study"])
@pytest.mark.parametrize("row", TABLE_8, ids=named)
def test_a_series_attribute_is_matched_and_told(archive: ArchiveSite, tmp_path: Path, row: AttributeRow, model: str) -> None:
    exercise(archive, model, "SERIES", ABOVE[model], row, IMAGES, tmp_path)


@pytest.mark.parametrize(("wanted", "there"), [("RP-2", True), ("RP-3", False), ("", True)])
def test_a_requested_procedure_id_may_be_asked_for_in_its_sequence(archive: ArchiveSite, wanted: str, there: bool) -> None:
    item = Dataset()
    item.RequestedProcedureID = wanted
    found = archive.find("SERIES", {**OF_STUDY, "SeriesInstanceUID": "", "RequestAttributesSequence": [item]})
    assert (IMAGES in found.by("SeriesInstanceUID")) is there
    if there:
        items = found.by("SeriesInstanceUID")[IMAGES].RequestAttributesSequence
        assert [item.RequestedProcedureID for item in items] == ["RP-1", "RP-2"]
    assert found.status == 0x0000


def test_the_number_of_instances_of_a_series_is_told_though_the_statement_lacks_it(archive: ArchiveSite) -> None:
    found = archive.find("SERIES", {**OF_STUDY, "SeriesInstanceUID": "", "NumberOfSeriesRelatedInstances": ""})
    assert found.by("SeriesInstanceUID")[IMAGES].NumberOfSeriesRelatedInstances == 2
