"""A modality for tests, pynetdicom's: it asks for its worklist and tells of the steps that it performs."""

from __future__ import annotations

from typing import Any, NamedTuple

from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.sop_class import ModalityPerformedProcedureStep, ModalityWorklistInformationFind  # type: ignore[attr-defined]

TITLE = "CT_A"


class Told(NamedTuple):
    """What a request came to; without an answer the status is None."""

    status: int | None
    comment: str = ""
    error_id: int | None = None


class Modality:
    """Asks and tells a port, each time over an association of its own."""

    def __init__(self, port: int, called: str) -> None:
        self.port, self.called = port, called

    def worklist(self, accession: str) -> list[Dataset]:
        """Give the scheduled steps of an accession number, with what a modality needs of them."""
        asked, step = Dataset(), Dataset()
        asked.AccessionNumber = accession
        for keyword in ("StudyInstanceUID", "RequestedProcedureID", "PatientName", "PatientID", "PatientBirthDate", "PatientSex"):
            setattr(asked, keyword, "")
        for keyword in ("ScheduledProcedureStepID", "ScheduledProcedureStepStatus", "Modality"):
            setattr(step, keyword, "")
        asked.ScheduledProcedureStepSequence = [step]
        association = self._associated(ModalityWorklistInformationFind)
        answers = [*association.send_c_find(asked, ModalityWorklistInformationFind)]
        association.release()
        assert answers[-1][0].Status == 0x0000
        return [match for _status, match in answers if match is not None]

    def create(self, uid: str, step: Dataset) -> Told:
        """Tell that a step begins (N-CREATE)."""
        return self._tell("send_n_create", uid, step)

    def change(self, uid: str, change: Dataset) -> Told:
        """Tell how it goes on (N-SET)."""
        return self._tell("send_n_set", uid, change)

    def _tell(self, name: str, uid: str, data: Dataset) -> Told:
        association = self._associated(ModalityPerformedProcedureStep)
        connection = association.dul.socket.socket
        status, _attributes = getattr(association, name)(data, ModalityPerformedProcedureStep, uid)
        association.release()
        association.join(10)
        connection.close()  # pynetdicom leaves one open whose peer was killed
        return Told(status.get("Status"), str(status.get("ErrorComment", "")), status.get("ErrorID"))

    def _associated(self, sop_class: str) -> Any:
        ae = AE(TITLE)
        ae.add_requested_context(sop_class, ExplicitVRLittleEndian)
        association = ae.associate("127.0.0.1", self.port, ae_title=self.called)
        assert association.is_established
        return association


def begun(scheduled: Dataset) -> Dataset:
    """Give what a modality tells when it begins with a step of its worklist."""
    (item,) = scheduled.ScheduledProcedureStepSequence
    step, done_for = Dataset(), Dataset()
    for keyword in ("StudyInstanceUID", "AccessionNumber", "RequestedProcedureID"):
        setattr(done_for, keyword, scheduled[keyword].value)
    done_for.ScheduledProcedureStepID = item.ScheduledProcedureStepID
    step.ScheduledStepAttributesSequence = [done_for]
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex"):
        setattr(step, keyword, scheduled[keyword].value)
    step.PerformedProcedureStepID = "P1"
    step.PerformedStationAETitle = TITLE
    step.PerformedProcedureStepStartDate, step.PerformedProcedureStepStartTime = "20261124", "1030"
    step.PerformedProcedureStepStatus = "IN PROGRESS"
    step.Modality = item.Modality
    step.PerformedSeriesSequence = []
    return step


def ended(status: str, images: int = 2) -> Dataset:
    """Give what it tells when it has ended."""
    change, series = Dataset(), Dataset()
    change.PerformedProcedureStepStatus = status
    change.PerformedProcedureStepEndDate, change.PerformedProcedureStepEndTime = "20261124", "1045"
    series.SeriesInstanceUID = "2.25.880"
    series.PerformingPhysicianName = "YANG^CRISTINA"
    series.ReferencedImageSequence = [_reference(number) for number in range(images)]
    change.PerformedSeriesSequence = [series]
    return change


def _reference(number: int) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    reference.ReferencedSOPInstanceUID = f"2.25.880.{number}"
    return reference
