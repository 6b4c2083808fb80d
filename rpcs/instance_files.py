"""Which file holds an instance as it was received, and its digest: what a gateway asks before it commits to the instance."""

from __future__ import annotations

from sqlalchemy import bindparam, select

from fileman.files import Image
from rpcs.call import Call
from rpcs.file_find import find_file
from rpcs.registry import Access, listed, procedure
from xwb import ResultType

#: UIDs in one call; further ones are not looked up.
MOST_UIDS = 500

_BY_UID = (
    select(
        Image.uid,
        Image.ien,
        Image.digest,
        Image.file_ref,
        Image.location,
        Image.abstract_location,
        Image.jukebox_location,
        Image.big_location,
        Image.big_jukebox_location,
        Image.big_extension,
    )
    .where(Image.uid.in_(bindparam("uids", expanding=True)), Image.file_ref != "")
    .order_by(Image.ien)
)


@procedure(
    "MAGB INSTANCE FILES",
    returns=ResultType.ARRAY,
    access=Access.READS,
    routine="instance_files",
    parameters=(listed("UIDS", required=True),),
)
def instance_files(call: Call) -> list[str]:
    """Answer `uid^ien^digest^path` for each image on file of some SOP Instance UIDs, at most 500, in the order of their IENs.

    The digest is the SHA-256 of the data set, empty where no gateway told it; the path is that of the object as it was received,
    empty where none lies on a location that is on line. A UID that is not on file has no line.
    """
    uids = [uid for uid in call.list(0).values() if uid][:MOST_UIDS]
    lines = []
    for row in call.connection.execute(_BY_UID, {"uids": uids}).all():
        found = find_file(call.site.locations, row, "DICOM")
        lines.append(f"{row.uid}^{row.ien}^{row.digest}^{'' if found.missing else found.path}")
    return lines
