"""What our own gateway sends again under another REQUEST uuid, because its journal is older than the database.

Such a journal comes from a backup that was taken, or is restored, without the database of the same moment. The gateway knows
nothing then of requests that it sent afterwards. It is answered as it was: nothing is filed twice, and judged by the rules twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select

from fileman.files import ArchiveInstance, Image, ImageEvent
from rpcs.file_find import image_directory
from rpcs.image_processing.group import Filing
from rpcs.image_processing.request import Item

_FILED = (
    select(Image.file_ref, Image.location, Image.big_extension, Image.digest, Image.patient)
    .where(Image.ien == bindparam("image"))
    .where(
        select(ImageEvent.ien)
        .where(
            ImageEvent.image == bindparam("image"),
            ImageEvent.stage == "STORE",
            ImageEvent.outcome == "filed",
            ImageEvent.peer == bindparam("machine"),
        )
        .exists()
    )
)
_IN_PLACE = select(ArchiveInstance.image).where(ArchiveInstance.image.in_(bindparam("images", expanding=True)))
#: Images that one query looks for.
_LOOKED_FOR_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Before:
    """An image as it was filed before, its place as STORE answers it, and its patient."""

    image: int
    place: str
    patient: int


def digests_told(items: Sequence[Item]) -> dict[str, str]:
    """Give the digests that a call tells, by SOP Instance UID: those of its data sets, which STORE1 and STORE2 do not tell."""
    return {uid: digest for uid, digest in (it.pieces(2) for it in items if it.opcode == "DIGEST") if digest}


def filed_before(filing: Filing, image: int, digest: str) -> Before | None:
    """Find out whether this gateway filed this very data set as an image; None for another gateway's, and for another data set.

    So it is for one without a short-term location too: where its file was, it is not wanted any more.
    """
    call = filing.call
    row = call.connection.execute(_FILED, {"image": image, "machine": call.session.machine}).first()
    location = None if row is None or row.location is None else call.site.locations.get(row.location)
    if row is None or location is None or not digest or row.digest != digest:
        return None
    directory = image_directory(location, row.file_ref)
    hierarchical = not any(directory == it.physical for it in call.site.locations.values())
    big = f"^{row.file_ref.partition('.')[0]}.BIG" if row.big_extension else ""
    return Before(image, f"{image}^{directory}^{row.file_ref}^{int(hierarchical)}{big}", row.patient)


def in_place_before(connection: Connection, images: Sequence[int]) -> set[int]:
    """Tell which images were said to be in their places already, and were given to the rules then."""
    found: set[int] = set()
    for begin in range(0, len(images), _LOOKED_FOR_AT_ONCE):
        some = images[begin : begin + _LOOKED_FOR_AT_ONCE]
        found.update(connection.execute(_IN_PLACE, {"images": some}).scalars())
    return found
