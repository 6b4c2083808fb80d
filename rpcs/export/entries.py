"""The DICOM export queue: what a transmitter sends next, and what became of it (MAG DICOM GET NEXT QUEUE ENTRY)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, or_, select, update

from fileman import Event, export_lock, lock_for_transaction, record_events, to_fileman
from fileman.files import DicomExport, DicomExportImage, Image
from fileman.files.routing import EXPORT_TAKEN_FOR
from rpcs.call import Call
from rpcs.file_find import FoundFile, find_file, has_big_file
from rpcs.numbers import subscript
from rpcs.registry import Access, listed, literal, procedure
from xwb import ResultType, m_number

#: Days after which an export is given up, whatever came of it (CLEANUP^MAGDRPC4), and how many go at once.
GIVEN_UP_AFTER, GIVEN_UP_AT_ONCE = 15, 100
#: More institutions than one transmitter serves: so many are asked for in one call.
MOST_ORIGINS = 100

_ENTRY = (DicomExportImage.export == bindparam("d0")) & (DicomExportImage.sequence == bindparam("d1"))
_RETURN = (
    update(DicomExportImage)
    .where(
        or_(
            (DicomExportImage.status == "XMIT") & (DicomExportImage.status_at <= bindparam("before")),
            (DicomExportImage.status == "RETRY") & (DicomExportImage.next_try_at <= bindparam("now")),
        )
    )
    .where(DicomExportImage.origin.in_(bindparam("origins", expanding=True)))
    .values(status="WAITING")
)
_NEXT = (
    select(
        DicomExportImage.export,
        DicomExportImage.sequence,
        DicomExportImage.image,
        DicomExport.application,
        DicomExport.group,
        DicomExport.accession,
        DicomExport.image_count,
        Image.ien,
        Image.object_type,
        Image.file_ref,
        Image.location,
        Image.abstract_location,
        Image.jukebox_location,
        Image.patient,
        Image.big_location,
        Image.big_jukebox_location,
        Image.big_extension,
    )
    .join(DicomExport, DicomExport.ien == DicomExportImage.export)
    .join(Image, Image.ien == DicomExportImage.image, isouter=True)
    .where(
        DicomExportImage.status == "WAITING",
        DicomExportImage.origin == bindparam("one_origin"),
        DicomExportImage.priority == bindparam("one_priority"),
    )
    .order_by(DicomExportImage.export, DicomExportImage.sequence)
    .limit(1)
)
_PRIORITY = (
    select(DicomExportImage.priority)
    .where(DicomExportImage.status == "WAITING", DicomExportImage.origin == bindparam("one_origin"))
    .order_by(DicomExportImage.priority.desc())
    .limit(1)
)
_TAKE = (
    update(DicomExportImage)
    .where(_ENTRY)
    .values(
        status="XMIT",
        status_at=bindparam("now"),
        taken_by=bindparam("machine"),
        tries=DicomExportImage.tries + 1,
    )
)
_SENT_IMAGE = (
    select(DicomExportImage.image, Image.uid, DicomExport.application)
    .join(DicomExport, DicomExport.ien == DicomExportImage.export)
    .join(Image, Image.ien == DicomExportImage.image, isouter=True)
    .where(_ENTRY)
)
_SET_STATUS = (
    update(DicomExportImage)
    .where(_ENTRY)
    .values(
        status=bindparam("new_status"),
        status_at=bindparam("now"),
        reason=bindparam("why"),
        next_try_at=bindparam("next_try"),
        repeated=or_(DicomExportImage.repeated, bindparam("again")),  # who sends it at last need not know of it
    )
)
_DELETE = delete(DicomExportImage).where(_ENTRY)
_COUNT_DOWN = (
    update(DicomExport)
    .where(DicomExport.ien == bindparam("d0"))
    .values(image_count=DicomExport.image_count - 1)
    .returning(DicomExport.image_count)
)
_DELETE_EXPORT = delete(DicomExport).where(DicomExport.ien == bindparam("d0"))
_OLD = (
    select(DicomExport.ien)
    .where(DicomExport.requested > "", DicomExport.requested < bindparam("before"))
    .order_by(DicomExport.requested)
    .limit(GIVEN_UP_AT_ONCE)
)
_UNSENT = (
    select(DicomExportImage.image, Image.uid, DicomExport.application, DicomExportImage.status)
    .join(DicomExport, DicomExport.ien == DicomExportImage.export)
    .join(Image, Image.ien == DicomExportImage.image, isouter=True)
    .where(DicomExportImage.export.in_(bindparam("exports", expanding=True)), DicomExportImage.status != "SUCCESS")
)


@dataclass(frozen=True, slots=True)
class Report:
    """What a transmitter says of one entry; an empty status takes the entry out of the queue."""

    export: int
    sequence: int
    status: str
    repeated: bool = False
    reason: str = ""
    next_try_at: float = 0.0


@procedure(
    "MAG DICOM GET NEXT QUEUE ENTRY",
    returns=ResultType.ARRAY,
    access=Access.WRITES,
    routine="NEXTIMG^MAGDRPC4",
    parameters=(
        literal("LOCATION", 30, required=True),
        literal("D0", 20),
        listed("SENT", 10000, sequence=2),
        literal("D1", 20, sequence=3),
        literal("CHECK", 5, sequence=3),
    ),
    formals=("FROMS", "SENT", "CHECK"),
    version=3,
)
def next_queue_entry(call: Call) -> list[str]:
    """Report entries as sent and take the next one of some locations; with CHECK the queue is only looked at.

    LOCATION lists institutions, 100 at most. SENT elements are `entry^image^status`, an empty status takes the image out of the
    queue. Answers 1, entry, image subscript, application, group, accession number, image, object type, file, path, patient, path
    of the text file, number of images. `-1` without a location; `-2` when nothing waits: exports of 15 days ago are given up
    then. The highest priority of all locations comes first, the oldest export in it. What was taken and not reported for five
    minutes waits again.
    """
    origins = _origins(call)
    if not origins:
        return ["-1,No Origin Specified"]
    connection, now = call.connection, call.clock.seconds()
    lock_for_transaction(connection, *map(export_lock, origins))
    for element in call.list(1).values():
        export, sequence, status = [*element.split("^"), "", "", ""][:3]
        apply_report(call, Report(subscript(export), subscript(sequence), status))
    check = bool(m_number(call.text(2)))
    if not check:
        connection.execute(_RETURN, {"before": now - EXPORT_TAKEN_FOR, "now": now, "origins": origins})
    waiting = [
        (priority, -index, origin)
        for index, origin in enumerate(origins)
        if (priority := connection.execute(_PRIORITY, {"one_origin": origin}).scalar()) is not None
    ]
    if not waiting:
        _give_up_old(call)
        return ["-2,Nothing to be transmitted."]
    priority, _index, origin = max(waiting)
    entry = connection.execute(_NEXT, {"one_origin": origin, "one_priority": priority}).one()
    if not check:
        taken = {"d0": entry.export, "d1": entry.sequence, "now": now, "machine": call.session.machine}
        connection.execute(_TAKE, taken)
    return _described(call, entry)


def _origins(call: Call) -> list[int]:
    texts = [call.text(0), *call.list(0).values()]
    return sorted({number for text in texts if (number := subscript(text))})[:MOST_ORIGINS]


def _described(call: Call, entry: Row[*tuple[Any, ...]]) -> list[str]:
    """Write an entry with its export and its image; nothing is told of an image that is gone."""
    there = entry.ien is not None
    file = full = FoundFile("", "", missing=True)
    if there:
        full = find_file(call.site.locations, entry, "FULL")
        file = find_file(call.site.locations, entry, "BIG") if has_big_file(entry) else full
    return [
        "1",
        str(entry.export),
        str(entry.sequence),
        entry.application,
        str(entry.group),
        entry.accession,
        str(entry.image),
        str(entry.object_type) if there else "",
        file.name,
        file.path,
        str(entry.patient) if there else "",
        full.path,
        str(entry.image_count),
    ]


def _give_up_old(call: Call) -> None:
    """Take exports out of the queue that nobody sent in time, of any location, and tell the images' stories."""
    now = call.clock.now()
    before = to_fileman(now - timedelta(days=GIVEN_UP_AFTER))
    exports = call.connection.execute(_OLD, {"before": before}).scalars().all()
    if not exports:
        return
    rows = call.connection.execute(_UNSENT, {"exports": exports}).all()
    why = f"nothing came of it in {GIVEN_UP_AFTER} days"
    events = [
        Event(row.uid or "", row.image, "SEND", call.clock.seconds(), "", "given up", f"{row.application}: {row.status}, {why}")
        for row in rows
    ]
    record_events(call.connection, events)
    call.connection.execute(_DELETE_EXPORT, [{"d0": export} for export in exports])


def _take_out(connection: Connection, export: int, key: dict[str, int]) -> None:
    """Take an entry out of the queue, and its export with the last one, unless somebody else has just done so."""
    if not connection.execute(_DELETE, key).rowcount:
        return
    left = connection.execute(_COUNT_DOWN, {"d0": export}).scalar()
    if left is not None and left <= 0:
        connection.execute(_DELETE_EXPORT, {"d0": export})


def apply_report(call: Call, report: Report) -> bool:
    """Set what became of an entry, and tell the image's story; False when there is no such entry."""
    key = {"d0": report.export, "d1": report.sequence}
    row = call.connection.execute(_SENT_IMAGE, key).first()
    if row is None:
        return False
    now = call.clock.seconds()
    if not report.status:
        _take_out(call.connection, report.export, key)
        return True
    changes = {
        "new_status": report.status,
        "now": now,
        "why": report.reason,
        "next_try": report.next_try_at,
        "again": report.repeated,
    }
    call.connection.execute(_SET_STATUS, {**key, **changes})
    outcome = f"{report.status.lower()}, sent again" if report.repeated else report.status.lower()
    detail = f"{row.application}: {report.reason}" if report.reason else row.application
    event = Event(row.uid or "", row.image, "SEND", now, call.session.machine, outcome, detail)
    record_events(call.connection, [event])
    return True
