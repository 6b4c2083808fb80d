"""The DICOM CORRECT list (#2006.575): images that wait for a person to say whose they are (MOVE^MAGDLBAA)."""

from __future__ import annotations

from sqlalchemy import bindparam, insert, select

from fileman import lock_for_transaction, next_ien, to_fileman
from fileman.files import DicomFailedImage
from rpcs.call import Call
from rpcs.image_processing.person_name import DicomName
from rpcs.image_processing.request import StoreRequest

_SAME_FILE = select(DicomFailedImage.ien).where(
    DicomFailedImage.file_path == bindparam("file_path"), DicomFailedImage.machine == bindparam("machine")
)
_FIRST_OF_STUDY = (
    select(DicomFailedImage.ien)
    .where(
        DicomFailedImage.location == bindparam("location"),
        DicomFailedImage.study_uid == bindparam("study_uid"),
        DicomFailedImage.related_to.is_(None),
    )
    .order_by(DicomFailedImage.ien)
    .limit(1)
)
_INSERT = insert(DicomFailedImage)


def put_on_correct_list(call: Call, request: StoreRequest, name: DicomName, reason: str) -> None:
    """Enter an image unless the same file of the same gateway is there; later images of a study hang under its first."""
    connection = call.connection
    if connection.execute(_SAME_FILE, {"file_path": request.from_path, "machine": request.machine}).first():
        return
    study = {"location": request.location, "study_uid": request.study_uid}
    lock_for_transaction(connection, f"correct:{request.study_uid}")
    first = connection.execute(_FIRST_OF_STUDY, study).scalar() if request.study_uid else None
    given = f"{name.first} {name.middle}".strip()
    connection.execute(
        _INSERT,
        {
            "ien": next_ien(connection, "dicom_failed_image"),
            "file_path": request.from_path,
            "reason": reason.partition(",")[2],
            "patient_id": request.patient_id,
            "name": f"{name.last},{given}",
            "original_name": name.text.replace("^", "~"),
            "case_number": request.case_number,
            "accession": request.case_number,
            "entered": to_fileman(call.clock.now().date()),
            "machine": request.machine,
            "location": request.location,
            "image_uid": request.image_uid,
            "study_uid": request.study_uid,
            "instrument": request.instrument,
            "modality": request.modality,
            "instrument_location": request.instrument_location,
            "service": request.service,
            "related_to": first,
        },
    )
