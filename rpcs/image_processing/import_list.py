"""The import list (#2006.5752): imported objects that fit nobody, until they are sent again with corrected values (MAGDIR8R)."""

from __future__ import annotations

from sqlalchemy import bindparam, delete, insert, select

from fileman import next_ien
from fileman.files import ImportableObject
from rpcs.call import Call
from rpcs.image_processing import failed
from rpcs.image_processing.group import Filing
from rpcs.image_processing.person_name import DicomName
from rpcs.image_processing.request import StoreRequest

ROUTINE = "MAGDIR8R"

_INSERT = insert(ImportableObject)
_BY_PATH = (
    select(*ImportableObject.__table__.columns)
    .where(ImportableObject.machine == bindparam("machine_"), ImportableObject.file_path == bindparam("path_"))
    .order_by(ImportableObject.ien)
    .limit(1)
)
_DELETE_UID = delete(ImportableObject).where(ImportableObject.image_uid == bindparam("uid_"))


def put_on_import_list(call: Call, request: StoreRequest, name: DicomName) -> None:
    """Enter an object; each time that it comes is an entry of its own (STORE^MAGDIR8R)."""
    call.connection.execute(
        _INSERT,
        {
            "ien": next_ien(call.connection, "importable_object"),
            "name": name.text.replace("^", "|"),
            "patient_id": request.patient_id,
            "machine": request.machine,
            "study_date": request.study_date,
            "accession": request.case_number,
            "study_uid": request.study_uid,
            "modality": request.modality,
            "series_uid": request.series_uid,
            "file_path": request.from_path,
            "image_uid": request.image_uid,
        },
    )


def take_off_import_list(filing: Filing) -> None:
    """Delete what is filed now: the entry of its old path, and every other of the same SOP Instance UID (DELETE^MAGDIR8R).

    Raises StoreRefused -99 when that path's entry is another object; the group stays, as in VistA.
    """
    request, connection = filing.request, filing.call.connection
    row = connection.execute(_BY_PATH, {"machine_": request.machine, "path_": request.old_path}).mappings().first()
    connection.execute(_DELETE_UID, {"uid_": request.image_uid})
    if row is None or row["image_uid"] == request.image_uid:
        return
    node = f"^MAGD(2006.5752,{row['ien']}"
    filing.messages.begin(
        "IMPORT RECONCILIATION DATABASE FILE DELETION ERROR:",
        "The DICOM SOP Instance UIDs don't agree.",
        f"Current UID: {request.image_uid}",
        f"Previous UID: {row['image_uid']}",
        f"Dump of File {node})",
        f"{node},0)={row['name']}^{row['patient_id']}^{row['machine']}",
        f"{node},1)={row['study_date']}^{row['accession']}^{row['study_uid']}",
        f"{node},2)={row['modality']}^{row['series_uid']}",
        f"{node},3)={row['file_path']}^{row['image_uid']}",
        f"Argument 1: {request.first}",
        f"Argument 2: {request.second}",
    )
    filing.messages.critical_error(ROUTINE, request.gateway)
    raise failed.StoreRefused("-99")
