"""Our own procedures, for our own gateway (context MAGB GATEWAY); file 8994 has none for what they do."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from sqlalchemy import bindparam, select, update

from fileman import Event, export_lock, lock_for_transaction, note_access, record_events, to_fileman, transmission, upserts
from fileman.files import DicomExport, DicomExportImage, GatewayStatus, Image
from rpcs.call import Call
from rpcs.export import (
    AGAIN,
    NO_ORIGIN,
    Report,
    Room,
    apply_reports,
    described,
    origins_of,
    take_by_destination,
    take_entries,
)
from rpcs.numbers import subscript
from rpcs.registry import Access, Answer, listed, literal, procedure
from rpcs.session import AskWhenWoken
from xwb import ResultType, m_number

#: Seconds that a refused entry waits before it is tried again: doubled each time from the first to the last.
FIRST_RETRY, LAST_RETRY = 5.0, 300.0
#: Seconds that a gateway may let an entry wait at most.
LONGEST_RETRY = 7 * 86400.0
#: Entries of the export queue that are given at once.
MOST_ENTRIES = 100

_UID = select(Image.uid).where(Image.ien == bindparam("of_image"))
_TRIES = select(DicomExportImage.tries).where(
    DicomExportImage.export == bindparam("d0"), DicomExportImage.sequence == bindparam("d1")
)
_TAKEN = select(DicomExportImage.export, DicomExportImage.sequence).where(
    DicomExportImage.taken_by == bindparam("machine"), DicomExportImage.status == "XMIT"
)
_RETURN = (
    update(DicomExportImage)
    .where(
        DicomExportImage.export == bindparam("d0"),
        DicomExportImage.sequence == bindparam("d1"),
        DicomExportImage.status == "XMIT",
    )
    .values(status=AGAIN)
)
_MOST_LOOKED_UP = 1000
_WITH_PRIORS = (
    select(DicomExport.ien)
    .where(DicomExport.ien.in_(bindparam("exports", expanding=True)), DicomExport.with_priors)
    .order_by(DicomExport.ien)
)
_IN_QUEUE = (
    select(DicomExport.ien)
    .where(DicomExport.study_uid == bindparam("uid_"), DicomExport.application == bindparam("application_"))
    .limit(1)
)
#: Stages of a retrieval.
_RETRIEVED = ("MOVE", "GET")
_HEARTBEAT = upserts(
    GatewayStatus,
    lambda insert: insert.on_conflict_do_update(
        index_elements=[GatewayStatus.machine],
        set_={"heartbeat_at": insert.excluded.heartbeat_at, "status": insert.excluded.status},
    ),
)


@procedure("MAGB NETWORK LOCATIONS", returns=ResultType.ARRAY, access=Access.SESSION, routine="magb")
def network_locations(call: Call) -> list[str]:
    """Answer `ien^name^physical^path` of every network location: the share's name and where it lies on this machine."""
    return [f"{it.ien}^{it.name}^{it.physical}^{it.path}" for it in call.site.locations.values()]


@procedure("MAGB TRANSMIT DESTINATIONS", returns=ResultType.ARRAY, access=Access.SESSION, routine="magb")
def transmit_destinations(call: Call) -> list[str]:
    """Answer `ien^name^AE title^host^port^gateway^location` of every DICOM transmit destination."""
    return [f"{it.ien}^{it.name}^{it.ae_title}^{it.host}^{it.port}^{it.gateway}^{it.location}" for it in call.site.destinations]


@procedure("MAGB IMAGE EVENTS", access=Access.WRITES, routine="magb", parameters=(listed("EVENTS", required=True),))
def image_events(call: Call) -> str:
    """Take steps of images' stories, `uid^ien^stage^ISO time^peer^outcome^detail`; answer how many were taken.

    Of an image on file its IEN is enough. What was sent by C-MOVE or C-GET was looked at: LAST ACCESS DATE is that day.
    """
    events = []
    for line in call.list(0).values():
        uid, ien, stage, at, peer, outcome, detail = [*line.split("^", 6), *[""] * 7][:7]
        if stage:
            image = subscript(ien) or None
            if image is not None and not uid:
                uid = call.connection.execute(_UID, {"of_image": image}).scalar() or ""
            events.append(Event(uid, image, stage, _seconds(call, at), peer, outcome, detail))
    record_events(call.connection, events)
    retrieved = {event.image for event in events if event.image and event.stage in _RETRIEVED and event.outcome == "sent"}
    note_access(call.connection, retrieved, to_fileman(call.clock.now().date()))
    return str(len(events))


def _seconds(call: Call, text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return call.clock.seconds()
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


@procedure("MAGB EXPORT RESULT", access=Access.WRITES, routine="magb", parameters=(listed("RESULTS", required=True),))
def export_result(call: Call) -> str:
    """Take what became of export entries, `entry^image^status^repeat^reason^seconds`; answer how many are known.

    Status SUCCESS and FAIL end an entry. WAITING puts it back with the reason, to be tried again after so many seconds, a week
    at most; where none are given, after a pause that doubles with every try; one that has arrived, or that another machine has
    taken since, is not tried again. KEPT says that this machine still has an entry that it took, which else waits again after
    five minutes. Repeat 1 says that the instance may have reached the destination before.
    """
    return str(apply_reports(call, _reports(call, 0)))


@procedure(
    "MAGB EXPORT NEXT",
    returns=ResultType.ARRAY,
    access=Access.WRITES,
    routine="magb",
    parameters=(
        literal("LOCATION", 30, required=True),
        listed("RESULTS"),
        literal("COUNT", 3),
        literal("WAIT", 10),
        listed("ROOM"),
    ),
)
def export_next(call: Call) -> Answer | list[str]:
    """Take results as MAGB EXPORT RESULT does; give the next COUNT entries, 100 at most, and mark them as taken.

    They are those that MAG DICOM GET NEXT QUEUE ENTRY would give one after the other, written so too: 13 lines for each,
    or its `-1` or `-2`. Where nothing waits it is waited for, WAIT seconds at most. With ROOM entries are given by
    destination: elements are `application^count^export`, so many entries for the destination, those of the export that was
    begun before any other; an element without application says how many for each that is not named. What waits for one
    destination is no obstacle to the others.
    """
    since = call.store.sleepers.count
    origins = origins_of(call)
    if not origins:
        return [NO_ORIGIN]
    lock_for_transaction(call.connection, *map(export_lock, origins))
    if not call.waited:
        apply_reports(call, _reports(call, 1))
    rooms = [Room.read(line) for line in call.list(4).values()]
    if rooms:
        entries = take_by_destination(call, origins, rooms, MOST_ENTRIES)
    else:
        entries = take_entries(call, origins, min(subscript(call.text(2)) or 1, MOST_ENTRIES))
    seconds = float(m_number(call.text(3)))
    if entries or call.waited or seconds <= 0:
        return described(call, entries)
    return Answer(effects=(AskWhenWoken(tuple(map(transmission, origins)), seconds, since),))


def _reports(call: Call, argument: int) -> list[Report]:
    """Read `entry^image^status^repeat^reason^seconds`; what waits gets the moment of its next try."""
    reports = []
    for line in call.list(argument).values():
        entry, sequence, status, repeat, reason, seconds = [*line.split("^", 5), *[""] * 6][:6]
        d0, d1 = subscript(entry), subscript(sequence)
        if not (d0 and d1 and status):
            continue
        next_try = 0.0
        if status == "WAITING":
            next_try = call.clock.seconds() + _pause(call, d0, d1, seconds)
            status = "RETRY"
        reports.append(Report(d0, d1, status, repeat == "1", reason, next_try))
    return reports


def _pause(call: Call, d0: int, d1: int, seconds: str) -> float:
    if seconds:
        return min(LONGEST_RETRY, max(0.0, float(m_number(seconds))))
    tries = call.connection.execute(_TRIES, {"d0": d0, "d1": d1}).scalar() or 1
    return float(min(LAST_RETRY, FIRST_RETRY * 2 ** min(tries - 1, 10)))


@procedure(
    "MAGB EXPORT PRIORS",
    returns=ResultType.ARRAY,
    access=Access.READS,
    routine="magb",
    parameters=(listed("EXPORTS"), listed("STUDIES")),
)
def export_priors(call: Call) -> list[str]:
    """Answer `export^number` of those EXPORTS with which prior studies are to go, as a rule with PRIORSTUDY YES queued them.

    Then, of STUDIES `application^study UID`, those that stand in the export queue: `study^application^study UID`. Of each list
    1,000 are looked up at most.
    """
    numbers = [number for text in call.list(0).values() if (number := subscript(text))][:_MOST_LOOKED_UP]
    found = call.connection.execute(_WITH_PRIORS, {"exports": numbers}).scalars().all() if numbers else []
    studies = [line.split("^", 1) for line in call.list(1).values() if line.count("^") == 1][:_MOST_LOOKED_UP]
    there = [
        (application, uid)
        for application, uid in studies
        if call.connection.execute(_IN_QUEUE, {"application_": application, "uid_": uid}).first() is not None
    ]
    return [*(f"export^{number}" for number in found), *(f"study^{application}^{uid}" for application, uid in there)]


@procedure(
    "MAGB EXPORT REQUEUE", access=Access.WRITES, routine="magb", parameters=(literal("MACHINE", required=True), listed("IN HAND"))
)
def export_requeue(call: Call) -> str:
    """Return to the queue what this machine took and no longer knows of; IN HAND lists `entry^image` that it still has.

    What is for a destination that was held meanwhile is held.
    """
    in_hand = set(call.list(1).values())
    returned = [
        {"d0": row.export, "d1": row.sequence}
        for row in call.connection.execute(_TAKEN, {"machine": call.text(0)}).all()
        if f"{row.export}^{row.sequence}" not in in_hand
    ]
    if returned:
        call.connection.execute(_RETURN, returned)
    return str(len(returned))


@procedure(
    "MAGB GATEWAY HEARTBEAT",
    access=Access.WRITES,
    routine="magb",
    parameters=(literal("MACHINE", required=True), listed("STATUS")),
)
def gateway_heartbeat(call: Call) -> str:
    """Take a gateway's state, elements `name=value`; answer 1."""
    status = dict(line.split("=", 1) for line in call.list(1).values() if "=" in line)
    row = {"machine": call.text(0), "heartbeat_at": call.clock.seconds(), "status": json.dumps(status)}
    call.connection.execute(_HEARTBEAT[call.connection.dialect.name], row)
    return "1"
