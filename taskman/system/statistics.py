"""Statistics per day, rolled up from images' stories and the acquisition statistics, so that pages read few rows.

Events are counted once each, in the order of their numbers; how far that has come is written with the counts. On PostgreSQL
a number may be given before that of an event which is seen earlier, so only what was there some time ago is counted.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from datetime import datetime

from sqlalchemy import Connection, bindparam, func, insert, select, tuple_, update

from fileman import to_fileman, upserts
from fileman.files import AcquisitionCount, AcquisitionDevice, DailyStatistic, Image, ImageEvent, StatisticsCursor
from taskman.context import TaskContext
from taskman.endings import Deleted, Ending
from taskman.routines import routine
from taskman.system.batches import BATCH, change, in_batches

#: Seconds after which every transaction that took a number has ended.
SETTLED = 60.0
#: Different outcomes that a stage has on a day at a location; more are counted together, whatever clients call them.
MOST_OUTCOMES, OTHER = 50, "other"
#: A name is cut to this many characters.
NAME_LIMIT = 60
#: What the counts of the acquisition statistics (#2006.5762) are called here.
ACQUISITION = {"acquired": "ACQUIRED", "processed": "FILED"}

#: What is counted together: day, location, instrument, stage, outcome.
Key = tuple[str, str, str, str, str]
#: Day, location and instrument of the acquisition statistics.
Place = tuple[str, str, str]

_CURSOR = select(StatisticsCursor.last, StatisticsCursor.seen, StatisticsCursor.seen_at, StatisticsCursor.day).where(
    StatisticsCursor.id == 1
)
_NEWEST = select(func.coalesce(func.max(ImageEvent.ien), 0))
_BEGIN = insert(StatisticsCursor)
_MOVE = update(StatisticsCursor).where(StatisticsCursor.id == 1)
_EVENTS = (
    select(ImageEvent.ien, ImageEvent.uid, ImageEvent.image, ImageEvent.stage, ImageEvent.outcome, ImageEvent.at)
    .where(ImageEvent.ien > bindparam("after"), ImageEvent.ien <= bindparam("upto"))
    .order_by(ImageEvent.ien)
    .limit(BATCH)
)
_PLACES = (
    select(Image.ien, Image.uid, Image.acquisition_site, AcquisitionDevice.name)
    .join(AcquisitionDevice, AcquisitionDevice.ien == Image.acquisition_device, isouter=True)
    .order_by(Image.ien.desc())
)
_PLACES_OF_IMAGES = _PLACES.where(Image.ien.in_(bindparam("images", expanding=True)))
_PLACES_OF_UIDS = _PLACES.where(Image.uid.in_(bindparam("uids", expanding=True)))
_OUTCOMES = (
    select(DailyStatistic.outcome)
    .where(
        DailyStatistic.day == bindparam("day"),
        DailyStatistic.location == bindparam("location"),
        DailyStatistic.instrument == bindparam("instrument"),
        DailyStatistic.stage == bindparam("stage"),
    )
    .limit(MOST_OUTCOMES + 1)
)
_KEY = [
    DailyStatistic.day,
    DailyStatistic.location,
    DailyStatistic.instrument,
    DailyStatistic.stage,
    DailyStatistic.outcome,
]
_ADD = upserts(
    DailyStatistic,
    lambda insert: insert.on_conflict_do_update(
        index_elements=_KEY, set_={"count": DailyStatistic.count + insert.excluded.count}
    ),
)
_SET = upserts(
    DailyStatistic,
    lambda insert: insert.on_conflict_do_update(index_elements=_KEY, set_={"count": insert.excluded.count}),
)
_ACQUISITION_KEY = (AcquisitionCount.day, AcquisitionCount.location, AcquisitionCount.instrument)
_ACQUIRED = (
    select(
        AcquisitionCount.day,
        AcquisitionCount.location,
        AcquisitionCount.instrument,
        AcquisitionCount.acquired,
        AcquisitionCount.processed,
    )
    .where(tuple_(*_ACQUISITION_KEY) >= tuple_(bindparam("day"), bindparam("location"), bindparam("instrument")))
    .order_by(*_ACQUISITION_KEY)
    .limit(BATCH)
)
_NUMBER = re.compile(r"\d+")


@routine(
    "STATS^MAGBSYS",
    subject=lambda _arguments: "STATS^MAGBSYS",
    option="MAGB ROLL UP STATISTICS",
    frequency="600S",
)
def roll_up_statistics(task: TaskContext) -> Ending:
    """Count what happened to images per day, location and instrument; pages read these counts.

    What came in the last minutes is counted by a later run. A run that finds nothing leaves no record.
    """
    upto = task.store.transact(lambda connection: _begin(task, connection))
    counted = in_batches(task, lambda connection: _roll_up(connection, upto))
    _roll_up_acquisition(task)
    task.store.transact(lambda connection: _finish(task, connection))
    if not counted:
        return Deleted()
    task.say(f"{counted} events counted")
    return None


def _begin(task: TaskContext, connection: Connection) -> int:
    """Give the last event that may be counted now."""
    task.fence(connection)
    cursor = connection.execute(_CURSOR).first()
    if cursor is None:
        newest = connection.execute(_NEWEST).scalar_one()
        connection.execute(_BEGIN, {"id": 1, "last": 0, "seen": newest, "seen_at": task.clock.seconds(), "day": ""})
        return 0
    return int(cursor.seen) if task.clock.seconds() - cursor.seen_at >= SETTLED else int(cursor.last)


def _roll_up(connection: Connection, upto: int) -> int:
    """Count a batch of events and move on behind it, in one transaction; give how many there were."""
    last = connection.execute(_CURSOR).one().last
    events = connection.execute(_EVENTS, {"after": last, "upto": upto}).all()
    if not events:
        return 0
    images = {event.image for event in events if event.image is not None}
    uids = {event.uid for event in events if event.image is None and event.uid}
    of_image = {row.ien: row for row in connection.execute(_PLACES_OF_IMAGES, {"images": sorted(images)})}
    of_uid = {row.uid: row for row in connection.execute(_PLACES_OF_UIDS, {"uids": sorted(uids)})}
    counts: Counter[Key] = Counter()
    for event in events:
        place = of_image.get(event.image) if event.image is not None else of_uid.get(event.uid)
        location = str(place.acquisition_site or "") if place is not None else ""
        instrument = (place.name or "") if place is not None else ""
        counts[_day(event.at), location, instrument, event.stage[:NAME_LIMIT], _outcome(event.stage, event.outcome)] += 1
    _write(connection, _bounded(connection, counts))
    connection.execute(_MOVE.values(last=events[-1].ien))
    return len(events)


def _day(at: float) -> str:
    """Give the site's day of a moment; "" for one that no calendar has, as a client may tell."""
    try:
        return to_fileman(datetime.fromtimestamp(at).date())  # noqa: DTZ006  days are the site's own
    except (ValueError, OverflowError, OSError):
        return ""


def _outcome(stage: str, outcome: str) -> str:
    """Give the name under which an outcome is counted: of evaluations whether any rule fired, of others their words."""
    if stage == "EVALUATE":
        return "no rule fired" if outcome.startswith("0 ") else "rules fired"
    return _NUMBER.sub("#", outcome)[:NAME_LIMIT]


def _bounded(connection: Connection, counts: Counter[Key]) -> Counter[Key]:
    """Count outcomes together where a client thinks of ever new ones."""
    known: dict[tuple[str, str, str, str], set[str]] = {}
    bounded: Counter[Key] = Counter()
    for (day, location, instrument, stage, outcome), count in counts.items():
        group = day, location, instrument, stage
        if group not in known:
            names = dict(zip(("day", "location", "instrument", "stage"), group, strict=True))
            known[group] = set(connection.execute(_OUTCOMES, names).scalars())
        if outcome not in known[group] and len(known[group]) >= MOST_OUTCOMES:
            outcome = OTHER
        known[group].add(outcome)
        bounded[*group, outcome] += count
    return bounded


def _write(connection: Connection, counts: Counter[Key]) -> None:
    names = ("day", "location", "instrument", "stage", "outcome")
    rows = [dict(zip(names, key, strict=True)) | {"count": count} for key, count in counts.items()]
    connection.execute(_ADD[connection.dialect.name], rows)


def _roll_up_acquisition(task: TaskContext) -> None:
    """Take over the acquisition statistics of the last day that was, and of those since; done twice it is done once."""
    last = task.store.read(lambda connection: connection.execute(_CURSOR).one().day), "", ""
    while not task.stop_requested():
        rows = task.store.read(functools.partial(_acquisition, last=last))
        change(task, _set_acquisition, rows)
        if len(rows) < BATCH:
            return
        last = rows[-1][0]


def _acquisition(connection: Connection, last: Place) -> list[tuple[Place, dict[str, int]]]:
    found = connection.execute(_ACQUIRED, dict(zip(("day", "location", "instrument"), last, strict=True)))
    return [((it.day, it.location, it.instrument), {"acquired": it.acquired, "processed": it.processed}) for it in found]


def _set_acquisition(task: TaskContext, connection: Connection, rows: list[tuple[Place, dict[str, int]]]) -> None:
    task.fence(connection)
    counts = [
        {"day": day, "location": location, "instrument": instrument, "stage": ACQUISITION[column], "outcome": "", "count": count}
        for (day, location, instrument), columns in rows
        for column, count in columns.items()
        if count
    ]
    if counts:
        connection.execute(_SET[connection.dialect.name], counts)
        connection.execute(_MOVE.values(day=counts[-1]["day"]))


def _finish(task: TaskContext, connection: Connection) -> None:
    """Note what the next run may count."""
    task.fence(connection)
    cursor = connection.execute(_CURSOR).one()
    now = task.clock.seconds()
    if cursor.last >= cursor.seen or now - cursor.seen_at >= SETTLED:
        connection.execute(_MOVE.values(seen=connection.execute(_NEWEST).scalar_one(), seen_at=now))
