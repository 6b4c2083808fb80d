"""The DICOM export queue: what a transmitter sends next, and what became of it (MAG DICOM GET NEXT QUEUE ENTRY)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, Select, String, bindparam, case, delete, or_, select, update

from fileman import Event, export_lock, lock_for_transaction, record_events, to_fileman
from fileman.files import DicomExport, DicomExportImage, HeldDestination, Image
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
#: Reports that one statement looks up: databases bound its parameters.
_LOOKED_UP = 500
#: The status with which a machine says that it still has an entry.
KEPT = "KEPT"
NO_ORIGIN = "-1,No Origin Specified"
NOTHING = "-2,Nothing to be transmitted."

#: What an entry becomes that is to be taken again.
AGAIN = case((DicomExportImage.application.in_(select(HeldDestination.application)), "HOLD"), else_="WAITING")
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
    .values(status=AGAIN)
)
#: What is told of an entry.
NEXT_COLUMNS = (
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


def joined_to_entries(statement: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    """Add the export and the image, which may be gone, of each entry to a statement."""
    return statement.join(DicomExport, DicomExport.ien == DicomExportImage.export).join(
        Image, Image.ien == DicomExportImage.image, isouter=True
    )


#: Of a destination that was held with very many entries some still have status WAITING.
_WAITS = (
    (DicomExportImage.status == "WAITING")
    & (DicomExportImage.origin == bindparam("one_origin"))
    & DicomExportImage.application.not_in(select(HeldDestination.application))
)
_NEXT = (
    joined_to_entries(select(*NEXT_COLUMNS))
    .where(_WAITS, DicomExportImage.priority == bindparam("one_priority"))
    .order_by(DicomExportImage.export, DicomExportImage.sequence)
    .limit(bindparam("most"))
)
_PRIORITY = select(DicomExportImage.priority).where(_WAITS).order_by(DicomExportImage.priority.desc()).limit(1)
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
_SENT_IMAGES = (
    select(
        DicomExportImage.export,
        DicomExportImage.sequence,
        DicomExportImage.image,
        DicomExportImage.status,
        DicomExportImage.taken_by,
        Image.uid,
        DicomExport.application,
    )
    .join(DicomExport, DicomExport.ien == DicomExportImage.export)
    .join(Image, Image.ien == DicomExportImage.image, isouter=True)
    .where(DicomExportImage.export == bindparam("d0"), DicomExportImage.sequence.in_(bindparam("sequences", expanding=True)))
)
#: What has arrived is not tried again, whoever else had it and could not send it.
_SET_STATUS = (
    update(DicomExportImage)
    .where(_ENTRY, or_(DicomExportImage.status != "SUCCESS", bindparam("new_status", type_=String) != "RETRY"))
    .values(
        status=bindparam("new_status"),
        status_at=bindparam("now"),
        reason=bindparam("why"),
        next_try_at=bindparam("next_try"),
        repeated=or_(DicomExportImage.repeated, bindparam("again")),  # who sends it at last need not know of it
    )
)
#: A machine says that it still has an entry.
_KEEP = (
    update(DicomExportImage)
    .where(_ENTRY, DicomExportImage.status == "XMIT", DicomExportImage.taken_by == bindparam("machine"))
    .values(status_at=bindparam("now"))
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


Entry = Row[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Report:
    """What a transmitter says of one entry; an empty status takes the entry out of the queue."""

    export: int
    sequence: int
    status: str
    repeated: bool = False
    reason: str = ""
    next_try_at: float = 0.0

    @property
    def key(self) -> tuple[int, int]:
        """Entry and image subscript."""
        return self.export, self.sequence

    def changes(self, now: float) -> dict[str, object]:
        """Give what it sets the entry to."""
        return {
            "d0": self.export,
            "d1": self.sequence,
            "new_status": self.status,
            "now": now,
            "why": self.reason,
            "next_try": self.next_try_at,
            "again": self.repeated,
        }


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
    then. The highest priority of all locations comes first, the oldest export in it; nothing is given for a destination that is
    held. What was taken and not reported for five minutes waits again.
    """
    origins = origins_of(call)
    if not origins:
        return [NO_ORIGIN]
    lock_for_transaction(call.connection, *map(export_lock, origins))
    told = [[*element.split("^"), "", "", ""][:3] for element in call.list(1).values()]
    apply_reports(call, [Report(subscript(export), subscript(sequence), status) for export, sequence, status in told])
    check = bool(m_number(call.text(2)))
    if not check:
        let_wait_again(call, origins)
    entries = _next(call, origins, 1)
    if not check:
        take(call, entries)
    return described(call, entries)


def origins_of(call: Call) -> list[int]:
    """Give the institutions that LOCATION names, a literal or a list."""
    texts = [call.text(0), *call.list(0).values()]
    return sorted({number for text in texts if (number := subscript(text))})[:MOST_ORIGINS]


def take_entries(call: Call, origins: Sequence[int], most: int) -> list[Entry]:
    """Take the next entries of some locations, as MAG DICOM GET NEXT QUEUE ENTRY would give them one after the other.

    The caller holds `export_lock` of them.
    """
    let_wait_again(call, origins)
    taken: list[Entry] = []
    while len(taken) < most and (entries := _next(call, origins, most - len(taken))):
        take(call, entries)
        taken += entries
    return taken


def let_wait_again(call: Call, origins: Sequence[int]) -> None:
    """Let what was taken too long ago wait again, and what waited to be tried again."""
    now = call.clock.seconds()
    call.connection.execute(_RETURN, {"before": now - EXPORT_TAKEN_FOR, "now": now, "origins": origins})


def _next(call: Call, origins: Sequence[int], most: int) -> Sequence[Entry]:
    """Find what waits at the highest priority of all locations, the oldest first."""
    waiting = [
        (priority, -index, origin)
        for index, origin in enumerate(origins)
        if (priority := call.connection.execute(_PRIORITY, {"one_origin": origin}).scalar()) is not None
    ]
    if not waiting:
        return ()
    priority, _index, origin = max(waiting)
    return call.connection.execute(_NEXT, {"one_origin": origin, "one_priority": priority, "most": most}).all()


def take(call: Call, entries: Sequence[Entry]) -> None:
    """Note that this session's machine has some entries from now on."""
    now, machine = call.clock.seconds(), call.session.machine
    taken = [{"d0": it.export, "d1": it.sequence, "now": now, "machine": machine} for it in entries]
    if taken:
        call.connection.execute(_TAKE, taken)


def described(call: Call, entries: Sequence[Entry]) -> list[str]:
    """Write entries one after the other; where there is none, give up exports that nobody sent in time."""
    if not entries:
        _give_up_old(call)
        return [NOTHING]
    return [line for entry in entries for line in _described(call, entry)]


def _described(call: Call, entry: Entry) -> list[str]:
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


def take_out(connection: Connection, export: int, sequence: int) -> None:
    """Take an entry out of the queue, and its export with the last one, unless somebody else has just done so."""
    if not connection.execute(_DELETE, {"d0": export, "d1": sequence}).rowcount:
        return
    left = connection.execute(_COUNT_DOWN, {"d0": export}).scalar()
    if left is not None and left <= 0:
        connection.execute(_DELETE_EXPORT, {"d0": export})


def apply_reports(call: Call, reports: Sequence[Report]) -> int:
    """Set what became of entries, and tell the images' stories; gives how many of them there are.

    One that has arrived, or that another machine has taken since, is not tried again; that it has is told its story once.
    """
    rows = _reported(call.connection, reports)
    known = [report for report in reports if report.key in rows]
    for report in known:
        if not report.status:
            take_out(call.connection, report.export, report.sequence)
    now = call.clock.seconds()
    kept = [
        {"d0": it.export, "d1": it.sequence, "machine": call.session.machine, "now": now} for it in known if it.status == KEPT
    ]
    if kept:
        call.connection.execute(_KEEP, kept)
    told = [
        report
        for report in known
        if report.status not in ("", KEPT) and not (report.status == "RETRY" and _is_settled(call, rows[report.key]))
    ]
    if told:
        call.connection.execute(_SET_STATUS, [report.changes(now) for report in told])
        new = [report for report in told if not (report.status == "SUCCESS" and _has_arrived(rows[report.key]))]
        record_events(call.connection, [_event(call, report, rows[report.key], now) for report in new])
    return len(known)


def _has_arrived(row: Entry) -> bool:
    return bool(row.status == "SUCCESS")


def _is_settled(call: Call, row: Entry) -> bool:
    """Tell whether it is not for this session's machine any more to have an entry tried again: another one is sending it."""
    return _has_arrived(row) or (row.status == "XMIT" and row.taken_by not in ("", call.session.machine))


def _reported(connection: Connection, reports: Sequence[Report]) -> dict[tuple[int, int], Entry]:
    wanted: dict[int, list[int]] = {}
    for export, sequence in dict.fromkeys(report.key for report in reports):
        wanted.setdefault(export, []).append(sequence)
    return {
        (row.export, row.sequence): row
        for export, sequences in wanted.items()
        for at in range(0, len(sequences), _LOOKED_UP)
        for row in connection.execute(_SENT_IMAGES, {"d0": export, "sequences": sequences[at : at + _LOOKED_UP]})
    }


def _event(call: Call, report: Report, row: Entry, now: float) -> Event:
    outcome = f"{report.status.lower()}, sent again" if report.repeated else report.status.lower()
    detail = f"{row.application}: {report.reason}" if report.reason else row.application
    return Event(row.uid or "", row.image, "SEND", now, call.session.machine, outcome, detail)
