"""ROLLBACK: an image that a gateway could not copy is taken back (DELETE^MAGGTID)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, String, bindparam, case, delete, func, insert, select, update

from fileman import file_name, forget_derived_files, forget_images, group_lock, lock_for_transaction, object_lock, to_fileman
from fileman.files import (
    ConsultGroup,
    Image,
    ImageAudit,
    LabGroup,
    LostMember,
    MovedImage,
    RejectedImage,
    ReportImage,
    TiuImage,
)
from rpcs.background_queue import Work, enqueue
from rpcs.call import Call
from rpcs.file_find import image_directory
from rpcs.image_processing.messages import Results
from rpcs.image_processing.request import Item
from rpcs.numbers import whole
from rpcs.site import LocationData

#: Why an image is gone when nobody says.
REASON = "Unknown reason"
#: The files that lie beside an image's own and go with it (ALTERNATE FILE TYPES of #2006.1).
ALTERNATES = ("TXT",)

_IMAGE = select(Image.uid, Image.parent, Image.members).where(Image.ien == bindparam("ien_"))
_FILES = select(Image.file_ref, Image.location, Image.abstract_location, Image.big_location, Image.big_extension).where(
    Image.ien == bindparam("ien_")
)
_KEPT = [column for column in Image.__table__.columns if column.name != "last_access"]
_ARCHIVE = insert(ImageAudit).from_select(
    [*(column.name for column in _KEPT), "last_access", "deleted_by", "deleted_at", "delete_reason"],
    select(*_KEPT, bindparam("moment"), bindparam("duz"), bindparam("moment"), bindparam("reason", type_=String)).where(
        Image.ien == bindparam("ien_")
    ),
)
_DELETE = delete(Image).where(Image.ien == bindparam("ien_"))
_FORGET = tuple(delete(file).where(file.image == bindparam("ien_")) for file in (RejectedImage, MovedImage))
_LAST_SEQUENCE = (
    select(func.coalesce(func.max(Image.group_sequence), 0)).where(Image.parent == bindparam("group_")).scalar_subquery()
)
_LAST_LOST = (
    select(func.coalesce(func.max(LostMember.sequence), 0)).where(LostMember.group == bindparam("group_")).scalar_subquery()
)
_MEMBERS = select(Image.ien).where(Image.parent == bindparam("group_")).order_by(Image.group_sequence, Image.ien)
_LEAVE_GROUP = (
    update(Image)
    .where(Image.ien == bindparam("group_"))
    .values(
        members=Image.members - bindparam("leaving"),
        last_member=case((_LAST_LOST > _LAST_SEQUENCE, _LAST_LOST), else_=_LAST_SEQUENCE),
    )
    .returning(Image.members)
)
_EMPTY_GROUP = update(Image).where(Image.ien == bindparam("group_")).values(members=0, last_member=0)
_LINKS = (
    delete(ReportImage).where(ReportImage.image == bindparam("group_")),
    delete(TiuImage).where(TiuImage.image == bindparam("group_")),
    delete(ConsultGroup).where(ConsultGroup.group == bindparam("group_")),
    delete(LabGroup).where(LabGroup.group == bindparam("group_")),
)
_NO_LOST_MEMBERS = delete(LostMember).where(LostMember.group == bindparam("group_"))


@dataclass(frozen=True, slots=True)
class Deleting:
    """Who deletes, when and why, in which database; `locations` are the site's."""

    connection: Connection
    locations: Mapping[int, LocationData]
    duz: int
    moment: datetime
    reason: str = REASON

    @classmethod
    def by_call(cls, call: Call, reason: str = REASON) -> Deleting:
        """Delete as a procedure's caller."""
        return cls(call.connection, call.site.locations, call.session.duz, call.clock.now(), reason)


def rollback(call: Call, item: Item, results: Results) -> tuple[int, str] | None:
    """Delete an image, and its group with the last one; answer whether it could be.

    What is deleted stays in the audit file, and its number is not given again. Its files are queued to be deleted. Gives the
    image and its UID, None for one that is not on file or is a group with images.
    """
    pointer = item.pieces(2)[1]
    number = whole(pointer)
    row = hold_entry(call.connection, number)
    if row is None:
        results.add("ROLLBACK", f"-1|Image entry doesn't exist in image file|{pointer}")
        return None
    if row.members > 0:
        results.add("ROLLBACK", f"-1|Deleting a Group is not allowed.|{pointer}")
        return None
    deleting = Deleting.by_call(call)
    queue_files(deleting, [number])
    delete_entry(deleting, number, row.parent)
    results.add("ROLLBACK", f"0||{pointer}")
    return number, str(row.uid)


def hold_entry(connection: Connection, image: int) -> Row[str, int | None, int] | None:
    """Read UID, group and number of images of an entry that is to be deleted; None when there is none.

    Until the transaction ends nobody else deletes it, or puts images into its group or takes some out.
    """
    row = connection.execute(_IMAGE, {"ien_": image}).first()
    if row is None or not lock_for_transaction(connection, object_lock(row.uid)):
        return row
    lock_for_transaction(connection, group_lock(row.parent or image))
    return connection.execute(_IMAGE, {"ien_": image}).first()


def delete_entry(deleting: Deleting, image: int, group: int | None) -> bool:
    """Move an image's entry to the audit file, and its group's with the last image of it; tell whether the group went.

    The caller has read the entry by `hold_entry`.
    """
    if group is not None:
        return delete_members(deleting, group, [image])
    unlink_group(deleting.connection, image)
    deleting.connection.execute(_NO_LOST_MEMBERS, {"group_": image})
    forget_images(deleting.connection, [image])
    _archive(deleting, image)
    return False


def delete_members(deleting: Deleting, group: int, images: Sequence[int]) -> bool:
    """Delete images of a group as `delete_entry` does, of which the caller has read each by `hold_entry`."""
    forget_images(deleting.connection, images)
    for image in images:
        _archive(deleting, image)
    return leave_group(deleting, group, len(images))


def leave_group(deleting: Deleting, group: int, images: int) -> bool:
    """Count images out of a group that have left it; tell whether it went, with the last of them."""
    left = deleting.connection.execute(_LEAVE_GROUP, {"group_": group, "leaving": images}).scalar()
    if left != 0:
        return False
    _delete_empty(deleting, group)
    return True


def delete_group(deleting: Deleting, group: int, images: Sequence[int]) -> None:
    """Move a group and all of its images to the audit file. The caller has read the group by `hold_entry`, then its images."""
    forget_images(deleting.connection, images)
    for image in images:
        _archive(deleting, image)
    deleting.connection.execute(_EMPTY_GROUP, {"group_": group})
    _delete_empty(deleting, group)


def _delete_empty(deleting: Deleting, group: int) -> None:
    unlink_group(deleting.connection, group)
    deleting.connection.execute(_NO_LOST_MEMBERS, {"group_": group})
    _archive(deleting, group)


def unlink_group(connection: Connection, group: int) -> None:
    """Take a group out of its report, note or temporary list (DELPAR^MAGSDEL2)."""
    for statement in _LINKS:
        connection.execute(statement, {"group_": group})


def _archive(deleting: Deleting, image: int) -> None:
    """Move an entry to the audit file; what people corrected of it is forgotten."""
    connection = deleting.connection
    values = {"moment": to_fileman(deleting.moment), "duz": deleting.duz, "reason": deleting.reason}
    connection.execute(_ARCHIVE, {"ien_": image, **values})
    for statement in (_DELETE, *_FORGET):
        connection.execute(statement, {"ien_": image})
    forget_derived_files(connection, image)


def members_of(connection: Connection, group: int) -> list[int]:
    """Give the images of a group, in its order."""
    return list(connection.execute(_MEMBERS, {"group_": group}).scalars())


def queue_files(deleting: Deleting, images: Sequence[int]) -> None:
    """Queue the files of images that are still on file to be deleted (DELFILE), each at the place of its location."""
    works: dict[int, list[Work]] = {}
    for image in images:
        for path, place in _paths(deleting, image).items():
            works.setdefault(place, []).append(Work(place, "DELETE", file_path=path))
    wanted = [work for of_place in works.values() for work in of_place]
    enqueue(deleting.connection, wanted, deleting.duz, deleting.moment)


def _paths(deleting: Deleting, image: int) -> dict[str, int]:
    """Give the paths of an image's files, each with the place of its location.

    The object lies beside a .TGA file as a .DCM file, where the gateway put it.
    """
    row: Any = deleting.connection.execute(_FILES, {"ien_": image}).one()
    root = row.file_ref.partition(".")[0]
    wanted = [
        (row.location, [row.file_ref, *(f"{root}.{extension}" for extension in ALTERNATES), file_name(row.file_ref, "DICOM")]),
        (row.abstract_location, [file_name(row.file_ref, "ABSTRACT")]),
        (row.big_location, [f"{root}.{row.big_extension}"]),
    ]
    paths: dict[str, int] = {}
    for number, names in wanted:
        location = deleting.locations.get(number or 0)
        if location is None or not row.file_ref:
            continue
        directory = image_directory(location, row.file_ref)
        for name in names:
            paths.setdefault(directory + name, location.site)
    return paths
