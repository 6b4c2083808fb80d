"""STORE1 and STORE2: one image is associated with its exam and filed (ENTRY^MAGDIR81)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from sqlalchemy import Connection, bindparam, select

from fileman import age_in_years, dashed, external_date, merged_into, mixed_case_date_time, object_lock
from fileman.files import Image
from fileman.sop_classes import sop_class_pointer
from rpcs.call import Call
from rpcs.icn import full_icn
from rpcs.image_processing import failed
from rpcs.image_processing.again import filed_before
from rpcs.image_processing.correct_list import put_on_correct_list
from rpcs.image_processing.found import Found, OnFile
from rpcs.image_processing.group import FileData, Filing, external_sex
from rpcs.image_processing.image import ROUTINE as IMAGE_ROUTINE
from rpcs.image_processing.image import check_group, file_image
from rpcs.image_processing.import_list import put_on_import_list, take_off_import_list
from rpcs.image_processing.indexes import Indexes
from rpcs.image_processing.messages import Results
from rpcs.image_processing.notes import note_group
from rpcs.image_processing.pending import Pending
from rpcs.image_processing.person_name import Association, parse_dicom_name
from rpcs.image_processing.radiology import radiology_group
from rpcs.image_processing.report import exam_lock
from rpcs.image_processing.request import Item
from rpcs.image_processing.study import SERVICE_ORDER, PatientData, Study, patient_data

#: The routine that files the group of each service, and what does so here.
_GROUPS = {
    "RAD": ("MAGDIR9A", radiology_group),
    "CON": ("MAGDIR9E", note_group),
    "LAB": ("MAGDIR9F", note_group),
}
_COUNTED = re.compile(r".+ \(#[0-9]*\)")

_FRAME = select(
    Image.name,
    Image.patient,
    Image.parent,
    Image.procedure_time,
    Image.parent_file,
    Image.parent_ien,
    Image.parent_image_pointer,
    Image.parent_inverse,
    Image.report,
    Image.procedure_ien,
    Image.package,
    Image.image_class,
    Image.image_type,
    Image.procedure_or_event,
    Image.specialty,
    Image.acquisition_device,
    Image.short_description,
).where(Image.ien == bindparam("ien_"))


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of one image: its entry number, or the code of the refusal."""

    uid: str
    image: int | None
    code: str
    reason: str = ""


def hold_objects(found: Found, pending: Pending, items: Sequence[Item]) -> None:
    """Hold the objects of a call with several images until its transaction ends, then their exams; look for them at once.

    All calls do so in one order: two that bring the same objects in different orders do not wait for each other for ever.
    """
    pairs = [(one.pieces(9), two.pieces(3)) for one, two in pairwise(items) if (one.opcode, two.opcode) == ("STORE1", "STORE2")]
    if len(pairs) < 2:
        return
    uids = list(dict.fromkeys(two[2] for _one, two in pairs))
    if found.hold(*map(object_lock, uids)):
        studies = (found.study(one[3], one[8]) for one, _two in pairs if one[3] in SERVICE_ORDER)
        found.hold(*(exam_lock(study) for study in studies if study is not None))
    found.look_for_objects([uid for uid in uids if uid])
    pending.numbers.wanted = sum(found.on_file(uid) is None for uid in uids)


def store_image(filing: Filing, results: Results) -> Stored:
    """Associate and file one image; the answer's elements are added to the results."""
    request = filing.request
    try:
        return Stored(request.image_uid, _store(filing, results), "0")
    except failed.StoreRefused as refusal:
        results.error("STORE", refusal.code, failed.ROUTINE)
        return Stored(request.image_uid, None, refusal.code, results.lines[-1].rpartition("|")[2])


def _store(filing: Filing, results: Results) -> int:
    call, request = filing.call, filing.request
    if why := request.wrong_uid:
        gave_up = failed.not_filed(filing.messages, "-103", IMAGE_ROUTINE, request.gateway, "IMAGE FILE", why)
        raise _refused(filing, gave_up, IMAGE_ROUTINE)
    filing.found.hold(object_lock(request.image_uid))
    known = filing.found.on_file(request.image_uid)
    frame_of = known if request.later_frame else None
    if known is not None and frame_of is None and filing.digests is not None:
        before = filed_before(filing, known.image, filing.digests.get(request.image_uid, ""))
        if before is not None:
            results.add("STORE", f"0|{before.place}|{_demographics(call, patient_data(call.connection, before.patient))}")
            return before.image
    data = _new_image(filing, known, results) if frame_of is None else _further_frame(filing, frame_of)
    try:
        if frame_of is not None:
            check_group(filing, data)
        filed = file_image(filing, data)
    except failed.GaveUp as gave_up:
        raise _refused(filing, gave_up, IMAGE_ROUTINE) from gave_up
    results.add("STORE", f"0|{filed.place}|{_demographics(call, data.patient)}")
    return filed.image


def _refused(filing: Filing, gave_up: failed.GaveUp, routine: str) -> failed.StoreRefused:
    """Refuse because a part of the filing gave up, and say which."""
    filing.messages.encountered(routine, gave_up.code)
    return failed.StoreRefused(gave_up.code)


def _new_image(filing: Filing, known: OnFile | None, results: Results) -> FileData:
    """Associate an object with its exam, and find or make its group (NEWIMAGE)."""
    request = filing.request
    if known is not None:
        _again(filing, known, results)
    filing.pending.set_current(request.machine, request.image_uid)
    if request.service not in SERVICE_ORDER:
        raise failed.undefined_service(filing.messages, request.service)
    study = _associate(filing)
    filing.found.hold(exam_lock(study))
    routine, find_group = _GROUPS[study.service]
    try:
        data = find_group(filing, study)
    except failed.GaveUp as gave_up:
        raise _refused(filing, gave_up, routine) from gave_up
    if request.importer and request.old_path:
        take_off_import_list(filing)
    return data


def _again(filing: Filing, known: OnFile, results: Results) -> None:
    """Refuse a UID that is on file, unless it is the one that this gateway was working on when it stopped.

    That one is filed anew: the warning is answered, and the lines that follow in the messages are shown by none. Our own gateway
    sends what was in doubt as the request that it was, and wants nothing filed anew.
    """
    request, messages = filing.request, filing.messages
    when = mixed_case_date_time(known.saved_at) if known.saved_at else "<no date known>"
    facts = [f'"{known.name}"', f"Entered into VistA database on {when}", f"UID = {request.image_uid}"]
    if filing.digests is None and filing.pending.current(request.machine) == request.image_uid:
        messages.begin(f'Reprocessing image "{request.from_path}"', f"which is partially in the database (#{known.image}) for")
        results.error("STORE", "1 Image partially in the database", failed.ROUTINE)
        messages.lines += facts
        return
    messages.begin(f'Image "{request.from_path}"', f"is already in the database (#{known.image}) for", *facts)
    raise failed.StoreRefused(failed.DUPLICATE)


def _associate(filing: Filing) -> Study:
    """Find the exam and check the patient; what does not fit waits for a person, on the CORRECT list or on the importer's."""
    call, request = filing.call, filing.request
    study = filing.found.study(request.service, request.case_number)
    name = parse_dicom_name(request.patient_name)
    association = Association(
        name,
        request.patient_id,
        request.case_number,
        found=study is not None,
        cancelled=study is not None and study.cancelled,
        vista_name=study.patient.name if study is not None else "",
        vista_id=study.patient.ssn if study is not None else "",
    )
    problem = association.problem()
    if study is not None and (not problem or _is_merged(call.connection, association, study)):
        return study
    filing.messages.begin(problem)
    if request.importer:
        put_on_import_list(call, request, name)
    else:
        put_on_correct_list(call, request, name, problem, request.service if study is None else study.service)
    raise failed.StoreRefused(failed.ASSOCIATION_PROBLEM)


def _is_merged(connection: Connection, association: Association, study: Study) -> bool:
    """Tell whether an object is of somebody who was merged into the patient of its exam."""
    others = merged_into(connection, study.patient.dfn)
    return any(not replace(association, vista_name=it.name, vista_id=it.ssn).problem() for it in others)


def _further_frame(filing: Filing, known: OnFile) -> FileData:
    """Take what the first frame was filed with (MULTFRAM^MAGDIR81): a further frame is looked up nowhere."""
    call, request = filing.call, filing.request
    if known.image in filing.pending.images:
        filing.pending.write()
    row = call.connection.execute(_FRAME, {"ien_": known.image}).one()
    description = row.short_description
    if _COUNTED.fullmatch(description):
        description = description.partition(" (#")[0]
    name, number = [*row.name.split("  "), ""][:2]
    return FileData(
        patient=patient_data(call.connection, row.patient),
        name=f"{name}  {number}  {description}",
        description=description,
        exam_date=row.procedure_time,
        modality=request.modality,
        sop_class=sop_class_pointer(request.sop_class),
        moment=filing.moment,
        device=row.acquisition_device,
        indexes=Indexes(
            row.package,
            row.image_class,
            row.image_type,
            row.procedure_or_event,
            row.specialty,
            request.origin,
        ),
        parent_file=row.parent_file,
        parent_ien=row.parent_ien,
        parent_pointer=row.parent_image_pointer,
        parent_inverse=row.parent_inverse,
        report=row.report,
        procedure_ien=row.procedure_ien,
        group=row.parent or 0,
    )


def _demographics(call: Call, patient: PatientData) -> str:
    """Answer the patient as DEM^VADPT has him: name, SSN, birth date, age, sex, ICN."""
    birth = f"{patient.birth_date}^{external_date(patient.birth_date)}" if patient.birth_date else ""
    sex = f"{patient.sex}^{external_sex(patient.sex)}" if patient.sex else ""
    age = age_in_years(patient.birth_date, call.clock.now().date())
    ssn = f"{patient.ssn}^{dashed(patient.ssn)}"
    return f"{patient.name}|{ssn}|{birth}|{age}|{sex}|{full_icn(patient.icn)}"
