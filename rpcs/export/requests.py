"""Images put into the export queue on request, and a location's queue emptied (MAG DICOM QUEUE IMAGE, QUEUE INIT)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, case, delete, func, select

from fileman import (
    IMAGE_POINTERS,
    RADIOLOGY_FILE,
    Event,
    exam_of_image,
    export_lock,
    lock_for_transaction,
    record_events,
    rejected_among,
    to_fileman,
)
from fileman.files import DicomExport, DicomExportImage, Image, Report
from rpcs.call import Call
from rpcs.numbers import subscript, whole
from rpcs.registry import Access, literal, procedure
from rules.evaluator.queueing import Origin, Study, make_export, open_export, queue_export
from xwb import m_number

#: Object types of single images, and of a group of them; 0 is what VistA sees in an image that is not there.
QUEUED_TYPES, GROUP, NOTHING = (3, 100), 11, 0
DEFAULT_PRIORITY = 500
_NO_ACCESSION = (
    "-4,Accession Number Lookup Problem: -6,Warning - Parent file entry is not present - no Accession Number."
    " detected in IENLOOK^MAGDRPC9"
)

_COLUMNS = (*IMAGE_POINTERS, Image.object_type, Image.uid)
_IMAGE = select(*_COLUMNS).where(Image.ien == bindparam("of_image"))
_MEMBERS = select(*_COLUMNS).where(Image.parent == bindparam("group")).order_by(Image.group_sequence, Image.ien)
_REPORT_PATIENT = select(Report.patient).where(Report.ien == bindparam("of_report"))
#: What waits to be tried again waits, for VistA.
_STATE = case((DicomExportImage.status == "RETRY", "WAITING"), else_=DicomExportImage.status)
_COUNT = select(func.count()).select_from(
    select(DicomExportImage.priority, _STATE, DicomExportImage.export)
    .where(DicomExportImage.origin == bindparam("location"))
    .distinct()
    .subquery()
)
_EMPTY = delete(DicomExport).where(DicomExport.origin == bindparam("location"))

ImageRow = Row[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """An image, or a group with all its images, for an application."""

    image: int
    application: str
    origin: Origin
    accession: str = ""
    reason: str = "6: Copy to HIPAA Compliant Storage"
    priority: int = DEFAULT_PRIORITY
    to_hard_disk: bool = False


@dataclass(frozen=True, slots=True)
class Requested:
    """What MAG DICOM QUEUE IMAGE answers, and how many images are in the queue for it now."""

    answer: str
    images: int = 0


@procedure(
    "MAG DICOM QUEUE IMAGE",
    access=Access.WRITES,
    routine="QUEUE^MAGDRPC3",
    parameters=(
        literal("IMAGE", 30, required=True),
        literal("DESTINAT", 20, required=True),
        literal("LOCATION", 20, required=True),
        literal("ACCESSIO", 20),
        literal("REASON", 100),
        literal("EMAIL", 100),
        literal("PRIORITY", 10),
        literal("JBTOHD", 10),
    ),
    version=3,
)
def queue_image(call: Call) -> str:
    """Put an image, or all images of a group, into the export queue of a location; answers 1.

    Images of a study that are asked for by the same application, location and priority go together while one of them waits; one
    that is under way is not queued again. Without an accession number the study's own is written. `-1`, `-2`, `-3` without an
    image, a destination, a location; `-4` for another kind of object, or when no accession number is found. Images whose patient
    is not that of group and exam or report are left out. Nobody is sent mail.
    """
    image, application, location = call.text(0), call.text(1), call.text(2)
    if not m_number(image):
        return "-1,No Image specified"
    if not application:
        return "-2,No Destination specified"
    if not m_number(location):
        return "-3,No Origin specified"
    requested = request_export(
        call,
        ExportRequest(
            subscript(image),
            application,
            Origin(whole(location), to_fileman(call.clock.now()), call.clock.seconds()),
            call.text(3),
            call.text(4),
            whole(call.text(6)) or DEFAULT_PRIORITY,
            bool(m_number(call.text(7))),
        ),
    )
    return requested.answer


def request_export(call: Call, request: ExportRequest) -> Requested:
    """Put what is asked for into the export queue (QUEUE^MAGDRPC3).

    Images of another patient than their study are left out, and rejected ones.
    """
    image = call.connection.execute(_IMAGE, {"of_image": request.image}).first()
    kind = image.object_type if image is not None else NOTHING
    if kind not in (*QUEUED_TYPES, GROUP, NOTHING):
        return Requested(f'-4,Cannot Queue Image Object Type "{kind}".')
    if image is None:
        return Requested("1" if request.accession else _NO_ACCESSION)
    origin = request.origin
    lock_for_transaction(call.connection, export_lock(origin.location))
    group = call.connection.execute(_IMAGE, {"of_image": image.parent}).first() if image.parent else image
    astray = image.parent_file == RADIOLOGY_FILE and not image.report  # its report does not point back to it
    exam = None if astray else exam_of_image(call.connection, image)
    study = Study(
        request.application,
        image.parent or image.ien,
        group.uid if group is not None else "",
        request.priority,
        str(int(request.to_hard_disk)),
    )
    export = open_export(call.connection, study, origin.location)
    accession = request.accession or (exam.accession if exam is not None else "")
    if export is None and not accession:
        return Requested(_NO_ACCESSION)
    members: Sequence[ImageRow] = call.connection.execute(_MEMBERS, {"group": image.ien}).all() if kind == GROUP else [image]
    patients = {row.patient for row in (group, exam) if row is not None}
    if image.report:
        patients |= set(call.connection.execute(_REPORT_PATIENT, {"of_report": image.report}).scalars())
    rejected = rejected_among(call.connection, [member.ien for member in members])
    sound = [member for member in members if patients <= {member.patient} and member.ien not in rejected]
    for member in sound:
        queued = None if export is None else queue_export(call.connection, export, member.ien, study, origin)
        if queued is None:
            export = make_export(call.connection, study, accession, origin)
            queue_export(call.connection, export, member.ien, study, origin)
    _tell(call, request, members, {member.ien: _outcome(member, rejected, sound) for member in members})
    return Requested("1", len(sound))


def _outcome(member: ImageRow, rejected: set[int], sound: Sequence[ImageRow]) -> str:
    if member.ien in rejected:
        return "not queued: it is rejected"
    return "queued" if member in sound else "not queued: its patient is not that of its group and report"


def _tell(call: Call, request: ExportRequest, members: Sequence[ImageRow], outcomes: Mapping[int, str]) -> None:
    """Tell the images' stories who asked for them and why, or that they were left out."""
    detail = f"{request.application} for reason {request.reason}, asked for by user {call.session.duz}"
    now, machine = request.origin.seconds, call.session.machine
    record_events(call.connection, [Event(it.uid, it.ien, "SEND", now, machine, outcomes[it.ien], detail) for it in members])


@procedure(
    "MAG DICOM QUEUE INIT",
    access=Access.WRITES,
    routine="INIT^MAGDRPC4",
    parameters=(literal("LOCATION", 20, required=True),),
    version=3,
)
def empty_queue(call: Call) -> str:
    """Empty the export queue of a location; answers how many entries went, `-2` when there were none, `-3` without a location.

    An export counts once for every state that its images are in, as in VistA.
    """
    if not m_number(call.text(0)):
        return "-3,No origin specified."
    location = whole(call.text(0))
    lock_for_transaction(call.connection, export_lock(location))
    count = call.connection.execute(_COUNT, {"location": location}).scalar_one()
    call.connection.execute(_EMPTY, {"location": location})
    if not count:
        institution = call.site.institutions.get(location)
        return f"-2,No entries present for {institution.name if institution else ''}."
    return f"{count} entr{'y' if count == 1 else 'ies'} removed from Image Transmission Queue."
