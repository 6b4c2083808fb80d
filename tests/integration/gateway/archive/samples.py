"""What the table tests ask for: a patient's study with images and a presentation state, and the study of another patient."""

from __future__ import annotations

from typing import Any

from pydicom import Dataset

from tests.support.archive_site import an_object

STUDY, OTHER_STUDY = "2.25.1001", "2.25.2001"
IMAGES, STATES, OTHER_SERIES = "2.25.1001.1", "2.25.1001.2", "2.25.2001.1"
IMAGE, SECOND_IMAGE, STATE, OTHER_IMAGE = "2.25.1001.1.1", "2.25.1001.1.2", "2.25.1001.2.1", "2.25.2001.1.1"
PATIENT_ID, OTHER_PATIENT_ID = "666001100", "666001101"
CT, MR, PRESENTATION_STATE = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.11.1"


def _item(**attributes: Any) -> Dataset:
    item = Dataset()
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return item


_PATIENT = {
    "PatientName": "DEMO^PATIENT ONE",
    "PatientID": PATIENT_ID,
    "PatientBirthDate": "19500131",
    "PatientSex": "M",
    "OtherPatientIDs": ["OTHER-1", "OTHER-2"],
}
_STUDY = {
    **_PATIENT,
    "StudyInstanceUID": STUDY,
    "StudyDate": "20260210",
    "StudyTime": "101530.25",
    "AccessionNumber": "021026-201",
    "StudyID": "STUDY-1",
    "ReferringPhysicianName": "REFERRER^ROBERT",
    "StudyDescription": "CT OF THE HEAD",
    "NameOfPhysiciansReadingStudy": ["READER^RITA", "SECOND^SAM"],
}
_SERIES = {
    **_STUDY,
    "SeriesInstanceUID": IMAGES,
    "Modality": "CT",
    "SeriesDescription": "AXIAL 5 MM",
    "SeriesNumber": 7,
    "BodyPartExamined": "HEAD",
    "PerformedProcedureStepStartDate": "20260210",
    "PerformedProcedureStepStartTime": "1016",
    "PerformedProcedureStepEndDate": "20260211",
    "PerformedProcedureStepEndTime": "0030",
    "RequestAttributesSequence": [_item(RequestedProcedureID="RP-1"), _item(RequestedProcedureID="RP-2")],
}


def sample_objects() -> list[Dataset]:
    """Make them."""
    return [
        an_object(
            **_SERIES,
            SOPInstanceUID=IMAGE,
            InstanceNumber=3,
            ContentDate="20260210",
            ContentTime="101700",
            NumberOfFrames=1,
        ),
        an_object(**_SERIES, SOPInstanceUID=SECOND_IMAGE, InstanceNumber=4, ContentDate="20260212", ContentTime="120000"),
        _presentation_state(),
        an_object(
            "MR_small.dcm",
            SOPInstanceUID=OTHER_IMAGE,
            PatientName="FERNANDEZ-RUIZ^ANA MARIA",
            PatientID=OTHER_PATIENT_ID,
            PatientBirthDate="19880617",
            PatientSex="F",
            StudyInstanceUID=OTHER_STUDY,
            SeriesInstanceUID=OTHER_SERIES,
            StudyDate="20260212",
            StudyTime="1030",
            AccessionNumber="021226-203",
            StudyID="STUDY-2",
            StudyDescription="MRI BRAIN",
            InstanceNumber=1,
        ),
    ]


def _presentation_state() -> Dataset:
    made = an_object(
        **{
            **_STUDY,
            "SeriesInstanceUID": STATES,
            "Modality": "PR",
            "SeriesNumber": 8,
            "SOPClassUID": PRESENTATION_STATE,
            "SOPInstanceUID": STATE,
            "InstanceNumber": 1,
            "ContentLabel": "LABEL_1",
            "ContentDescription": "Bone window",
            "PresentationCreationDate": "20260301",
            "PresentationCreationTime": "101500",
            "ContentCreatorName": "CREATOR^ANN",
        }
    )
    for keyword in ("PixelData", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"):
        made.pop(keyword, None)
    return made
