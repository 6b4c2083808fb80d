"""CORRECT: a gateway asks what somebody has corrected, and says what it has done about it (MAGDIR83)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, delete, select, update

from fileman.files import DicomFailedImage, ImageHeader
from rpcs.call import Call
from rpcs.errors import undefined_global
from rpcs.image_processing.correct_list import DELETE, remove_entry
from rpcs.image_processing.messages import Results
from rpcs.image_processing.request import Item
from rpcs.numbers import subscript

#: Related images after which a query ends, though there are more.
BATCH = 25

_CORRECTED = (
    select(
        DicomFailedImage.ien,
        DicomFailedImage.file_path,
        DicomFailedImage.instrument,
        DicomFailedImage.study_uid,
        DicomFailedImage.queued,
        DicomFailedImage.new_name,
        DicomFailedImage.new_patient_id,
        DicomFailedImage.new_accession,
        DicomFailedImage.removed,
    )
    .where(
        DicomFailedImage.location == bindparam("location_"),
        DicomFailedImage.machine == bindparam("machine_"),
        DicomFailedImage.queued != "",
    )
    .order_by(DicomFailedImage.ien)
    .limit(BATCH)
)
_RELATED = (
    select(DicomFailedImage.ien, DicomFailedImage.file_path, DicomFailedImage.removed)
    .where(DicomFailedImage.related_to == bindparam("study_"))
    .order_by(DicomFailedImage.related_sequence)
    .limit(BATCH + 1)
)
_THIS = DicomFailedImage.ien == bindparam("entry")
_UNRELATE = update(DicomFailedImage).where(_THIS, DicomFailedImage.related_to == bindparam("study_")).values(related_to=None)
_UNQUEUE = (
    update(DicomFailedImage)
    .where(_THIS, DicomFailedImage.location == bindparam("location_"), DicomFailedImage.machine == bindparam("machine_"))
    .values(queued="")
)
_UNLEAD = (
    update(DicomFailedImage)
    .where(_THIS, DicomFailedImage.location == bindparam("location_"), DicomFailedImage.study_uid == bindparam("study_uid_"))
    .values(first_of_study=False)
)
#: The header of an image that is deleted, unless another object of its UID is on file.
_FORGET_HEADER = delete(ImageHeader).where(
    ImageHeader.uid == select(DicomFailedImage.image_uid).where(_THIS).scalar_subquery(),
    ImageHeader.image.is_(None),
    select(DicomFailedImage.ien).where(DicomFailedImage.ien == bindparam("study_"), DicomFailedImage.queued == DELETE).exists(),
)


def correct(call: Call, item: Item, results: Results) -> None:
    """Answer a query, or take note of what a gateway has done; anything else is ignored."""
    status = item.pieces(1)[0]
    if status == "QUERY":
        _query(call, item, results)
    elif status == "PROCESSED":
        _processed(call, item, results)


def _query(call: Call, item: Item, results: Results) -> None:
    """List the images of every corrected study of a gateway, each with the new values.

    The first image of a study comes twice: NONE, not to be taken off the list yet, and at the end STUDY. After 25 related
    images the list ends, and a study that it cuts has no STUDY.
    """
    _status, location, machine = item.pieces(3)
    related = 0
    for study in call.connection.execute(_CORRECTED, {"location_": location, "machine_": machine}).all():
        if related >= BATCH:
            return
        if study.removed:
            raise undefined_global("QUERY+9^MAGDIR83", f'^MAGD(2006.575,{study.ien},"AMFG")')
        _list(results, study, study.ien, study.file_path, "NONE")
        for image in call.connection.execute(_RELATED, {"study_": study.ien}).all():
            if related >= BATCH:
                break
            if image.removed:
                raise undefined_global("QUERY1+2^MAGDIR83", f"^MAGD(2006.575,{image.ien},0)")
            _list(results, study, image.ien, image.file_path, "IMAGE")
            related += 1
        else:
            _list(results, study, study.ien, study.file_path, "STUDY")


def _list(results: Results, study: Any, image: int, path: str, kind: str) -> None:
    status = DELETE if study.queued == DELETE else "FIXED"
    values = (status, image, study.ien, kind, study.instrument, path, study.study_uid)
    new = (study.new_name, study.new_patient_id, study.new_accession)
    results.add("CORRECT", "|".join(map(str, (*values, *new))))


def _processed(call: Call, item: Item, results: Results) -> None:
    """Take an image off the list that the gateway has dealt with, and with STUDY the study; NONE leaves it there."""
    _status, image, study, kind, _instrument, _path, study_uid, machine, location = item.pieces(9)
    connection = call.connection
    entry, of_study = subscript(image), subscript(study)
    if kind != "NONE" and entry:
        connection.execute(_FORGET_HEADER, {"entry": entry, "study_": of_study})
        if kind == "IMAGE" and of_study:
            connection.execute(_UNRELATE, {"entry": entry, "study_": of_study})
        elif kind == "STUDY" and of_study:
            connection.execute(_UNQUEUE, {"entry": of_study, "location_": location, "machine_": machine})
            connection.execute(_UNLEAD, {"entry": of_study, "location_": location, "study_uid_": study_uid})
        remove_entry(connection, entry)
    results.add("CORRECT", f"COMPLETE|{image}|{study}|{kind}")
