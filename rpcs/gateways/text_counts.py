"""Statistics of gateways: text messages per day and class, of which days there are statistics, and deleting old ones."""

from __future__ import annotations

from math import ceil

from sqlalchemy import bindparam, delete, func, select

from fileman import to_fileman, upserts
from fileman.files import AcquisitionCount, TextMessageCount
from rpcs.call import Call
from rpcs.numbers import LAST_DAY
from rpcs.registry import Access, literal, procedure
from xwb import ResultType, m_number

#: DICOM MESSAGE STATISTICS and DICOM INSTRUMENT STATISTICS, by FileMan's numbers.
TEXT, IMAGES = "2006.5761", "2006.5762"
_DAY = {TEXT: TextMessageCount.__table__.c.day, IMAGES: AcquisitionCount.__table__.c.day}

_COUNT = upserts(
    TextMessageCount,
    lambda insert: insert.on_conflict_do_update(
        index_elements=[TextMessageCount.day, TextMessageCount.location, TextMessageCount.message],
        set_={"count": TextMessageCount.count + 1, "latest": insert.excluded.latest},
    ),
)
_COUNTED = select(TextMessageCount.count).where(
    TextMessageCount.day == bindparam("day"),
    TextMessageCount.location == bindparam("location"),
    TextMessageCount.message == bindparam("message"),
)
_COUNTS = (
    select(TextMessageCount.day, TextMessageCount.count, TextMessageCount.message, TextMessageCount.latest)
    .where(TextMessageCount.location == bindparam("location_"), TextMessageCount.day >= bindparam("first"))
    .order_by(TextMessageCount.day, TextMessageCount.message)
)
_RANGE = {number: select(func.min(day), func.max(day)) for number, day in _DAY.items()}
_DAYS = {number: select(func.count(func.distinct(day))).where(day < bindparam("cutoff")) for number, day in _DAY.items()}
_PURGE = {
    TEXT: delete(TextMessageCount).where(TextMessageCount.day < bindparam("cutoff")),
    IMAGES: delete(AcquisitionCount).where(AcquisitionCount.day < bindparam("cutoff")),
}


@procedure(
    "MAG DICOM AUDIT COUNT",
    access=Access.WRITES,
    routine="COUNT^MAGDRPC7",
    parameters=(literal("LOCATION", 30, required=True), literal("MESSAGE", 30, required=True)),
    version=3,
)
def audit_count(call: Call) -> str:
    """Count a text message of a class at a location today; answer how many there were of it today.

    Without LOCATION the answer is `-1,No Location Specified`, without MESSAGE `-2,No Message Specified`.
    """
    location, message = call.text(0), call.text(1)
    if not m_number(location):
        return "-1,No Location Specified"
    if not message:
        return "-2,No Message Specified"
    now = call.clock.now()
    row = {"day": to_fileman(now.date()), "location": location, "message": message, "count": 1, "latest": to_fileman(now)}
    call.connection.execute(_COUNT[call.connection.dialect.name], row)
    return str(call.connection.execute(_COUNTED, {"day": row["day"], "location": location, "message": message}).scalar_one())


@procedure(
    "MAG DICOM TEXT AUDIT GET",
    returns=ResultType.ARRAY,
    access=Access.SCANS,
    routine="GET1^MAGDRPC7",
    parameters=(literal("LOCATION", 10, required=True), literal("TODAY", 10)),
    version=3,
)
def text_audit_get(call: Call) -> list[str]:
    """Answer the counts of text messages at a location, of all days, or of today when TODAY is true.

    First how many lines follow, then `^^class` for each class of messages, then `date^count^class^latest` by date and class.
    """
    first = to_fileman(call.clock.now().date()) if m_number(call.text(1)) else ""
    rows = call.connection.execute(_COUNTS, {"location_": call.text(0), "first": first}).all()
    lines = [f"^^{message}" for message in sorted({row.message for row in rows})]
    lines += [f"{row.day}^{row.count}^{row.message}^{row.latest}" for row in rows]
    return [str(len(lines)), *lines]


@procedure(
    "MAG DICOM AUDIT RANGE",
    returns=ResultType.ARRAY,
    access=Access.READS,
    routine="RANGE^MAGDRPC7",
    version=3,
)
def audit_range(call: Call) -> list[str]:
    """Answer `file^first day^last day` of the statistics of messages and of instruments, then `-END-`."""
    lines = []
    for number, statement in _RANGE.items():
        first, last = call.connection.execute(statement).one()
        lines.append(f"{number}^{first or ''}^{last or ''}")
    return [*lines, "-END-"]


@procedure(
    "MAG DICOM AUDIT PURGE",
    access=Access.WRITES,
    routine="PURGE^MAGDRPC7",
    parameters=(literal("FILENUM", 20, required=True), literal("DATE", 20, required=True)),
    version=3,
)
def audit_purge(call: Call) -> str:
    """Delete the statistics of a file from before a FileMan date; answer `n days purged.`, also for a file without statistics."""
    number = call.text(0)
    days = 0
    if number in _PURGE:
        cutoff = {"cutoff": f"{min(LAST_DAY, max(0, ceil(m_number(call.text(1))))):07d}"}
        days = call.connection.execute(_DAYS[number], cutoff).scalar_one()
        call.connection.execute(_PURGE[number], cutoff)
    return f"{days} day{'' if days == 1 else 's'} purged."
