"""The group of a radiology image: one per study and family of SOP classes, under the exam's report (GROUP^MAGDIR9A)."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, func, insert, select

from fileman import GROUP_OBJECT_TYPE, group_lock, spend_fault
from fileman.files import Exam, ReportImage
from fileman.sop_classes import same_group, sop_class_pointer
from rpcs.image_processing import failed
from rpcs.image_processing.group import (
    FileData,
    Filing,
    entry_name,
    find_device,
    make_group,
    wrong_patient,
)
from rpcs.image_processing.indexes import radiology_indexes
from rpcs.image_processing.report import exam_lock, is_locked, make_report, report_lock
from rpcs.image_processing.study import Study

ROUTINE = "MAGDIR9A"
EXAM_LOCKED = "radiology exam locked"
REPORT_LOCKED = "radiology report locked - image processing blocked"

_LAST_LINK = select(func.max(ReportImage.sequence)).where(ReportImage.report == bindparam("report"))
_LINK = insert(ReportImage)
_CASES_BEFORE = select(func.count()).where(
    Exam.patient == bindparam("dfn"), Exam.exam_date == bindparam("date"), Exam.ien <= bindparam("exam")
)


def radiology_group(filing: Filing, study: Study) -> FileData:
    """Find or make the group, and the report that it hangs under.

    Raises GaveUp: #-301 for an exam without date and time, #-302 for one that is not registered, #-303 when the report was
    purged, #-399 while somebody has the exam locked, or the report and a new group is needed, #-304 and #-305 when report or
    group belong to somebody else, #-306 and #-307 of a new group.
    """
    if not study.exam_date:
        raise _no_exam(filing, "-301", f"No radiology case number specified for patient {study.patient.dfn}")
    if not study.registered:
        raise _no_exam(filing, "-302", f"Radiology case {study.inverse_date} is not in ^RADPT({study.patient.dfn})")
    report = _report(filing, study)
    owner = filing.found.owner(report)
    if owner != study.patient.dfn:
        raise wrong_patient(filing, study.patient.dfn, "report", owner, f"^RARPT({report})", "-304", ROUTINE)
    data = FileData(
        patient=study.patient,
        name=entry_name(study.patient, study.procedure),
        description=study.procedure,
        exam_date=study.exam_date,
        modality=filing.request.modality,
        sop_class=sop_class_pointer(filing.request.sop_class),
        moment=filing.moment,
        device=find_device(filing),
        indexes=radiology_indexes(filing.request.modality, filing.request.origin),
        parent_file="74",
        parent_ien=report,
        report=report,
        procedure_ien=study.procedure_ien,
    )
    group = _group_under(filing, data, report)
    if group is not None and filing.found.hold(group_lock(group)):  # it may be gone with its last image
        filing.found.forget_groups(report)
        group = _group_under(filing, data, report)
    data.group = group or _new_group(filing, data, report)
    return data


def _no_exam(filing: Filing, code: str, why: str) -> failed.GaveUp:
    filing.messages.begin(why)
    filing.messages.local_error(ROUTINE)
    return failed.GaveUp(code)


def _report(filing: Filing, study: Study) -> int:
    """Give the report of an exam, made now when it has none (CREATE^RARIC)."""
    call = filing.call
    report = filing.found.report(study)
    if _locked_by_tester(filing, study):
        raise failed.locked(EXAM_LOCKED)
    if report is not None:
        return report
    if is_locked(call.connection, exam_lock(study), call.clock.seconds()):
        raise failed.locked(EXAM_LOCKED)
    if study.purged or study.case_number not in ("", filing.request.case_number.rpartition("-")[2]):
        case = call.connection.execute(
            _CASES_BEFORE, {"dfn": study.patient.dfn, "date": study.exam_date, "exam": study.exam}
        ).scalar_one()
        filing.messages.begin(
            "IMAGE GROUP CREATION ERROR:",
            "Radiology Report has been archived and purged.",
            f"Patient {study.patient.dfn}, 9's Complement Date {study.inverse_date}, Case {case}",
        )
        filing.messages.local_error(ROUTINE)
        raise failed.GaveUp("-303")
    made = filing.found.reports[study.exam] = make_report(call.connection, study, call.session.duz, filing.moment)
    return made


def _locked_by_tester(filing: Filing, study: Study) -> bool:
    """Let a fault that locks the exam strike, under whichever of its numbers it was set; with a report on file, too."""
    numbers = (filing.request.case_number, study.accession, study.site_accession)
    fault = next(filter(None, map(filing.call.site.faults.locked_exams.get, numbers)), None)
    return fault is not None and spend_fault(filing.call.connection, fault)


def _group_under(filing: Filing, data: FileData, report: int) -> int | None:
    """Find the group of the study and SOP class under a report."""
    for group, patient, kind, uid, sop_class in filing.found.groups(report):
        if patient != data.patient.dfn:
            raise wrong_patient(filing, data.patient.dfn, "group", patient, f"^MAG(2005,{group})", "-305", ROUTINE)
        if kind == GROUP_OBJECT_TYPE and uid == filing.request.study_uid and same_group(sop_class, data.sop_class):
            return group
    return None


def _new_group(filing: Filing, data: FileData, report: int) -> int:
    call = filing.call
    if is_locked(call.connection, report_lock(report), call.clock.seconds()):
        raise failed.locked(REPORT_LOCKED)
    group = make_group(filing, data, f"RAD {data.modality}", ROUTINE)
    link_to_report(call.connection, report, group)
    filing.found.forget_groups(report)
    return group


def link_to_report(connection: Connection, report: int, group: int) -> None:
    """Enter a group in the IMAGE multiple of a report (PTR^RARIC)."""
    last = connection.execute(_LAST_LINK, {"report": report}).scalar() or 0
    connection.execute(_LINK, {"report": report, "sequence": last + 1, "image": group})
