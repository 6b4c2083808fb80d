"""Examples of the attributes of tables 6 to 10 of the MagicStore statement, and how a row of them is exercised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom import Dataset

from tests.integration.gateway.archive.samples import CT, IMAGE, IMAGES, MR, PATIENT_ID, STUDY
from tests.support.archive_site import ArchiveSite
from tests.support.magicstore_tables import AttributeRow

#: The attribute by which an entity of each level is known.
UNIQUE = {"PATIENT": 0x00100020, "STUDY": 0x0020000D, "SERIES": 0x0020000E, "IMAGE": 0x00080018}


@dataclass(frozen=True)
class Example:
    """What an attribute of a sample is, and keys that match it and that do not."""

    values: tuple[str, ...]
    matching: tuple[Any, ...]
    failing: tuple[Any, ...]


EXAMPLES = {
    "PatientName": Example(("DEMO^PATIENT ONE",), ("DEMO^PATIENT ONE", "DEMO^P*", "D?MO^*ONE"), ("DEMO", "demo^*", "*TWO")),
    "PatientID": Example((PATIENT_ID,), (PATIENT_ID, "6660011?0", "*1100"), ("666001101", "6660011?", "1100*")),
    "PatientBirthDate": Example(
        ("19500131",), ("19500131", "19500101-19501231", "-19500131", "19500131-"), ("19500201", "-19500130", "19500201-")
    ),
    "PatientSex": Example(("M",), ("M", "?"), ("F", "O")),
    "OtherPatientIDs": Example(("OTHER-1", "OTHER-2"), ("OTHER-1", "OTHER-2", "*-2"), ("OTHER-3", "OTHER")),
    "StudyDate": Example(
        ("20260210",), ("20260210", "20260101-20260228", "20260210-", "-20260210"), ("20260211", "20260211-", "-20260209")
    ),
    "StudyTime": Example(("101530.25",), ("101530.25", "1015", "1000-1100", "1015-", "-1015"), ("1030", "101531-", "-1014")),
    "AccessionNumber": Example(("021026-201",), ("021026-201", "021026*", "??1026-201"), ("021026-202", "021026")),
    "ModalitiesInStudy": Example(("CT", "PR"), ("CT", "PR", "C*"), ("MR", "C")),
    "StudyID": Example(("STUDY-1",), ("STUDY-1", "STUDY-?"), ("STUDY-2", "STUDY", "study-1")),
    "StudyInstanceUID": Example((STUDY,), (STUDY, ["2.25.9", STUDY]), ("2.25.100", ["2.25.9", "2.25.8"])),
    "ReferringPhysicianName": Example(("REFERRER^ROBERT",), ("REFERRER^ROBERT", "REF*"), ("ROBERT*", "REFERRER")),
    "StudyDescription": Example(("CT OF THE HEAD",), ("CT OF THE HEAD", "*HEAD", "CT*"), ("CT", "*BRAIN")),
    "NameOfPhysiciansReadingStudy": Example(
        ("READER^RITA", "SECOND^SAM"), ("READER^RITA", "SECOND^SAM", "SEC*"), ("READER", "THIRD*")
    ),
    "NumberOfStudyRelatedInstances": Example(("3",), ("3",), ("2",)),
    "Modality": Example(("CT",), ("CT", "C?"), ("PR", "C", "ct")),
    "SeriesDescription": Example(("AXIAL 5 MM",), ("AXIAL 5 MM", "AXIAL*", "*5*"), ("AXIAL", "CORONAL*")),
    "SeriesNumber": Example(("7",), ("7",), ("8", "70")),
    "SeriesInstanceUID": Example((IMAGES,), (IMAGES, ["2.25.9", IMAGES]), ("2.25.1001", ["2.25.9", "2.25.8"])),
    "BodyPartExamined": Example(("HEAD",), ("HEAD", "HE*"), ("CHEST", "HE")),
    "PerformedProcedureStepStartDate": Example(("20260210",), ("20260210", "20260201-20260210"), ("20260211", "-20260209")),
    "PerformedProcedureStepStartTime": Example(("1016",), ("1016", "1000-1030"), ("1017", "1017-")),
    "PerformedProcedureStepEndDate": Example(("20260211",), ("20260211", "20260211-"), ("20260210", "-20260210")),
    "PerformedProcedureStepEndTime": Example(("0030",), ("0030", "00-01"), ("0031", "0031-")),
    "RequestedProcedureID": Example(("RP-1", "RP-2"), ("RP-1", "RP-2", "RP*"), ("RP-3", "RP")),
    "InstanceNumber": Example(("3",), ("3",), ("4", "33")),
    "SOPClassUID": Example((CT,), (CT, [MR, CT]), (MR,)),
    "SOPInstanceUID": Example((IMAGE,), (IMAGE, ["2.25.9", IMAGE]), ("2.25.9", IMAGES)),
    "ContentDate": Example(("20260210",), ("20260210", "20260201-20260211"), ("20260212", "20260211-")),
    "ContentTime": Example(("101700",), ("101700", "1017", "10-11"), ("1018", "1018-")),
    "Rows": Example(("128",), (128,), (64,)),
    "Columns": Example(("128",), (128,), (64,)),
    "NumberOfFrames": Example(("1",), ("1",), ("2",)),
    "BitsAllocated": Example(("16",), (16,), (8,)),
    "BitsStored": Example(("16",), (16,), (12,)),
    "ContentLabel": Example(("LABEL_1",), ("LABEL_1", "LABEL*"), ("LABEL", "LABEL_2")),
    "ContentDescription": Example(("Bone window",), ("Bone window", "*window"), ("Lung*", "bone*")),
    "PresentationCreationDate": Example(("20260301",), ("20260301", "20260201-"), ("20260302", "-20260228")),
    "PresentationCreationTime": Example(("101500",), ("101500", "1015", "10-11"), ("1016", "1016-")),
    "ContentCreatorName": Example(("CREATOR^ANN",), ("CREATOR^ANN", "CREA*"), ("ANN*", "CREATOR")),
}


def named(row: object) -> str:
    """Name the test of a row."""
    assert isinstance(row, AttributeRow)
    return row.keyword


def values_of(match: Dataset, row: AttributeRow) -> tuple[str, ...]:
    """Give the values of an attribute as texts; those of a Requested Procedure ID stand in their sequence."""
    if row.keyword == "RequestedProcedureID":
        assert row.tag not in match
        return tuple(str(item[row.tag].value) for item in match.RequestAttributesSequence)
    element = match[row.tag]
    if not element.VM:
        return ()
    return tuple(str(value) for value in element.value) if element.VM > 1 else (str(element.value),)


def exercise(
    archive: ArchiveSite, model: str, level: str, above: Mapping[int, str], row: AttributeRow, entity: str, directory: Path
) -> None:
    """Ask for the attribute, by DCMTK too, then with keys that match an entity and such as do not; no key is unsupported."""
    unique, example = UNIQUE[level], EXAMPLES[row.keyword]
    asked: dict[int, Any] = {**above, unique: "", row.tag: ""}
    universal = archive.find(level, asked, model)
    assert universal.statuses == {0xFF00}
    assert values_of(universal.by(unique)[entity], row) == example.values
    words = [f"QueryRetrieveLevel={level}", *(f"{tag >> 16:04x},{tag & 0xFFFF:04x}={value}" for tag, value in asked.items())]
    by_dcmtk = {str(match[unique].value): match for match in archive.findscu(directory / "matches", model, words)}
    assert values_of(by_dcmtk[entity], row) == example.values
    for key in example.matching:
        found = archive.find(level, {**asked, row.tag: key}, model)
        assert entity in found.by(unique), f"{key} matches"
        assert found.statuses == {0xFF00}
        assert found.status == 0x0000
    for key in example.failing:
        found = archive.find(level, {**asked, row.tag: key}, model)
        assert entity not in found.by(unique), f"{key} does not match"
        assert found.status == 0x0000
