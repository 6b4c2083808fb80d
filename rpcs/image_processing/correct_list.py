"""The DICOM CORRECT list (#2006.575): images that wait for a person to say whose they are (MOVE^MAGDLBAA)."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from fileman import lock_for_transaction, next_ien, to_fileman
from fileman.files import DicomFailedImage
from rpcs.call import Call
from rpcs.image_processing.person_name import DicomName
from rpcs.image_processing.request import StoreRequest

#: How a corrected study is queued for its gateway (the AFX cross-reference).
FIXED, DELETE = "FIXED", "DELETE"

_SAME_FILE = (
    select(DicomFailedImage.ien, DicomFailedImage.queued)
    .where(
        DicomFailedImage.file_path == bindparam("file_path"),
        DicomFailedImage.machine == bindparam("machine"),
        DicomFailedImage.location == bindparam("location"),
        DicomFailedImage.removed.is_(False),
    )
    .order_by(DicomFailedImage.ien)
    .limit(1)
)
_FAILED_AGAIN = update(DicomFailedImage).where(DicomFailedImage.ien == bindparam("entry")).values(queued="", fixed="0")
_FIRST_OF_STUDY = (
    select(DicomFailedImage.ien)
    .where(
        DicomFailedImage.location == bindparam("location"),
        DicomFailedImage.study_uid == bindparam("study_uid"),
        DicomFailedImage.first_of_study.is_(True),
    )
    .order_by(DicomFailedImage.ien)
    .limit(1)
)
_COUNT_RELATED = (
    update(DicomFailedImage)
    .where(DicomFailedImage.ien == bindparam("entry"))
    .values(last_related=DicomFailedImage.last_related + 1)
    .returning(DicomFailedImage.last_related)
)
_INSERT = insert(DicomFailedImage)
_REMOVE = update(DicomFailedImage).where(DicomFailedImage.ien == bindparam("entry")).values(removed=True)
_FORGET = delete(DicomFailedImage).where(
    DicomFailedImage.ien == bindparam("entry"),
    DicomFailedImage.removed.is_(True),
    DicomFailedImage.first_of_study.is_(False),
    DicomFailedImage.queued == "",
    DicomFailedImage.related_to.is_(None),
)


def put_on_correct_list(call: Call, request: StoreRequest, name: DicomName, problem: str, service: str) -> None:
    """Enter an image unless its file is there from the same gateway; later images of a study hang under its first.

    A study that somebody had corrected, and whose first image fails again, is no longer queued for its gateway (REMOAFX).
    `problem` is what `Association.problem` said.
    """
    connection = call.connection
    file = {"file_path": request.from_path, "machine": request.machine, "location": request.location}
    same = connection.execute(_SAME_FILE, file).first()
    if same is not None:
        if same.queued:
            connection.execute(_FAILED_AGAIN, {"entry": same.ien})
        return
    study = {"location": request.location, "study_uid": request.study_uid}
    lock_for_transaction(connection, f"correct:{request.study_uid}")
    first = connection.execute(_FIRST_OF_STUDY, study).scalar() if request.study_uid else None
    sequence = connection.execute(_COUNT_RELATED, {"entry": first}).scalar() if first is not None else None
    given = f"{name.first} {name.middle}" if name.middle else name.first
    connection.execute(
        _INSERT,
        {
            "ien": next_ien(connection, "dicom_failed_image"),
            "file_path": request.from_path,
            "reason": problem.partition(",")[2],
            "patient_id": request.patient_id,
            "name": f"{name.last},{given}",
            "original_name": name.text.replace("^", "~"),
            "case_number": request.case_number.replace("^", "~"),
            "accession": request.case_number.replace("^", "~"),
            "entered": to_fileman(call.clock.now().date()),
            "machine": request.machine,
            "location": request.location,
            "image_uid": request.image_uid,
            "study_uid": request.study_uid,
            "instrument": request.instrument,
            "modality": request.modality,
            "instrument_location": request.instrument_location,
            "service": service,
            "related_to": first,
            "related_sequence": sequence,
            "first_of_study": first is None,
        },
    )


def remove_entry(connection: Connection, entry: int) -> None:
    """Take an entry off the list. What still names it (its study, a queue, the first image) goes on naming it, as in VistA."""
    connection.execute(_REMOVE, {"entry": entry})
    connection.execute(_FORGET, {"entry": entry})
