"""What a group and its images have in common, and the making of a group (NEWGROUP^MAGDIR9A)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, bindparam, insert, select

from fileman import GROUP_OBJECT_TYPE, entry_prefix, external_date, is_fileman, lock_for_transaction, next_ien, to_fileman
from fileman.files import AcquisitionDevice, Image
from rpcs.call import Call
from rpcs.image_processing import failed
from rpcs.image_processing.found import Found, OnFile
from rpcs.image_processing.indexes import Indexes, origin_code
from rpcs.image_processing.messages import Messages
from rpcs.image_processing.pending import Pending
from rpcs.image_processing.request import StoreRequest
from rpcs.image_processing.study import PatientData, patient_data
from rpcs.numbers import subscript

#: The sexes of DEM^VADPT in words.
_SEXES = {"M": "MALE", "F": "FEMALE"}

_INSERT = insert(Image)
_DEVICE = select(AcquisitionDevice.ien).where(AcquisitionDevice.name == bindparam("name"))
_INSERT_DEVICE = insert(AcquisitionDevice)


@dataclass(slots=True)
class FileData:
    """What an image is filed with (FILEDATA and the variables beside it): gathered on the way to its group.

    `name` is that of the entry, `description` the procedure's; `exam_date` the date and time of the exam or of the header.
    """

    patient: PatientData
    name: str
    description: str
    exam_date: str
    modality: str
    sop_class: int | None
    moment: str
    device: int | None = None
    indexes: Indexes | None = None
    parent_file: str = ""
    parent_ien: int | None = None
    parent_pointer: int | None = None
    parent_inverse: str = ""
    report: int | None = None
    procedure_ien: int | None = None
    short_description: str = ""
    group: int = 0


@dataclass(slots=True)
class Filing:
    """One image on its way into the database; calls of our own gateway tell digests, by SOP Instance UID, others None."""

    call: Call
    request: StoreRequest
    messages: Messages
    found: Found
    pending: Pending
    digests: Mapping[str, str] | None = None
    moment: str = field(init=False)

    def __post_init__(self) -> None:
        self.moment = to_fileman(self.call.clock.now())


def find_device(filing: Filing) -> int:
    """Find or make the acquisition device; names are upper-cased and single-spaced (ACQDEV^MAGDFCNV)."""
    connection, request, devices = filing.call.connection, filing.request, filing.found.devices
    name = " ".join(f"{request.manufacturer} ({request.model})".upper().replace("|", "~").replace("^", "~").split())
    if name not in devices:
        devices[name] = _device(connection, name) or _new_device(connection, name, request.instrument_location)
    return devices[name]


def _device(connection: Connection, name: str) -> int | None:
    found: int | None = connection.execute(_DEVICE, {"name": name}).scalar()
    if found is None and lock_for_transaction(connection, f"device:{name}"):  # another broker may have made it
        found = connection.execute(_DEVICE, {"name": name}).scalar()
    return found


def _new_device(connection: Connection, name: str, location: str) -> int:
    device = next_ien(connection, "acquisition_device")
    connection.execute(_INSERT_DEVICE, {"ien": device, "name": name, "location": location})
    return device


def make_group(filing: Filing, data: FileData, procedure: str, routine: str) -> int:
    """Make an image group and give its entry number.

    Raises GaveUp #-306 when a value of the request does not fit, #-307 when the number lies below the last that the gateway has
    seen (the group stays).
    """
    request = filing.request
    if why := wrong_value(request, data):
        raise failed.not_filed(filing.messages, "-306", routine, request.gateway, "IMAGE GROUP", why)
    group = filing.pending.numbers.take()
    filing.call.connection.execute(
        _INSERT,
        {
            **common_columns(filing, data),
            "ien": group,
            "object_type": GROUP_OBJECT_TYPE,
            "procedure": procedure,
            "short_description": data.description,
            "uid": request.study_uid,
        },
    )
    filing.found.filed(request.study_uid, OnFile(group, data.name, data.moment))
    if request.lies_below_last(group):
        raise failed.last_image_problem(filing.messages, "-307", routine, request.gateway, "group", group, request.last_image)
    return group


def wrong_value(request: StoreRequest, data: FileData) -> str:
    """Say which value the database would not take (ADD^MAGGTIA), in the order in which it looks; empty when it takes all."""
    if data.exam_date and not is_fileman(data.exam_date):
        return f"Invalid Date: {data.exam_date} Field: PROCEDURE/EXAM DATE/TIME"
    if origin_code(request.origin) is None:
        return f"The value '{request.origin}' for field ORIGIN INDEX in file IMAGE is not valid."
    if request.stamp and not is_fileman(request.stamp):
        return f"Invalid Date: {request.stamp} Field: CREATION DATE"
    return ""


def common_columns(filing: Filing, data: FileData) -> dict[str, object]:
    """Give the fields that a group and its images share. A site that the request leaves out is the user's."""
    request, indexes = filing.request, data.indexes
    site = request.instrument_location or str(filing.call.session.division)
    return {
        "name": data.name,
        "patient": data.patient.dfn,
        "saved_at": data.moment,
        "saved_by": 0,  # nobody: the recorded VistA leaves SAVED BY empty
        "procedure_time": data.exam_date,
        "parent_file": data.parent_file,
        "parent_ien": data.parent_ien,
        "parent_image_pointer": data.parent_pointer,
        "parent_inverse": data.parent_inverse,
        "package": "" if indexes is None else indexes.package,
        "image_class": None if indexes is None else indexes.image_class,
        "image_type": None if indexes is None else indexes.image_type,
        "procedure_or_event": None if indexes is None else indexes.procedure_or_event,
        "specialty": None if indexes is None else indexes.specialty,
        "origin": origin_code(request.origin),
        "acquisition_site": subscript(site) or None,
        "acquisition_device": data.device,
        "creation_date": request.stamp,
        "report": data.report,
        "procedure_ien": data.procedure_ien,
        "sop_class": data.sop_class,
    }


def entry_name(patient: PatientData, description: str) -> str:
    """Name an entry of IMAGE: the patient, the number as it is shown, the procedure."""
    return entry_prefix(patient.name, patient.ssn) + description


def external_sex(sex: str) -> str:
    """Write a sex code in words."""
    return _SEXES.get(sex, "")


#: What the messages about two patients say, by what points to the other one: the title, the thing in the first line and in
#: the later ones, its kind in the last line.
_MISMATCHES = {
    "group": ("PATIENT MISMATCH PROBLEM", "group", "Group", "group"),
    "report": ("RAD PATIENT/REPORT MISMATCH", "radiology report", "Rad Report", "report"),
    "note": ("TIU PATIENT/REPORT MISMATCH", "TIU note", "TIU note", "TIU note"),
}


def wrong_patient(
    filing: Filing, patient: int, what: str, owner: int | None, where: str, code: str, routine: str
) -> failed.GaveUp:
    """Give up because a group, report or note and the image point to different patients."""
    title, thing, later, kind = _MISMATCHES[what]
    lines = [
        f"The image and the {thing} point to different patients.",
        "",
        f"The Image points to PATIENT file internal entry number {patient}",
        _demographics(filing, patient),
        "",
        f"The {later} points to PATIENT file internal entry number {'' if owner is None else owner}",
        _demographics(filing, owner),
        "",
        f"Internal entry number of {kind}: {where}",
    ]
    return failed.critical(filing.messages, code, routine, filing.request.gateway, title, lines)


def _demographics(filing: Filing, dfn: int | None) -> str:
    if not dfn:
        return "<null DFN>"
    patient = patient_data(filing.call.connection, dfn)
    return f"({external_sex(patient.sex)} - {external_date(patient.birth_date)})"
