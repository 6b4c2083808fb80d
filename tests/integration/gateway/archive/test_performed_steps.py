"""What a modality tells of its steps, by pynetdicom, is seen in the exam and in the worklist when it is answered."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydicom import Dataset
from sqlalchemy import select

from fileman.files import Exam, PerformedSeries, PerformedStep, ScheduledStep
from tests.support.archive_site import ROOT, ArchiveSite
from tests.support.performing import TITLE, Modality, Told, begun, ended

#: Exams of the demo site that wait: each test has one for itself.
WAITING = iter(("021026-201", "021226-203", "021626-205", "021726-206"))
DONE = Told(0x0000)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ArchiveSite]:
    with ArchiveSite(tmp_path_factory.mktemp("steps")) as site:
        yield site


@pytest.fixture
def modality(archive: ArchiveSite) -> Modality:
    return Modality(archive.port("long_term"), f"{ROOT}DPQR")


@pytest.fixture
def accession() -> str:
    return next(WAITING)


def standing(archive: ArchiveSite, accession: str) -> tuple[str, str]:
    """Tell where an exam and its scheduled step stand."""
    exam = select(Exam.status).where(Exam.accession == accession)
    step = select(ScheduledStep.status).where(ScheduledStep.accession == accession)
    return archive.store.read(lambda it: (str(it.execute(exam).scalar_one()), str(it.execute(step).scalar_one())))


def test_a_step_of_the_worklist_is_begun_and_completed(archive: ArchiveSite, modality: Modality, accession: str) -> None:
    (scheduled,) = modality.worklist(accession)
    uid = "2.25.9001"
    assert modality.create(uid, begun(scheduled)) == DONE
    assert standing(archive, accession) == ("CALLED FOR EXAM", "STARTED")
    (goes_on,) = modality.worklist(accession)
    assert goes_on.ScheduledProcedureStepSequence[0].ScheduledProcedureStepStatus == "STARTED"
    assert modality.change(uid, ended("COMPLETED")) == DONE
    assert standing(archive, accession) == ("EXAMINED", "COMPLETED")
    assert modality.worklist(accession) == [], "what is done is off the worklist"
    kept = select(PerformedStep.ae_title, PerformedStep.status, PerformedSeries.instances, PerformedSeries.physician)
    joined = kept.join(PerformedSeries, PerformedSeries.step == PerformedStep.uid).where(PerformedStep.uid == uid)
    assert [*archive.store.read(lambda it: it.execute(joined).one())] == [TITLE, "COMPLETED", 2, "YANG^CRISTINA"]


def test_a_step_that_is_discontinued_is_to_be_done_again(archive: ArchiveSite, modality: Modality, accession: str) -> None:
    (scheduled,) = modality.worklist(accession)
    assert modality.create("2.25.9002", begun(scheduled)) == DONE
    assert modality.change("2.25.9002", ended("DISCONTINUED", images=0)) == DONE
    assert standing(archive, accession) == ("WAITING FOR EXAM", "SCHEDULED")
    assert [*modality.worklist(accession)] == [scheduled]


def test_the_gateways_own_port_takes_them_too(archive: ArchiveSite, accession: str) -> None:
    modality = Modality(archive.gateway.port, "MAGBROKER")
    (scheduled,) = modality.worklist(accession)
    assert modality.create("2.25.9003", begun(scheduled)) == DONE
    assert standing(archive, accession) == ("CALLED FOR EXAM", "STARTED")


def test_what_is_told_in_the_wrong_order_is_refused_for_its_reason(modality: Modality, accession: str) -> None:
    (scheduled,) = modality.worklist(accession)
    uid, first, last = "2.25.9004", begun(scheduled), ended("COMPLETED")
    assert modality.change(uid, last) == Told(0x0112, "there is no step of this SOP Instance UID")
    assert modality.create(uid, first) == DONE
    assert modality.create(uid, first) == DONE, "the same again is what a modality tells whose answer was lost"
    first.PerformedProcedureStepID = "P2"
    assert modality.create(uid, first) == Told(0x0111, "there is a step of this SOP Instance UID")
    assert modality.change(uid, last) == DONE
    assert modality.change(uid, last) == DONE
    no_more = Told(0x0110, "Performed Procedure Step Object may no longer be updated", 0xA710)
    assert modality.change(uid, ended("DISCONTINUED")) == no_more


@pytest.mark.parametrize(
    ("keyword", "value", "status"),
    [
        ("PerformedProcedureStepStatus", "COMPLETED", 0x0106),
        ("Modality", None, 0x0120),
        ("PerformedStationAETitle", "", 0x0121),
        ("ScheduledStepAttributesSequence", [], 0x0121),
    ],
)
def test_a_step_that_tells_too_little_is_refused(
    archive: ArchiveSite, modality: Modality, keyword: str, value: object, status: int
) -> None:
    step = begun(_scheduled())
    if value is None:
        del step[keyword]
    else:
        setattr(step, keyword, value)
    told = modality.create("2.25.9005", step)
    assert told.status == status
    assert told.comment
    kept = select(PerformedStep.uid).where(PerformedStep.uid == "2.25.9005")
    assert archive.store.read(lambda it: it.execute(kept).all()) == []


def _scheduled() -> Dataset:
    """Give a step that no worklist has."""
    scheduled, item = Dataset(), Dataset()
    for keyword in ("AccessionNumber", "RequestedProcedureID", "PatientName", "PatientID", "PatientBirthDate", "PatientSex"):
        setattr(scheduled, keyword, "")
    scheduled.StudyInstanceUID = "2.25.9006"
    item.ScheduledProcedureStepID, item.Modality = "", "CT"
    scheduled.ScheduledProcedureStepSequence = [item]
    return scheduled
