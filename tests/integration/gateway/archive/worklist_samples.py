"""Two entries of a worklist, a full and a bare one, and keys that match the attributes of table 11 and that do not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

FULL, BARE = "WL-FULL", "WL-BARE"
STUDY = "2.25.77001"


class Example(NamedTuple):
    """What an attribute of the full entry is, by its column, and keys that match it and that do not."""

    column: str
    values: tuple[str, ...]
    matching: tuple[str, ...]
    failing: tuple[str, ...]


def text(column: str, value: str, matching: tuple[str, ...], failing: tuple[str, ...]) -> Example:
    """Give an example with one value, which matches as it is."""
    return Example(column, (value,), (value, *matching), failing)


EXAMPLES: Mapping[str, Example] = {
    "ScheduledStationAETitle": Example("station_ae_titles", ("CT_A", "CT_B"), ("CT_A", "CT_B"), ("CT_C", "CT", "ct_a")),
    "ScheduledProcedureStepStartDate": text(
        "start_date", "20261124", ("20261101-20261130", "20261124-", "-20261124"), ("20261125", "20261125-", "-20261123")
    ),
    "ScheduledProcedureStepStartTime": text("start_time", "1030", ("1000-1100", "103000-", "-1030"), ("1031", "1031-", "-1029")),
    "Modality": text("modality", "CT", (), ("MR", "C", "ct")),
    "ScheduledPerformingPhysicianName": text("performing_physician", "YANG^CRISTINA", ("YANG*",), ("GREY*",)),
    "ScheduledProcedureStepDescription": text("step_description", "CT OF HEAD", ("CT*", "*HEAD", "C? OF*"), ("CT", "*CHEST")),
    "ScheduledStationName": text("station_name", "ROOM A", ("ROOM ?",), ("ROOM", "ROOM B")),
    "ScheduledProcedureStepLocation": text("step_location", "BASEMENT", ("BASE*",), ("ATTIC", "BASE")),
    "ScheduledProcedureStepID": text("step_id", "STEP-1", ("STEP-?", "*1"), ("STEP-2", "STEP")),
    "RequestedProcedureID": text("procedure_id", "RP-1", ("RP*",), ("RP-2", "RP")),
    "ReasonForStudy": text("reason", "FALL FROM A HORSE", ("*HORSE",), ("*DONKEY", "FALL")),
    "RequestedProcedureDescription": text("procedure_description", "HEAD WITHOUT CONTRAST", ("HEAD*",), ("HEAD", "CHEST*")),
    "StudyInstanceUID": text("study_uid", STUDY, (f"2.25.1\\{STUDY}",), ("2.25.7700", "2.25.1\\2.25.2")),
    "RequestedProcedurePriority": text("priority", "STAT", (), ("ROUTINE", "STA")),
    "PatientTransportArrangements": text("transport", "WHEELCHAIR", (), ("STRETCHER",)),
    "AdmittingDiagnosesDescription": Example("diagnoses", ("COUGH", "FEVER"), ("COUGH", "FEV*"), ("ACHE", "FEV")),
    "AccessionNumber": text("accession", FULL, ("WL-F*",), ("WL", BARE)),
    "RequestingPhysician": text("requesting_physician", "BAILEY^MIRANDA", ("BAILEY*",), ("MIRANDA*", "BAILEY")),
    "AdmissionID": text("admission_id", "ADM-1", ("ADM*",), ("ADM-2",)),
    "ReferringPhysicianName": text("referring_physician", "GREY^MEREDITH", ("GR?Y*",), ("MEREDITH*", "GREY")),
    "InstitutionName": text("institution_name", "SALT LAKE CITY", ("SALT*",), ("SALT", "*LAKE")),
    "CurrentPatientLocation": text("current_location", "WARD 3", ("WARD ?",), ("WARD", "WARD 4")),
    "PatientName": text("patient_name", "DEMO^PATIENT TEN", ("DEMO^*", "D?MO*"), ("demo*", "DEMO", "*TWO")),
    "PatientID": text("patient_id", "666001110", ("66600111?", "*1110"), ("66600111", "666001111")),
    "PatientBirthDate": text("birth_date", "19500131", ("19500101-19501231", "-19500131"), ("19500201", "19500201-")),
    "PatientSex": text("sex", "F", (), ("M", "O")),
    "ConfidentialityConstraintOnPatientDataDescription": text("confidentiality", "RESTRICTED", ("REST*",), ("OPEN",)),
    "PatientSize": text("size", "1.75", ("1.7-1.8", "1.75-", "-1.75", "1.750"), ("1.76", "1.8-", "-1.7")),
    "PatientWeight": text("weight", "80", ("79.5-80.5", "80-", "80.0"), ("81", "81-", "-79")),
    "PatientState": text("patient_state", "ASLEEP", ("ASL*",), ("AWAKE",)),
    "PregnancyStatus": text("pregnancy", "1", (), ("3", "4")),
    "MedicalAlerts": Example("medical_alerts", ("PACEMAKER", "PUMP"), ("PUMP", "PACE*"), ("STENT", "PACE")),
    "Allergies": Example("allergies", ("LATEX", "IODINE"), ("IODINE", "LAT*"), ("NUTS", "LAT")),
    "SpecialNeeds": text("special_needs", "INTERPRETER", ("INTER*",), ("LIFT",)),
}
#: Sequences of the table that nothing is known of.
EMPTY_SEQUENCES = ("ReferencedStudySequence", "ReferencedPatientSequence")
ENTRIES: tuple[Mapping[str, object], ...] = (
    {"source": "CSV", **{example.column: "\\".join(example.values) for example in EXAMPLES.values()}},
    {
        "source": "CSV",
        "accession": BARE,
        "step_id": BARE,
        "procedure_id": BARE,
        "patient_id": "666001120",
        "patient_name": "DEMO^PATIENT TWENTY",
        "modality": "US",
        "start_date": "20261201",
    },
)
