"""Table 9 of the MagicStore statement: the attributes of images and presentation states, by Patient Root and Study Root."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.gateway.archive.samples import (
    CT,
    IMAGE,
    IMAGES,
    MR,
    PATIENT_ID,
    STATE,
    STATES,
    STUDY,
)
from tests.integration.gateway.archive.tables import Row, exercise, is_right
from tests.support.archive_site import ArchiveSite

ROWS = (
    Row((0x0020, 0x0013), "InstanceNumber", "R", IMAGE, ("3",), ("3",), ("4", "33")),
    Row((0x0008, 0x0016), "SOPClassUID", "O", IMAGE, (CT,), (CT, [MR, CT]), (MR,)),
    Row((0x0008, 0x0018), "SOPInstanceUID", "U", IMAGE, (IMAGE,), (IMAGE, ["2.25.9", IMAGE]), ("2.25.9", IMAGES)),
    Row((0x0008, 0x0023), "ContentDate", "O", IMAGE, ("20260210",), ("20260210", "20260201-20260211"), ("20260212", "20260211-")),
    Row((0x0008, 0x0033), "ContentTime", "O", IMAGE, ("101700",), ("101700", "1017", "10-11"), ("1018", "1018-")),
    Row((0x0028, 0x0010), "Rows", "O", IMAGE, ("128",), (128,), (64,)),
    Row((0x0028, 0x0011), "Columns", "O", IMAGE, ("128",), (128,), (64,)),
    Row((0x0028, 0x0008), "NumberOfFrames", "O", IMAGE, ("1",), ("1",), ("2",)),
    Row((0x0028, 0x0100), "BitsAllocated", "O", IMAGE, ("16",), (16,), (8,)),
    Row((0x0028, 0x0101), "BitsStored", "O", IMAGE, ("16",), (16,), (12,)),
    Row((0x0070, 0x0080), "ContentLabel", "O", STATE, ("LABEL_1",), ("LABEL_1", "LABEL*"), ("LABEL", "LABEL_2")),
    Row((0x0070, 0x0081), "ContentDescription", "O", STATE, ("Bone window",), ("Bone window", "*window"), ("Lung*", "bone*")),
    Row(
        (0x0070, 0x0082),
        "PresentationCreationDate",
        "O",
        STATE,
        ("20260301",),
        ("20260301", "20260201-"),
        ("20260302", "-20260228"),
    ),
    Row((0x0070, 0x0083), "PresentationCreationTime", "O", STATE, ("101500",), ("101500", "1015", "10-11"), ("1016", "1016-")),
    Row((0x0070, 0x0084), "ContentCreatorName", "O", STATE, ("CREATOR^ANN",), ("CREATOR^ANN", "CREA*"), ("ANN*", "CREATOR")),
)


@pytest.mark.parametrize("model", ["patient", "study"])
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_an_image_attribute_is_matched_and_told(archive: ArchiveSite, tmp_path: Path, row: Row, model: str) -> None:
    above = {"StudyInstanceUID": STUDY, "SeriesInstanceUID": STATES if row.entity == STATE else IMAGES}
    if model == "patient":
        above["PatientID"] = PATIENT_ID
    exercise(archive, model, "IMAGE", above, row, tmp_path)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_row_has_the_tag_of_the_table(row: Row) -> None:
    is_right(row)
