"""Images that a C-MOVE could not send, put into the export queue in its stead (MAGB EXPORT MOVE)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, select, update

from fileman import IMAGE_POINTERS, Event, exams_of_images, export_lock, lock_for_transaction, record_events, to_fileman
from fileman.files import DicomExportImage, Image
from rpcs.call import Call
from rpcs.export.requests import DEFAULT_PRIORITY, QUEUED_TYPES
from rpcs.numbers import subscript
from rpcs.registry import Access, listed, procedure
from rules.evaluator.queueing import Object, Origin, Study, queue_objects

#: Images of one call; a retrieval is listed in pages of as many.
MOST_IMAGES = 1000
_COLUMNS = (*IMAGE_POINTERS, Image.object_type, Image.uid)
_IMAGES = select(*_COLUMNS).where(Image.ien.in_(bindparam("images", expanding=True))).order_by(Image.ien)
_REPEATED = (
    update(DicomExportImage)
    .where(
        DicomExportImage.image.in_(bindparam("images", expanding=True)),
        DicomExportImage.application == bindparam("for_application"),
        DicomExportImage.origin == bindparam("for_origin"),
        DicomExportImage.status.in_(["WAITING", "RETRY", "HOLD"]),
    )
    .values(repeated=True)
)

ImageRow = Row[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class MoveRequest:
    """What is to be sent: images by IEN, each with whether its destination may have it, for an AE title that asked for them."""

    application: str
    location: int
    asked_by: str
    images: Mapping[int, bool]

    @classmethod
    def read(cls, text: str) -> MoveRequest | None:
        """Read a request; None where it cannot be understood."""
        try:
            found = json.loads(text)
            images = {subscript(str(image)): bool(doubtful) for image, doubtful in found["images"]}
            request = cls(str(found["application"]), subscript(str(found["location"])), str(found.get("for", "")), images)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None
        return request if request.application and request.location and len(images) <= MOST_IMAGES else None


@procedure("MAGB EXPORT MOVE", access=Access.WRITES, routine="magb", parameters=(listed("REQUEST", required=True),))
def export_move(call: Call) -> str:
    """Put images that a C-MOVE could not send into the export queue of a location; answer how many wait for it now.

    REQUEST is one JSON text, cut into elements: `application` names the destination, `location` the institution, `for` the AE
    title that asked, `images` has pairs of IEN and 1 where the destination may have it already, 1,000 at most. What is under way
    for the destination is not queued again. `-1` for a request that cannot be understood.
    """
    request = MoveRequest.read("".join(call.list(0).values()))
    if request is None:
        return "-1,The request cannot be understood."
    lock_for_transaction(call.connection, export_lock(request.location))
    wanted = {"images": sorted(request.images)}
    rows = [row for row in call.connection.execute(_IMAGES, wanted).all() if row.object_type in QUEUED_TYPES]
    origin = Origin(request.location, to_fileman(call.clock.now()), call.clock.seconds())
    queued = queue_objects(call.connection, _objects(call, request, rows), origin)
    if doubtful := [row.ien for row in rows if request.images[row.ien]]:
        key = {"images": doubtful, "for_application": request.application, "for_origin": request.location}
        call.connection.execute(_REPEATED, key)
    detail = f"{request.application}, where a C-MOVE of {request.asked_by} could not send it"
    new = [row for row, is_new in zip(rows, queued, strict=True) if is_new]
    record_events(
        call.connection,
        [Event(row.uid, row.ien, "SEND", origin.seconds, call.session.machine, "queued", detail) for row in new],
    )
    return str(len(rows))


def _objects(call: Call, request: MoveRequest, rows: Sequence[ImageRow]) -> list[Object]:
    """Say of which study each image goes, under the accession number of its exam."""
    groups = sorted({row.parent or row.ien for row in rows})
    found = {row.ien: row for row in call.connection.execute(_IMAGES, {"images": groups})}
    exams = exams_of_images(call.connection, found.values())
    objects = []
    for row in rows:
        group = row.parent or row.ien
        exam = exams.get(group)
        uid = found[group].uid if group in found else ""
        study = Study(request.application, group, uid, DEFAULT_PRIORITY)
        objects.append(Object(row.ien, study, exam.accession if exam is not None else ""))
    return objects
