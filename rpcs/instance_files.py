"""Which file holds an instance as it was received, and its digest: what a gateway asks before it commits to the instance."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, bindparam, select

from fileman import FILE_POINTERS, ImageLocationStatus, image_location_status
from fileman.files import Image
from rpcs.call import Call
from rpcs.file_find import find_file
from rpcs.registry import Access, listed, literal, procedure
from xwb import ResultType

#: UIDs in one call; further ones are not looked up.
MOST_UIDS = 500
#: What STORES says where a long-term copy does not count.
SHORT_TERM = "SHORT-TERM"

_BY_UID = (
    select(
        Image.uid,
        Image.digest,
        *FILE_POINTERS,
    )
    .where(Image.uid.in_(bindparam("uids", expanding=True)), Image.file_ref != "")
    .order_by(Image.ien)
)


@procedure(
    "MAGB INSTANCE FILES",
    returns=ResultType.ARRAY,
    access=Access.READS,
    routine="instance_files",
    parameters=(listed("UIDS", required=True), literal("STORES")),
)
def instance_files(call: Call) -> list[str]:
    """Answer `uid^ien^digest^path` for each image on file of some SOP Instance UIDs, at most 500, in the order of their IENs.

    The digest is the SHA-256 of the data set, empty where no gateway told it; the path is that of the object as it was received,
    empty where none lies on a location that is on line; with STORES `SHORT-TERM`, on a short-term one. A UID that is not on
    file has no line.
    """
    short_term_only = call.text(1) == SHORT_TERM
    uids = [uid for uid in call.list(0).values() if uid][:MOST_UIDS]
    lines = []
    for row in call.connection.execute(_BY_UID, {"uids": uids}).all():
        found = find_file(call.site.locations, row, "DICOM")
        told = not found.missing and (not short_term_only or _is_in_store(call, row))
        lines.append(f"{row.uid}^{row.ien}^{row.digest}^{found.path if told else ''}")
    return lines


def _is_in_store(call: Call, row: Row[*tuple[Any, ...]]) -> bool:
    """Tell whether the object lies on a short-term location that is on line."""
    short_term = row.big_location if row.big_extension == "DCM" else row.location
    return image_location_status(call.site.locations, short_term, None) is ImageLocationStatus.ONLINE
