"""Patient safety: whether an image, its group and its report or note belong together (CHK^MAGGSQI)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, bindparam, select, union_all

from fileman import GROUP_OBJECT_TYPE, RADIOLOGY_FILE, TIU_FILE
from fileman.files import Image, ImageAudit, Report, TiuNote

#: STATUS (#2005, 113) of an image that was deleted.
DELETED = 12

_IMAGE = select(
    Image.ien,
    Image.object_type,
    Image.patient,
    Image.parent,
    Image.parent_file,
    Image.parent_ien,
    Image.group_sequence,
).where(Image.ien == bindparam("ien"))
_DELETED = union_all(
    select(Image.ien).where(Image.ien == bindparam("ien"), Image.status == DELETED),
    select(ImageAudit.ien).where(ImageAudit.ien == bindparam("ien")),
)
_FIRST_MEMBER = select(Image.ien).where(Image.parent == bindparam("ien"), Image.group_sequence.is_not(None)).limit(1)
#: Whose the entry is that an image belongs to, by parent data file.
_OWNER = {
    RADIOLOGY_FILE: select(Report.patient).where(Report.ien == bindparam("ien")),
    TIU_FILE: select(TiuNote.patient).where(TiuNote.ien == bindparam("ien")),
}

NO_IMAGE = "0^Invalid Image pointer"
OKAY = "1^Okay"


def is_deleted(connection: Connection, image: int) -> bool:
    """Tell whether an image was deleted: it is marked so, or stands in IMAGE AUDIT alone."""
    return connection.execute(_DELETED, {"ien": image}).first() is not None


def check_integrity(connection: Connection, image: int) -> str:
    """Check an image: `1^` when nothing is wrong with it or it is deleted, `0^` and why, `2^` for one of a patient only."""
    row = connection.execute(_IMAGE, {"ien": image}).first()
    if is_deleted(connection, image):
        return "1^Deleted Image"
    if row is None:
        return NO_IMAGE
    is_group = row.object_type == GROUP_OBJECT_TYPE
    if is_group and connection.execute(_FIRST_MEMBER, {"ien": image}).first() is None:
        return "0^Group of 0 images"
    if row.parent:
        return _check_member(connection, row)
    if row.parent_file in _OWNER:
        return _check_report(connection, row, is_group)
    return "2^Images only point to Patient."


def _check_member(connection: Connection, row: Any) -> str:
    group = connection.execute(_IMAGE, {"ien": row.parent}).first()
    if group is None or group.patient != row.patient:
        return "0^Patient pointer mismatch between Image Group and Image"
    if row.parent_file and (row.parent_file, row.parent_ien) != (group.parent_file, group.parent_ien):
        return "0^Pointer Mismatch in Group"
    return "0^Pointer Missing in Group entries." if row.group_sequence is None else "1^Valid Group image."


def _check_report(connection: Connection, row: Any, is_group: bool) -> str:
    """Check an image that no group holds against its report or note, which lists groups only."""
    if not row.parent_ien:
        return "0^Missing the Parent root pointer"
    patient = connection.execute(_OWNER[row.parent_file], {"ien": row.parent_ien}).scalar()
    if patient is None:
        return "0^Invalid Image pointer to associated package report entry"
    if patient != row.patient:
        return "0^Image and associated report have different patient pointers"
    return OKAY if is_group else "0^Associated report does not point back to Image"
