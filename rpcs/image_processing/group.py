"""The image group that an image goes into: one per study and SOP class family under the report (GROUP^MAGDIR9A)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, insert, select

from fileman import external_date, lock_for_transaction, next_ien, spend_fault, to_fileman
from fileman.files import AcquisitionDevice, Image, Patient
from rpcs.call import Call
from rpcs.image_processing import failed
from rpcs.image_processing.indexes import Indexes, indexes_of
from rpcs.image_processing.report import exam_lock, is_locked, make_report, report_lock, report_of, report_patient
from rpcs.image_processing.request import StoreRequest
from rpcs.image_processing.sop_classes import same_group, sop_class_pointer
from rpcs.image_processing.study import Study

GROUP_OBJECT_TYPE = 11
EXAM_LOCKED = "radiology exam locked"
_SEXES = {"M": "MALE", "F": "FEMALE"}

_GROUPS = (
    select(Image.ien, Image.patient, Image.uid, Image.sop_class)
    .where(Image.report == bindparam("report"), Image.object_type == GROUP_OBJECT_TYPE)
    .order_by(Image.ien)
)
_INSERT = insert(Image)
_DEVICE = select(AcquisitionDevice.ien).where(AcquisitionDevice.name == bindparam("name"))
_INSERT_DEVICE = insert(AcquisitionDevice)
_DEMOGRAPHICS = select(Patient.sex, Patient.birth_date).where(Patient.dfn == bindparam("dfn"))


@dataclass(frozen=True, slots=True)
class FileData:
    """What group and image have in common (FILEDATA): parent, device, SOP class, index terms."""

    report: int
    parent_file: str
    device: int
    sop_class: int | None
    modality: str
    indexes: Indexes
    moment: str


def gather(call: Call, request: StoreRequest, study: Study) -> FileData:
    """Find or make the report and the device, and check that the report is this patient's.

    Raises StoreRefused -399 while somebody has the exam locked, -304 when the report belongs to somebody else.
    """
    connection = call.connection
    moment = to_fileman(call.clock.now())
    report = study.report or report_of(connection, study)
    if _locked_by_tester(call, request, study):
        raise failed.locked(EXAM_LOCKED)
    if report is None:
        if is_locked(connection, exam_lock(study), call.clock.seconds()):
            raise failed.locked(EXAM_LOCKED)
        report = make_report(connection, study, call.session.duz, moment)
    else:
        owner = report_patient(connection, report)
        if owner != study.patient:
            raise _wrong_patient(call, request, study, owner, f"^RARPT({report})")
    return FileData(
        report=report,
        parent_file="74" if study.service == "RAD" else "8925",
        device=_device(call, request),
        sop_class=sop_class_pointer(request.sop_class),
        modality=request.modality,
        indexes=indexes_of(study.service, request.modality, request.origin),
        moment=moment,
    )


def _locked_by_tester(call: Call, request: StoreRequest, study: Study) -> bool:
    """Let a fault that locks the exam strike, under whichever of its numbers it was set; with a report on file, too."""
    numbers = (request.case_number, study.accession, study.site_accession)
    fault = next(filter(None, map(call.site.faults.locked_exams.get, numbers)), None)
    return fault is not None and spend_fault(call.connection, fault)


def _device(call: Call, request: StoreRequest) -> int:
    """Find or make the acquisition device; names are upper-cased and single-spaced (ACQDEV^MAGDFCNV)."""
    name = " ".join(f"{request.manufacturer} ({request.model})".upper().replace("|", "~").replace("^", "~").split())
    found = call.connection.execute(_DEVICE, {"name": name}).scalar()
    if found is None:  # another broker may be making it
        lock_for_transaction(call.connection, "acquisition_device")
        found = call.connection.execute(_DEVICE, {"name": name}).scalar()
    if found is not None:
        return int(found)
    device = next_ien(call.connection, "acquisition_device")
    call.connection.execute(_INSERT_DEVICE, {"ien": device, "name": name, "location": request.instrument_location})
    return device


def find_or_make_group(call: Call, request: StoreRequest, study: Study, data: FileData) -> int:
    """Give the group's entry number.

    Raises StoreRefused -305 when a group of the report belongs to somebody else, -399 while the report is locked and a new
    group is needed, -307 when the new number lies below the last that the gateway has seen (the group stays).
    """
    for ien, patient, uid, sop_class in call.connection.execute(_GROUPS, {"report": data.report}):
        if patient != study.patient:
            raise _wrong_patient(call, request, study, patient, f"^MAG(2005,{ien})")
        if uid == request.study_uid and same_group(sop_class, data.sop_class):
            return int(ien)
    if is_locked(call.connection, report_lock(data.report), call.clock.seconds()):
        raise failed.locked("radiology report locked - image processing blocked")
    group = next_ien(call.connection, "image")
    procedure = f"{study.service} {data.modality}" if study.service == "RAD" else "CON/PROC"
    call.connection.execute(
        _INSERT,
        {
            **common_columns(call, request, study, data),
            "ien": group,
            "object_type": GROUP_OBJECT_TYPE,
            "procedure": procedure,
            "short_description": study.procedure,
            "uid": request.study_uid,
        },
    )
    if group < request.last_image:
        raise failed.last_image_problem("-307", "MAGDIR9A", request.gateway, "group", group, request.last_image)
    return group


def common_columns(call: Call, request: StoreRequest, study: Study, data: FileData) -> dict[str, object]:
    """Give the fields that a group and its images share."""
    site = request.instrument_location
    return {
        "name": f"{study.patient_name}  {dashed(study.ssn)}  {study.procedure}",
        "patient": study.patient,
        "saved_at": data.moment,
        "saved_by": 0,  # nobody: the recorded VistA leaves SAVED BY empty
        "procedure_time": study.exam_date,
        "parent_file": data.parent_file,
        "parent_ien": data.report,
        "package": data.indexes.package,
        "image_class": data.indexes.image_class,
        "image_type": data.indexes.image_type,
        "procedure_or_event": data.indexes.procedure_or_event,
        "specialty": data.indexes.specialty,
        "origin": data.indexes.origin,
        "acquisition_site": int(site) if site.isdigit() else None,
        "acquisition_device": data.device,
        "creation_date": request.stamp,
        "report": data.report,
        "procedure_ien": study.procedure_ien,
        "sop_class": data.sop_class,
    }


def dashed(ssn: str) -> str:
    """Write a social security number with dashes; a pseudo number keeps its P."""
    return f"{ssn[:3]}-{ssn[3:5]}-{ssn[5:]}" if len(ssn) >= 9 else ssn


def external_sex(sex: str) -> str:
    """Write a sex code in words."""
    return _SEXES.get(sex, "")


def _demographics(call: Call, dfn: int | None) -> str:
    if dfn is None:
        return "<null DFN>"
    row = call.connection.execute(_DEMOGRAPHICS, {"dfn": dfn}).first()
    sex, birth = (external_sex(row.sex), external_date(row.birth_date)) if row is not None else ("", "")
    return f"({sex} - {birth})"


def _wrong_patient(call: Call, request: StoreRequest, study: Study, owner: int | None, where: str) -> failed.StoreRefused:
    """Refuse because report (#-304) or group (#-305) and image point to different patients."""
    report = where.startswith("^RARPT")
    what, thing, noun = ("radiology report", "Rad Report", "report") if report else ("group", "Group", "group")
    messages = [
        f"The image and the {what} point to different patients.",
        "",
        f"The Image points to PATIENT file internal entry number {study.patient}",
        _demographics(call, study.patient),
        "",
        f"The {thing} points to PATIENT file internal entry number {'' if owner is None else owner}",
        _demographics(call, owner),
        "",
        f"Internal entry number of {noun}: {where}",
    ]
    title = "RAD PATIENT/REPORT MISMATCH" if report else "PATIENT MISMATCH PROBLEM"
    return failed.critical("-304" if report else "-305", "MAGDIR9A", request.gateway, messages, title)
