"""Table 8 of the MagicStore statement: the attributes of series, by Patient Root and Study Root."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import Dataset

from tests.integration.gateway.archive.samples import IMAGES, PATIENT_ID, STUDY
from tests.integration.gateway.archive.tables import Row, exercise, is_right
from tests.support.archive_site import ArchiveSite

S = IMAGES
ABOVE = {"patient": {"PatientID": PATIENT_ID, "StudyInstanceUID": STUDY}, "study": {"StudyInstanceUID": STUDY}}
ROWS = (
    Row((0x0008, 0x0060), "Modality", "R", S, ("CT",), ("CT", "C?"), ("PR", "C", "ct")),
    Row((0x0008, 0x103E), "SeriesDescription", "O", S, ("AXIAL 5 MM",), ("AXIAL 5 MM", "AXIAL*", "*5*"), ("AXIAL", "CORONAL*")),
    Row((0x0020, 0x0011), "SeriesNumber", "R", S, ("7",), ("7",), ("8", "70")),
    Row((0x0020, 0x000E), "SeriesInstanceUID", "U", S, (S,), (S, ["2.25.9", S]), ("2.25.1001", ["2.25.9", "2.25.8"])),
    Row((0x0018, 0x0015), "BodyPartExamined", "O", S, ("HEAD",), ("HEAD", "HE*"), ("CHEST", "HE")),
    Row(
        (0x0040, 0x0244),
        "PerformedProcedureStepStartDate",
        "O",
        S,
        ("20260210",),
        ("20260210", "20260201-20260210"),
        ("20260211", "-20260209"),
    ),
    Row((0x0040, 0x0245), "PerformedProcedureStepStartTime", "O", S, ("1016",), ("1016", "1000-1030"), ("1017", "1017-")),
    Row(
        (0x0040, 0x0250),
        "PerformedProcedureStepEndDate",
        "O",
        S,
        ("20260211",),
        ("20260211", "20260211-"),
        ("20260210", "-20260210"),
    ),
    Row((0x0040, 0x0251), "PerformedProcedureStepEndTime", "O", S, ("0030",), ("0030", "00-01"), ("0031", "0031-")),
    Row((0x0040, 0x1001), "RequestedProcedureID", "O", S, ("RP-1", "RP-2"), ("RP-1", "RP-2", "RP*"), ("RP-3", "RP")),
)


@pytest.mark.parametrize("model", ["patient", "study"])
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_series_attribute_is_matched_and_told(archive: ArchiveSite, tmp_path: Path, row: Row, model: str) -> None:
    exercise(archive, model, "SERIES", ABOVE[model], row, tmp_path)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_row_has_the_tag_of_the_table(row: Row) -> None:
    is_right(row)


@pytest.mark.parametrize(("wanted", "there"), [("RP-2", True), ("RP-3", False), ("", True)])
def test_a_requested_procedure_id_may_be_asked_for_in_its_sequence(archive: ArchiveSite, wanted: str, there: bool) -> None:
    item = Dataset()
    item.RequestedProcedureID = wanted
    found = archive.find("SERIES", {"StudyInstanceUID": STUDY, "SeriesInstanceUID": "", "RequestAttributesSequence": [item]})
    assert (IMAGES in found.by("SeriesInstanceUID")) is there
    if there:
        (*ids,) = found.by("SeriesInstanceUID")[IMAGES].RequestAttributesSequence
        assert [item.RequestedProcedureID for item in ids] == ["RP-1", "RP-2"]
    assert found.status == 0x0000


def test_the_number_of_instances_of_a_series_is_told_though_the_statement_lacks_it(archive: ArchiveSite) -> None:
    found = archive.find("SERIES", {"StudyInstanceUID": STUDY, "SeriesInstanceUID": "", "NumberOfSeriesRelatedInstances": ""})
    assert found.by("SeriesInstanceUID")[IMAGES].NumberOfSeriesRelatedInstances == 2
