"""The report that radiology images hang under, made when the first image of an exam arrives (CREATE^RARIC)."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, bindparam, insert, select, update

from fileman import lease_holder, next_ien
from fileman.files import Exam, Image, Report, ReportImage
from rpcs.image_processing.study import Study

_REPORT_PATIENT = select(Report.patient).where(Report.ien == bindparam("ien"))
_INSERT = insert(Report)
_REPORT = select(Exam.report).where(Exam.ien == bindparam("exam"))
_GROUPS = (
    select(ReportImage.image, Image.patient, Image.object_type, Image.uid, Image.sop_class)
    .join(Image, Image.ien == ReportImage.image, isouter=True)
    .where(ReportImage.report == bindparam("report"))
    .order_by(ReportImage.sequence)
)
_POINT = update(Exam).where(Exam.ien == bindparam("exam")).values(report=bindparam("new_report"))


class GroupData(NamedTuple):
    """A group under a report; its fields are None when its entry is gone."""

    ien: int
    patient: int | None
    object_type: int | None
    study_uid: str | None
    sop_class: int | None


def exam_lock(study: Study) -> str:
    """Name the LOCK of an exam node."""
    return f"exam:{study.exam}"


def report_lock(report: int) -> str:
    """Name the LOCK of a report."""
    return f"report:{report}"


def is_locked(connection: Connection, name: str, now: float) -> bool:
    """Tell whether somebody holds a lock now."""
    return lease_holder(connection, name, now) is not None


def report_of(connection: Connection, study: Study) -> int | None:
    """Give the report that an exam has by now: another broker may have made it since the study was read."""
    report = connection.execute(_REPORT, {"exam": study.exam}).scalar()
    return None if report is None else int(report)


def groups_under(connection: Connection, report: int) -> list[GroupData]:
    """Give the groups under a report, in their order."""
    return [GroupData(*row) for row in connection.execute(_GROUPS, {"report": report})]


def make_report(connection: Connection, study: Study, duz: int, moment: str) -> int:
    """Make the report of an exam and let the exam point to it; `moment` is a FileMan date."""
    report = next_ien(connection, "report")
    connection.execute(
        _INSERT,
        {
            "ien": report,
            "service": study.service,
            "accession": study.full_accession,
            "exam": study.exam,
            "patient": study.patient.dfn,
            "exam_date": study.exam_date,
            "entered": moment,
            "entered_by": duz,
        },
    )
    connection.execute(_POINT, {"exam": study.exam, "new_report": report})
    return report


def report_patient(connection: Connection, report: int) -> int | None:
    """Give the patient of a report; None when it is gone."""
    patient = connection.execute(_REPORT_PATIENT, {"ien": report}).scalar()
    return None if patient is None else int(patient)
